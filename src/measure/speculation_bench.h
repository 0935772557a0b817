// What guessing tokens brings: what a batch of several rows costs beside one of one row, and
// answers to prompts written with and without, in turn.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "model/decoder.h"

namespace issun::measure {

struct RowCost {
  int rows = 0;
  double seconds = 0, least = 0;  // the median and the least; all rows with logits
  // The least where each row has the bits that it has alone, as guesses beside one text have; 0:
  // not measured, since such a batch never has so many rows, or it is the same.
  double least_alone = 0;
};
// Batches of so many rows behind `depth` tokens, in turn. The cache must be empty and is so again
// at the end. Error: no room in the cache, or for that many rows.
Result<std::vector<RowCost>> row_costs(model::Decoder& decoder, cache::PagedKv& cache, int depth,
                                       const std::vector<int>& rows, int repetitions);

struct SpeculationPrompt {
  std::string text, category;  // the latter may be empty
};
// A text a line, or lines of JSON with "turns" (the first counts), "prompt", "question" or "text",
// and perhaps "category" (Spec-Bench, arXiv 2401.07851). Error: a line that is none, or no text.
Result<std::vector<SpeculationPrompt>> parse_speculation_prompts(std::string_view text,
                                                                 const std::string& name);

// Of some prompts together.
struct SpeculationTimes {
  std::string category;
  int prompts = 0, same = 0;  // prompts whose answers are alike with and without, in each round
  int64_t tokens = 0;         // of a round of answers, but for the first of each
  int64_t steps = 0;          // that gave them
  int64_t drafted = 0, accepted = 0;
  std::vector<double> without, with;  // seconds of each round, of writing alone
  // The least of each prompt, added up: where the machine has other work beside.
  double least_without = 0, least_with = 0;
  // How much faster it is with, by the medians, and by the least.
  double ratio() const;
  double least_ratio() const;
  double tokens_a_step() const;
};

// Each prompt `rounds` times without and with, in turn. ask: the request for a text; told(n): of a
// prompt that is done. Sums by category, and of all at the end. Error: as Engine::submit, or what
// ends an answer that was not meant to.
Result<std::vector<SpeculationTimes>> compare_speculation(
    engine::Engine& without, engine::Engine& with, const std::vector<SpeculationPrompt>& prompts,
    int rounds, const std::function<Result<engine::Request>(const std::string&)>& ask,
    const std::function<void(int)>& told);

std::string row_cost_table(const std::vector<RowCost>& costs);
std::string speculation_table(const std::vector<SpeculationTimes>& times);
nlohmann::ordered_json to_json(const RowCost& cost);
nlohmann::ordered_json to_json(const SpeculationTimes& times);

}  // namespace issun::measure
