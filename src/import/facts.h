// What a model directory's config.json says, asked for by the names that different authors use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace issun::import {

// Bytes that such files may have.
constexpr int64_t kLongestConfig = 8 << 20;
constexpr int64_t kLongestTokenizer = 128 << 20;

// An optional file; null where there is none.
Result<Json> read_json_file(const std::string& path);

class Facts {
 public:
  // What stands in "text_config" (of models that also see or hear) counts as if it stood at the
  // top. `name` stands in error messages.
  static Result<Facts> read(std::string_view text, std::string_view name);

  // What counts where a fact is absent, as a JSON object.
  Result<void> set_defaults(std::string_view text);

  // `names`: alternatives separated by '|', the first that is there and not null counts.
  const Json& get(std::string_view names) const;
  bool has(std::string_view names) const { return !get(names).is_null(); }
  // nullopt when absent. Error: another kind of value, or none that such a fact can have.
  Result<std::optional<int64_t>> maybe_count(std::string_view names) const;
  Result<std::optional<double>> maybe_number(std::string_view names) const;
  // Absence is an error that names the fact.
  Result<int64_t> count(std::string_view names) const;
  Result<double> number(std::string_view names) const;

  std::string_view name() const { return name_; }
  // "LlamaForCausalLM": the first of "architectures". Error: there is none.
  Result<std::string> architecture() const;

 private:
  std::string name_;
  Json top_, defaults_;
};

}  // namespace issun::import
