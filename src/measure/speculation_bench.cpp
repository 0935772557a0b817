#include "measure/speculation_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "measure/bench.h"
#include "measure/random_rows.h"
#include "model/sequence.h"

namespace issun::measure {

Result<std::vector<RowCost>> row_costs(model::Decoder& decoder, cache::PagedKv& cache, int depth,
                                       const std::vector<int>& rows, int repetitions) {
  const int most = *std::max_element(rows.begin(), rows.end());
  if (most > decoder.max_rows() || most > decoder.max_outputs())
    return fail("rows: expected at most {} in a batch, found {}",
                std::min(decoder.max_rows(), decoder.max_outputs()), most);
  if (depth + most > int64_t{cache.free_pages()} * cache::kPageTokens)
    return fail("depth: expected a context of at least {} tokens", depth + most);
  Random random(1);
  std::vector<int32_t> tokens;
  for (int t = 0; t < depth + most; ++t)
    tokens.push_back(
        static_cast<int32_t>(random.next() % static_cast<uint64_t>(decoder.vocabulary_size())));
  model::Sequence sequence(decoder, cache);
  const std::span<const int32_t> all(tokens);
  for (int t = 0; t < depth; t += decoder.max_rows()) {
    const int some = std::min(decoder.max_rows(), depth - t);
    TRY(sequence.append(all.subspan(static_cast<size_t>(t), static_cast<size_t>(some)),
                        model::Wanted::None));
  }
  std::vector<std::vector<double>> seconds(rows.size()), alone(rows.size());
  const auto timed = [&](int count, int company) -> Result<double> {
    const double start = seconds_now();
    TRY(sequence.append(all.subspan(static_cast<size_t>(depth), static_cast<size_t>(count)),
                        model::Wanted::All, company));
    const double taken = seconds_now() - start;
    sequence.truncate(depth);
    return taken;
  };
  for (int repetition = 0; repetition <= repetitions; ++repetition) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const double taken = TRY(timed(rows[i], 0));
      if (repetition > 0) seconds[i].push_back(taken);
      if (rows[i] > engine::kMostRowsAlone || decoder.computes_alike(1, rows[i])) continue;
      const double longer = TRY(timed(rows[i], 1));
      if (repetition > 0) alone[i].push_back(longer);
    }
  }
  std::vector<RowCost> costs;
  for (size_t i = 0; i < rows.size(); ++i)
    costs.push_back({rows[i], quantile(seconds[i], 0.5), quantile(seconds[i], 0),
                     alone[i].empty() ? 0 : quantile(alone[i], 0)});
  return costs;
}

namespace {

Result<SpeculationPrompt> prompt_of_line(std::string_view line, const std::string& name) {
  if (line.front() != '{') return SpeculationPrompt{std::string(line), ""};
  const auto json = nlohmann::json::parse(line, nullptr, false);
  SpeculationPrompt prompt;
  if (json.is_object()) {
    prompt.category = json.value("category", nlohmann::json("")).is_string()
                          ? json.value("category", "")
                          : std::string();
    for (const char* field : {"turns", "prompt", "question", "text"}) {
      const auto found = json.find(field);
      if (found == json.end()) continue;
      const auto& value = found->is_array() && !found->empty() ? found->front() : *found;
      if (value.is_string()) prompt.text = value.get<std::string>();
      break;
    }
  }
  if (prompt.text.empty())
    return fail("{}: expected a text in \"turns\", \"prompt\", \"question\" or \"text\"", name);
  return prompt;
}

struct Written {
  std::vector<int32_t> tokens;
  engine::RequestStatistics statistics;
};

Result<Written> write(engine::Engine& engine, engine::Request request) {
  TRY(engine.submit(std::move(request)));
  Written written;
  while (!engine.idle()) {
    for (const engine::Event& event : engine.step()) {
      if (event.finish == engine::Finish::Failed) return fail("{}", event.error);
      if (event.finish == engine::Finish::BrokenLogits)
        return fail("the model's logits are not numbers");
      if (event.token >= 0) written.tokens.push_back(event.token);
      written.statistics = event.statistics;
    }
  }
  return written;
}

void add(const Written& without, const Written& with, int round, SpeculationTimes& times) {
  const auto at = static_cast<size_t>(round);
  times.without.resize(std::max(times.without.size(), at + 1));
  times.with.resize(times.without.size());
  times.without[at] += without.statistics.generation_seconds;
  times.with[at] += with.statistics.generation_seconds;
  if (round > 0) return;
  ++times.prompts;
  times.tokens += std::max(0, with.statistics.generated_tokens - 1);
  times.steps += std::max(0, with.statistics.steps - 1);
  times.drafted += with.statistics.drafted_tokens;
  times.accepted += with.statistics.accepted_tokens;
}

// One prompt's rounds.
void add_rounds(const std::vector<Written>& without, const std::vector<Written>& with,
                SpeculationTimes& times) {
  const auto least = [](const std::vector<Written>& rounds) {
    double seconds = rounds[0].statistics.generation_seconds;
    for (const Written& written : rounds)
      seconds = std::min(seconds, written.statistics.generation_seconds);
    return seconds;
  };
  times.least_without += least(without);
  times.least_with += least(with);
  times.same += std::equal(without.begin(), without.end(), with.begin(), with.end(),
                           [](const auto& a, const auto& b) { return a.tokens == b.tokens; });
}

double median_rate(const SpeculationTimes& times, const std::vector<double>& seconds) {
  const double median = quantile(seconds, 0.5);
  return median > 0 ? static_cast<double>(times.tokens) / median : 0;
}

}  // namespace

