#include "import/word_splitter.h"

#include <vector>

#include "base/quote.h"
#include "tokenizer/presets.h"

namespace issun::import {

namespace {

constexpr std::string_view kContractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// A pattern as the presets spell it: they are the same patterns, as the reference engine applies
// them (presets.cpp). Each line is another way to write the same set of matches.
std::string as_preset(std::string pattern) {
  const std::string group = "(?:" + std::string(kContractions) + ")";
  for (const char* spelling :
       {"(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
        "'(?i:[sdmt]|ll|ve|re)"}) {
    replace_all(pattern, std::string(spelling) + "?", "\x01");
    replace_all(pattern, spelling, kContractions);
  }
  replace_all(pattern, "\x01", group + "?");
  replace_all(pattern, "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{L}--a-z]");
  replace_all(pattern, "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{L}--A-Z]");
  // Possessive quantifiers, where giving back could not help a match.
  replace_all(pattern, "?+", "?");
  replace_all(pattern, "++", "+");
  // What \s* leaves of a run of line ends is its last one.
  replace_all(pattern, "|\\s*[\\r\\n]|", "|\\s*[\\r\\n]+|");
  return pattern;
}

Result<void> add_stages(const Json& splitter, std::vector<std::string>& stages) {
  const Json& type = splitter["type"];
  if (type.is("Sequence")) {
    for (const Json& step : splitter["pretokenizers"].items()) TRY(add_stages(step, stages));
    return {};
  }
  if (type.is("ByteLevel")) {
    if (splitter["add_prefix_space"].is_true()) {
      return fail("ByteLevel: expected no space before the text, found add_prefix_space");
    }
    const Json& splits = splitter["use_regex"];
    if (!splits.is_bool() || splits.boolean()) {
      stages.emplace_back(tokenizer::find_preset("gpt-2")->stages[0].pattern);
    }
    return {};
  }
  if (type.is("Digits")) {
    stages.emplace_back(splitter["individual_digits"].is_true() ? "\\p{N}" : "\\p{N}+");
    return {};
  }
  if (type.is("Split") && splitter["pattern"]["Regex"].is_string()) {
    const bool isolated = splitter["behavior"].is("Isolated") && !splitter["invert"].is_true();
    const bool kept = splitter["behavior"].is("Removed") && splitter["invert"].is_true();
    if (!isolated && !kept) return fail("Split: expected matches to become words of their own");
    stages.push_back(as_preset(splitter["pattern"]["Regex"].text()));
    return {};
  }
  return fail("expected Sequence, Split, Digits or ByteLevel, found '{}'",
              type.is_string() ? printable(type.text()) : "nothing");
}

bool has_stages(const tokenizer::Preset& preset, const std::vector<std::string>& stages) {
  if (preset.stages.size() != stages.size()) return false;
  for (size_t s = 0; s < stages.size(); ++s) {
    const tokenizer::Stage& stage = preset.stages[s];
    if (stage.kind != tokenizer::Stage::Regex || as_preset(std::string(stage.pattern)) != stages[s])
      return false;
  }
  return true;
}

}  // namespace

Result<std::string> find_splitter(const SplitterFacts& facts) {
  std::vector<std::string> stages;
  TRY(add_stages(facts.pre_tokenizer, stages));
  const tokenizer::Preset* best = nullptr;
  int best_agreements = -1;
  for (const tokenizer::Preset& preset : tokenizer::presets()) {
    if (!has_stages(preset, stages)) continue;
    const int agreements = 2 * (preset.whole_words == facts.whole_words) +
                           (preset.clean_spaces == facts.cleans_spaces);
    if (agreements <= best_agreements) continue;
    best_agreements = agreements;
    best = &preset;
  }
  if (best != nullptr) return std::string(best->names.substr(0, best->names.find(' ')));
  std::string found;
  for (const std::string& stage : stages) found += (found.empty() ? "" : "  then  ") + stage;
  return fail("words are split by rules that no known splitter has (--pre NAME chooses one): {}",
              visible(found));
}

}  // namespace issun::import
