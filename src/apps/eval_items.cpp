#include "apps/eval_items.h"

#include "apps/version.h"
#include "base/clock.h"

namespace issun::apps {

void ItemFlags::add(CLI::App& command, const std::string& data_flag, const char* data_help) {
  command.add_option(data_flag, data, data_help)->required();
  command.add_option("--limit", limit, "items at most; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--seed", seed, "with --limit: items by chance, not the first")
      ->needs("--limit");
  command
      .add_option("--resume", resume,
                  "keep each item's result in this file, and go on from it where it is there")
      ->check(expect_text);
  command.add_flag("--json", json, "as JSON");
}

std::vector<int64_t> ItemFlags::choose(int64_t total) const {
  return measure::choose_items(total, limit, seed);
}

Result<std::vector<issun::Json>> measure_items(const ItemFlags& flags, const Json& run,
                                               int64_t total, const MeasureItem& measure) {
  measure::ItemLog log;
  if (!flags.resume.empty()) log = TRY(measure::ItemLog::open(flags.resume, run));
  const double start = seconds_now();
  const auto show = [start](int64_t done, int64_t items, int64_t newly) {
    show_progress(fmt::format("{} of {}, {}", done, items,
                              progress(newly, newly + items - done, start, "now")));
  };
  std::vector<issun::Json> results;
  for (const issun::Json* result : TRY(measure::run_items(flags.choose(total), log, measure, show)))
    results.push_back(*result);
  hide_progress();
  return results;
}

Json describe_run(const char* task, const std::string& data, engine::Runtime* runtime) {
  Json run = {{"issun_eval", task}, {"data_hash", measure::fingerprint(std::string_view(data))}};
  if (runtime == nullptr) return run;
  run["model_hash"] = measure::fingerprint(runtime->model());
  run["cache_type"] = issun::name(runtime->options().cache_type);
  run["exact"] = runtime->options().exact;
  run["context"] = runtime->options().context;
  return run;
}

void tell_items(const ItemFlags& flags, int64_t total, int64_t measured, double seconds,
                Json* report) {
  (*report)["data"] = flags.data;
  (*report)["data_items"] = total;
  (*report)["items"] = measured;
  (*report)["seed"] = flags.seed ? Json(*flags.seed) : Json();
  (*report)["seconds"] = seconds;
  (*report)["version"] = kVersion;
}

std::string readable(const measure::Share& share) {
  return fmt::format("{:.2f} % ({:.2f} to {:.2f}), {} of {}", 100 * share.value, 100 * share.low,
                     100 * share.high, share.hits, share.count);
}

}  // namespace issun::apps
