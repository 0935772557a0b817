#include "grammar/schema_references.h"

#include <charconv>

#include "base/quote.h"

namespace issun::grammar {

const Json* member(const Json& object, std::string_view key) {
  const auto& members = object.members();
  for (auto at = members.rbegin(); at != members.rend(); ++at) {
    if (at->first == key) return &at->second;
  }
  return nullptr;
}

namespace {

const std::string* text_of(const Json& schema, std::string_view key) {
  const Json* value = member(schema, key);
  return value != nullptr && value->is_string() ? &value->text() : nullptr;
}

// RFC 3986, section 5.2, without dot segments.
std::string resolve(const std::string& base, std::string reference) {
  const size_t colon = reference.find(':');
  if (colon != std::string::npos && colon < reference.find_first_of("/?#")) return reference;
  const std::string place = base.substr(0, base.find('#'));
  if (reference.empty() || reference[0] == '#') return place + reference;
  const size_t authority = place.find("://");
  const size_t path = authority == std::string::npos ? 0 : place.find('/', authority + 3);
  if (reference[0] == '/') return place.substr(0, std::min(path, place.size())) + reference;
  const size_t slash = place.rfind('/');
  if (path == std::string::npos) return place + "/" + reference;
  return (slash == std::string::npos ? "" : place.substr(0, slash + 1)) + reference;
}

std::string unescaped(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1')) {
      out += part[++i] == '0' ? '~' : '/';
    } else if (part[i] == '%' && i + 2 < part.size()) {
      unsigned code = 0;
      const char* first = part.data() + i + 1;
      if (std::from_chars(first, first + 2, code, 16).ptr != first + 2) return std::string(part);
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += part[i];
    }
  }
  return out;
}

}  // namespace

const std::string* References::id_of(const Json& schema) const {
  if (reference_alone_ && member(schema, "$ref") != nullptr) return nullptr;
  const std::string* id = text_of(schema, "$id");
  return id != nullptr ? id : text_of(schema, "id");
}

References::References(const Json& root, bool reference_alone)
    : root_(root), reference_alone_(reference_alone) {
  const std::string* id = id_of(root);
  base_of_root_ = id != nullptr ? id->substr(0, id->find('#')) : "";
  named_[base_of_root_] = References::root();
  collect(root, base_of_root_, root);
}

// The values of enum and const are no schemas, whatever they look like.
void References::collect(const Json& value, const std::string& base, const Json& resource) {
  for (const Json& item : value.items()) collect(item, base, resource);
  if (!value.is_object()) return;
  std::string here = base;
  const Json* around = &resource;
  const std::string* id = id_of(value);
  if (id != nullptr && id->starts_with('#')) {
    named_.try_emplace(base + *id, Location{&value, &resource, base});
  } else if (id != nullptr && &value != &root_) {
    here = resolve(base, *id);
    here.resize(std::min(here.find('#'), here.size()));
    around = &value;
    named_.try_emplace(here, Location{&value, &value, here});
  }
  if (const std::string* anchor = text_of(value, "$anchor")) {
    named_.try_emplace(here + "#" + *anchor, Location{&value, around, here});
  }
  for (const auto& [key, part] : value.members()) {
    if (key != "enum" && key != "const") collect(part, here, *around);
  }
}

Location References::enter(const Location& around, const Json& schema) const {
  const std::string* id = id_of(schema);
  if (id == nullptr || id->starts_with('#') || &schema == &root_) {
    return {&schema, around.resource, around.base};
  }
  const auto known = named_.find(resolve(around.base, *id));
  return known != named_.end() ? known->second : Location{&schema, around.resource, around.base};
}

Result<Location> References::follow(const Location& from, const std::string& reference) const {
  const size_t hash = std::min(reference.find('#'), reference.size());
  const std::string fragment = hash < reference.size() ? reference.substr(hash + 1) : "";
  Location resource{from.resource, from.resource, from.base};
  const std::string target = resolve(from.base, reference.substr(0, hash));
  if (hash > 0) {
    const auto known = named_.find(target);
    if (known == named_.end()) {
      return fail("'{}' leads outside of this schema, which is not supported",
                  printable(reference));
    }
    resource = known->second;
  }
  if (fragment.empty() || fragment[0] == '/') return point(resource, fragment, reference);
  const auto anchor = named_.find(resource.base + "#" + fragment);
  if (anchor == named_.end()) return fail("'{}' leads nowhere", printable(reference));
  return anchor->second;
}

Result<Location> References::point(Location at, std::string_view pointer,
                                   const std::string& reference) const {
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    const std::string key = unescaped(pointer.substr(0, end));
    pointer.remove_prefix(end);
    const Json* next = nullptr;
    if (at.schema->is_object()) {
      next = member(*at.schema, key);
    } else {
      size_t index = 0;
      const auto read = std::from_chars(key.data(), key.data() + key.size(), index);
      const auto& values = at.schema->items();
      if (read.ec == std::errc() && index < values.size()) next = &values[index];
    }
    if (next == nullptr) return fail("'{}' leads nowhere", printable(reference));
    at = enter(at, *next);
  }
  return at;
}

}  // namespace issun::grammar
