// What a formula says about the text of a number or the characters of a string, as a language; and
// about the kind of a value.
#pragma once

#include <map>
#include <vector>

#include "grammar/schema_formula.h"

namespace issun::grammar {

enum class Truth : uint8_t { Holds, Fails, Depends };

class SchemaLanguages {
 public:
  explicit SchemaLanguages(const Formula& formula);

  // Whether a literal holds for all values of a kind, or for none. `kind` is one bit.
  Truth truth(Literal literal, Kind kind) const;
  // `kind`: kNumber or kString. Error: the languages become too large.
  Result<Language> of(const Conjunction& conjunction, Kind kind);

 private:
  Result<Language> of(NodeId node, Kind kind);
  Result<Language> exactly_one(const FormulaNode& node, Kind kind);

  const Formula& formula_;
  std::vector<Truth> truths_[8];  // (bit of the kind, nodes)
  std::map<std::pair<NodeId, Kind>, Language> known_;
};

}  // namespace issun::grammar
