// Where the references of a schema lead: pointers, anchors and names within one document.
#pragma once

#include <map>
#include <string>

#include "base/json.h"

namespace issun::grammar {

// A member of an object, the last if there are several; nullptr where there is none.
const Json* member(const Json& object, std::string_view key);

// A subschema and the resource it belongs to: the nearest subschema around it with an $id.
struct Location {
  const Json* schema = nullptr;
  const Json* resource = nullptr;
  std::string base;  // URI of the resource
};

class References {
 public:
  // The document must outlive this.
  // `reference_alone`: what stands beside a $ref counts for nothing, an $id neither.
  References(const Json& root, bool reference_alone);

  Location root() const { return {&root_, &root_, base_of_root_}; }
  // The location of a part of the schema: another resource if it has an $id.
  Location enter(const Location& around, const Json& schema) const;
  // Error: it leads outside of this document, or nowhere.
  Result<Location> follow(const Location& from, const std::string& reference) const;

 private:
  void collect(const Json& value, const std::string& base, const Json& resource);
  Result<Location> point(Location resource, std::string_view pointer,
                         const std::string& reference) const;

  const std::string* id_of(const Json& schema) const;

  const Json& root_;
  bool reference_alone_;
  std::string base_of_root_;
  std::map<std::string, Location> named_;  // by absolute URI, with "#anchor"
};

}  // namespace issun::grammar