Result<std::vector<SpeculationPrompt>> parse_speculation_prompts(std::string_view text,
                                                                 const std::string& name) {
  std::vector<SpeculationPrompt> prompts;
  int number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) continue;
    prompts.push_back(TRY(prompt_of_line(line, fmt::format("{}: line {}", name, number))));
  }
  if (prompts.empty()) return fail("{}: expected at least one prompt", name);
  return prompts;
}

double SpeculationTimes::ratio() const {
  const double slower = quantile(without, 0.5), faster = quantile(with, 0.5);
  return faster > 0 ? slower / faster : 1;
}

double SpeculationTimes::least_ratio() const {
  return least_with > 0 ? least_without / least_with : 1;
}

double SpeculationTimes::tokens_a_step() const {
  return steps > 0 ? static_cast<double>(tokens) / static_cast<double>(steps) : 1;
}

Result<std::vector<SpeculationTimes>> compare_speculation(
    engine::Engine& without, engine::Engine& with, const std::vector<SpeculationPrompt>& prompts,
    int rounds, const std::function<Result<engine::Request>(const std::string&)>& ask,
    const std::function<void(int)>& told) {
  std::vector<SpeculationTimes> all;
  SpeculationTimes sum;
  sum.category = "all";
  for (size_t i = 0; i < prompts.size(); ++i) {
    const engine::Request request = TRY(ask(prompts[i].text));
    auto own = std::find_if(all.begin(), all.end(), [&](const SpeculationTimes& times) {
      return times.category == prompts[i].category;
    });
    if (own == all.end()) {
      own = all.emplace(all.end());
      own->category = prompts[i].category;
    }
    std::vector<Written> plain, guessed;
    for (int round = 0; round < rounds; ++round) {
      plain.push_back(TRY(write(without, request)));
      guessed.push_back(TRY(write(with, request)));
      for (SpeculationTimes* times : {&*own, &sum})
        add(plain.back(), guessed.back(), round, *times);
    }
    for (SpeculationTimes* times : {&*own, &sum}) add_rounds(plain, guessed, *times);
    told(static_cast<int>(i) + 1);
  }
  if (all.size() == 1 && all[0].category.empty()) all.clear();
  all.push_back(std::move(sum));
  return all;
}

std::string row_cost_table(const std::vector<RowCost>& costs) {
  std::string rows = fmt::format("{:<18}", "rows of a batch"),
              milliseconds = fmt::format("{:<18}", "milliseconds"),
              least = fmt::format("{:<18}", "the least"),
              relative = fmt::format("{:<18}", "beside one row"),
              alone = fmt::format("{:<18}", "with its own bits");
  for (const RowCost& cost : costs) {
    rows += fmt::format("{:>8}", cost.rows);
    milliseconds += fmt::format("{:>8.2f}", 1e3 * cost.seconds);
    least += fmt::format("{:>8.2f}", 1e3 * cost.least);
    relative += fmt::format("{:>8.2f}", cost.least / costs.front().least);
    alone += cost.least_alone == 0
                 ? fmt::format("{:>8}", "")
                 : fmt::format("{:>8.2f}", cost.least_alone / costs.front().least);
  }
  return rows + "\n" + milliseconds + "\n" + least + "\n" + relative + "\n" + alone + "\n";
}

std::string speculation_table(const std::vector<SpeculationTimes>& times) {
  std::string text =
      fmt::format("{:<18} {:>7} {:>7} {:>11} {:>9} {:>6} {:>8} {:>8} {:>8} {:>13} {:>5}\n",
                  "prompts", "number", "tokens", "without t/s", "with t/s", "ratio", "of least",
                  "guessed", "right", "tokens a step", "same");
  for (const SpeculationTimes& t : times) {
    const double right =
        t.drafted > 0 ? 100.0 * static_cast<double>(t.accepted) / static_cast<double>(t.drafted)
                      : 0;
    text += fmt::format(
        "{:<18} {:>7} {:>7} {:>11.2f} {:>9.2f} {:>6.2f} {:>8.2f} {:>8} {:>6.0f} % {:>13.2f} "
        "{:>5}\n",
        t.category.empty() ? "-" : t.category, t.prompts, t.tokens, median_rate(t, t.without),
        median_rate(t, t.with), t.ratio(), t.least_ratio(), t.drafted, right, t.tokens_a_step(),
        t.same);
  }
  return text;
}

nlohmann::ordered_json to_json(const RowCost& cost) {
  nlohmann::ordered_json json = {
      {"rows", cost.rows}, {"seconds", cost.seconds}, {"least_seconds", cost.least}};
  if (cost.least_alone != 0) json["least_seconds_alone"] = cost.least_alone;
  return json;
}

nlohmann::ordered_json to_json(const SpeculationTimes& times) {
  return {{"category", times.category},
          {"prompts", times.prompts},
          {"same_answers", times.same},
          {"tokens", times.tokens},
          {"steps", times.steps},
          {"drafted_tokens", times.drafted},
          {"accepted_tokens", times.accepted},
          {"tokens_a_step", times.tokens_a_step()},
          {"seconds_without", times.without},
          {"seconds_with", times.with},
          {"least_seconds_without", times.least_without},
          {"least_seconds_with", times.least_with},
          {"ratio", times.ratio()},
          {"least_ratio", times.least_ratio()}};
}

}  // namespace issun::measure
