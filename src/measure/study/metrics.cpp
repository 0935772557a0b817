#include "measure/study/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

namespace issun::measure {

namespace {

constexpr const char* kUnavailableBecause = "unavailable: ";
constexpr double kMebi = 1.0 / (1 << 20);

constexpr auto kMetrics = std::to_array<MetricFacts>({
    {"load_seconds", "load", "s", 1,
     "from the start of opening the file until the first token could be computed; weights are "
     "mapped, not read"},
    {"first_token_seconds", "first token", "s", 1,
     "from the text of the prompt to the first token: tokenising, the prompt and choosing are in "
     "it, loading is not"},
    {"prompt_tokens", "prompt", "tokens", 1, "tokens of the prompt"},
    {"prompt_tokens_per_second", "prompt speed", "tokens/s", 1,
     "tokens of the prompt by the time to the first token"},
    {"generated_tokens", "generated", "tokens", 1, "tokens generated"},
    {"generation_tokens_per_second", "generation speed", "tokens/s", 1,
     "tokens after the first, by the time they took; choosing them and making them text is in it"},
    {"generation_seconds", "generation", "s", 1, "all tokens after the first"},
    {"token_ms_p50", "token, median", "ms", 1, "time from a token to the next, median"},
    {"token_ms_p95", "token, 95 %", "ms", 1, "time from a token to the next: 95 % are shorter"},
    {"prompt_cores_busy", "prompt, cores busy", "", 1,
     "processor seconds (user and system, all threads) by seconds: 1 is one core all the time"},
    {"generation_cores_busy", "generation, cores busy", "", 1,
     "the same while tokens are generated"},
    {"prompt_tokens_per_core_second", "prompt, by processor time", "tokens/core s", 1,
     "tokens of the prompt by processor seconds of all threads: other programs on the machine "
     "hardly change it, waiting for a core is not in it"},
    {"generation_tokens_per_core_second", "generation, by processor time", "tokens/core s", 1,
     "tokens after the first by processor seconds of all threads"},
    {"generation_machine_share", "generation, of all cores", "%", 100,
     "the same as a share of all logical cores that the process may use"},
    {"user_seconds", "user time", "s", 1, "processor time of the whole run outside the kernel"},
    {"system_seconds", "system time", "s", 1, "processor time of the whole run in the kernel"},
    {"generation_voluntary_switches", "switches, waited", "/token", 1,
     "context switches because a thread waited, a generated token"},
    {"generation_involuntary_switches", "switches, preempted", "/token", 1,
     "context switches because a thread was made to wait, a generated token"},
    {"voluntary_switches", "switches of the run, waited", "", 1,
     "of the whole run, told by the kernel when it ended"},
    {"involuntary_switches", "switches of the run, preempted", "", 1,
     "of the whole run, told by the kernel when it ended"},
    {"minor_faults", "minor page faults", "", 1,
     "of the whole run: pages that were in memory already"},
    {"major_faults", "major page faults", "", 1, "of the whole run: pages that came from the disk"},
    {"generation_ipc", "instructions a cycle", "", 1,
     "in user space, all threads, while tokens are generated"},
    {"generation_cache_misses", "last-level cache misses", "/token", 1,
     "in user space, all threads, a generated token"},
    {"peak_resident_bytes", "peak resident", "MiB", kMebi,
     "the most memory that was mapped in at once (VmHWM), touched pages of the weights' file "
     "included"},
    {"pss_bytes", "proportional (PSS)", "MiB", kMebi,
     "at the end of the run: pages that other processes share count by their share"},
    {"pss_anonymous_bytes", "of it anonymous", "MiB", kMebi,
     "memory of the process's own: cache, activations, tables"},
    {"pss_file_bytes", "of it from files", "MiB", kMebi,
     "pages of mapped files, which the system takes back under pressure: the weights"},
    {"cache_bytes", "keys and values", "MiB", kMebi,
     "what the engine planned for the cache of the context"},
    {"working_bytes", "working memory", "MiB", kMebi,
     "what the engine planned for activations and scratch"},
    {"weights_bytes", "weights' file", "MiB", kMebi, "the model file"},
    {"cgroup_peak_bytes", "control group's peak", "MiB", kMebi,
     "the most that the control group held since it was made: other processes in it are counted"},
    {"file_cached_share", "weights in the page cache", "%", 100,
     "share of the model file that was in memory before it was opened: 100 is warm, 0 is cold"},
    {"energy_gross_joules", "energy, run, gross", "J", 1,
     "what the machine's counters rose by over the whole run, idle power included"},
    {"energy_net_joules", "energy, run, net", "J", 1,
     "gross, less the idle power measured before and after times the run's seconds"},
    {"prompt_gross_joules_per_token", "energy a prompt token, gross", "J", 1,
     "counters over the prompt by its tokens"},
    {"prompt_net_joules_per_token", "energy a prompt token, net", "J", 1,
     "the same without the idle power"},
    {"generation_gross_joules_per_token", "energy a generated token, gross", "J", 1,
     "counters over the generation by its tokens"},
    {"generation_net_joules_per_token", "energy a generated token, net", "J", 1,
     "the same without the idle power"},
    {"answer_gross_joules", "energy an answer, gross", "J", 1,
     "counters over all answers by their number"},
    {"answer_net_joules", "energy an answer, net", "J", 1, "the same without the idle power"},
    {"idle_watts_before", "idle before", "W", 1, "power with nothing running, before the run"},
    {"idle_watts_after", "idle after", "W", 1, "power with nothing running, after the run"},
    {"energy_estimate_joules", "energy, ESTIMATE", "J", 1,
     "no measurement: share of all cores x the watts that were stated x seconds"},
    {"energy_estimate_watt_hours", "energy, ESTIMATE", "Wh", 1, "the same by 3600"},
    {"perplexity", "perplexity", "", 1, "a token of the text, docs/perplexity.md"},
    {"perplexity_error", "standard error", "", 1, "of the perplexity, tokens taken as independent"},
    {"kld", "KL divergence", "nats/token", 1,
     "of the arm's next-token distributions from those of the base, on the text; 0 is the same"},
    {"kld_error", "standard error", "nats/token", 1,
     "of the divergence, tokens taken as independent"},
    {"kld_99", "KL divergence, 99 %", "nats/token", 1, "99 % of the tokens diverge less"},
    {"same_top", "same likeliest token", "%", 100,
     "share of tokens where arm and base find the same one the likeliest"},
    {"bits_per_byte", "bits a byte", "", 1, "of the text; comparable between vocabularies"},
    {"tokens_scored", "tokens scored", "", 1, "of the text"},
    {"answer_tokens", "tokens of an answer", "", 1, "mean over the prompts"},
    {"answer_seconds", "an answer", "s", 1, "mean over the prompts, whole"},
    {"load_average", "load average", "", 1,
     "threads of all programs, the study's own runs among them, that wanted a core in the minute "
     "before the run"},
    {"wall_seconds", "the whole run", "s", 1, "from the start of the process to its end"},
});

}  // namespace

std::optional<double> value_of(const Metrics& metrics, std::string_view key) {
  const auto found = metrics.find(key);
  return found == metrics.end() ? std::nullopt : found->second.value;
}

bool idle_disagrees(const Metrics& metrics) {
  const auto before = value_of(metrics, "idle_watts_before"),
             after = value_of(metrics, "idle_watts_after");
  return before && after && std::abs(*before - *after) > 0.1 * std::max(*before, *after);
}

nlohmann::ordered_json to_json(const Metrics& metrics) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [key, metric] : metrics) {
    if (metric.value) {
      json[key] = *metric.value;
    } else {
      json[key] = kUnavailableBecause + metric.why;
    }
  }
  return json;
}

Result<Metrics> metrics_from_json(const Json& json) {
  if (!json.is_object()) return fail("metrics: expected an object");
  Metrics metrics;
  for (const auto& [key, value] : json.members()) {
    if (value.is_number()) {
      metrics[key] = measured(value.number());
    } else if (value.is_string() && value.text().starts_with(kUnavailableBecause)) {
      metrics[key] =
          Measured::unavailable(value.text().substr(std::string(kUnavailableBecause).size()));
    } else {
      return fail("metrics: {}: expected a number or '{}...'", key, kUnavailableBecause);
    }
  }
  return metrics;
}

std::span<const MetricFacts> all_metrics() { return kMetrics; }

const MetricFacts* find_metric(std::string_view key) {
  for (const MetricFacts& facts : kMetrics) {
    if (key == facts.key) return &facts;
  }
  return nullptr;
}

}  // namespace issun::measure
