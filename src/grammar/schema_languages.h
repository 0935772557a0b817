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
  // `work` outlives it: what it computes counts there.
  SchemaLanguages(const Formula& formula, Work& work);

  // Whether a literal holds for all values of a kind, or for none. `kind` is one bit.
  Truth truth(Literal literal, Kind kind) const;
  // `kind`: kNumber or kString. Error: the languages become too large.
  Result<Language> of(const Conjunction& conjunction, Kind kind);

 private:
  Result<Language> of(NodeId node, Kind kind);
  // As in language.h.
  Result<Language> both_of(const Language& a, const Language& b);
  Result<Language> either_of(std::vector<Language> parts);
  Result<Language> opposite_of(const Language& a);
  Result<Language> counted(Language made, const Language& from, const Language& other);
  Result<Language> exactly_one(const FormulaNode& node, Kind kind);

  const Formula& formula_;
  Work& work_;
  std::vector<Truth> truths_[8];  // (bit of the kind, nodes)
  std::map<std::pair<NodeId, Kind>, Language> known_;
};

}  // namespace issun::grammar
