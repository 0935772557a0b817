#include "apps/memory_flags.h"

#include <algorithm>

#include "apps/console.h"
#include "base/quote.h"
#include "base/sizes.h"
#include "experts/replay.h"
#include "import/open.h"

namespace issun::apps {

namespace {
constexpr const char* kExpertFlags[] = {
    "--expert-policy",      "--expert-guesses", "--expert-lookahead",
    "--expert-missing",     "--expert-twin",    "--expert-bias",
    "--expert-least-share", "--expert-trace",   "--io-threads"};
constexpr int kMostGuesses = 64, kMostLookahead = 8, kMostIoThreads = 64;
}  // namespace

void MemoryFlags::add(CLI::App& command) {
  command_ = &command;
  command.add_option("--memory", memory,
                     "memory for everything, such as 6GB: weights that do not fit come from the "
                     "disk as they are needed; mapped: leave it to the system; default: what is "
                     "free");
  command.add_option("--expert-policy", policy, "which experts stay in memory")
      ->check(CLI::IsMember({"lru", "lfu", "lfru", "s3fifo"}))
      ->capture_default_str();
  command
      .add_option("--expert-guesses", guesses,
                  "experts of the next layer that are read ahead for a token; 0: none; default: as "
                  "many as a token uses")
      ->check(CLI::Range(0, kMostGuesses));
  command.add_option("--expert-lookahead", lookahead, "layers ahead that are guessed")
      ->check(CLI::Range(1, kMostLookahead))
      ->capture_default_str();
  command
      .add_option("--expert-missing", missing,
                  "what is done about an expert that is not in memory. exact: it is read; other "
                  "ways change what the model says: twin: that of --expert-twin stands in; bias: "
                  "experts in memory are chosen more readily; skip: it is left out if it counts "
                  "little")
      ->check(CLI::IsMember({"exact", "twin", "bias", "skip"}))
      ->capture_default_str();
  command.add_option("--expert-twin", twin,
                     "for twin: the same model in fewer bits, whose experts are held in memory");
  command
      .add_option("--expert-bias", bias,
                  "for bias: what is added to the scores of experts in memory")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command
      .add_option("--expert-least-share", least_share,
                  "for skip: experts with this share of a token are read all the same")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--expert-trace", trace,
                     "a trace of `issun experts trace`: memory is divided between the layers by "
                     "what it gains there");
  command.add_option("--io-threads", io_threads, "threads that read weights")
      ->check(CLI::Range(1, kMostIoThreads))
      ->capture_default_str();
}

std::string MemoryFlags::given() const {
  for (const char* flag : kExpertFlags) {
    if (has(flag)) return flag;
  }
  return "";
}

Result<void> MemoryFlags::apply(engine::RuntimeOptions& options) const {
  if (memory == "mapped") {
    options.memory_bytes = engine::RuntimeOptions::kMapped;
    if (!given().empty()) return fail("{}: counts only where weights come and go", given());
  } else if (!memory.empty()) {
    const auto bytes = parse_size(memory);
    if (!bytes) {
      return fail("--memory: expected a size as 900MB, 1.5GiB or 6G, or mapped, found '{}'",
                  memory);
    }
    options.memory_bytes = *bytes;
  }
  model::ResidencyOptions& residency = options.residency;
  residency.policy = *experts::policy_from_name(policy);
  residency.missing = *model::missing_from_name(missing);
  residency.guesses = guesses;
  residency.lookahead = lookahead;
  residency.reader.threads = io_threads;
  residency.bias = bias;
  residency.least_share = least_share;
  const auto tried = [&](model::Missing way) {
    return residency.missing == way || std::find(also.begin(), also.end(), way) != also.end();
  };
  const auto only_for = [&](const char* flag, model::Missing way) -> Result<void> {
    if (!has(flag) || tried(way)) return {};
    return fail("{}: counts only beside --expert-missing {}", flag, model::name(way));
  };
  TRY(only_for("--expert-twin", model::Missing::Twin));
  TRY(only_for("--expert-bias", model::Missing::Bias));
  TRY(only_for("--expert-least-share", model::Missing::Skip));
  if (has("--expert-lookahead") && guesses == 0)
    return fail("--expert-lookahead: counts only where something is guessed: --expert-guesses");
  for (const char* flag : {"--expert-guesses", "--expert-lookahead"}) {
    if (has(flag) && residency.missing == model::Missing::Twin)
      return fail("{}: a twin stands in for what is missing, and nothing is guessed", flag);
  }
  if (tried(model::Missing::Twin) && twin.empty()) {
    return fail("--expert-missing twin: expected the smaller file too: --expert-twin");
  }
  if (!twin.empty()) {
    options.twin = TRY(import::open_model(twin, [](const std::string&) {}));
  }
  if (!trace.empty()) {
    options.trace = std::make_shared<const experts::Trace>(TRY(experts::Trace::read(trace)));
  }
  options.must_stream = given();
  return {};
}

namespace {
// What the policy would have found of a trace's experts with the memory there is.
double found_in_trace(engine::Runtime& runtime) {
  const experts::Trace& trace = *runtime.options().trace;
  const experts::Store& store = runtime.residency()->store();
  std::vector<int> slots;
  for (int g = 0; g < store.groups(); ++g) {
    slots.push_back(static_cast<int>(store.share(g) / store.group(g).units[0].bytes));
  }
  const auto contender =
      experts::contender_from_name(experts::name(runtime.options().residency.policy));
  const auto counted = experts::count_generated(trace);
  return experts::replay(experts::Visits::of(trace), *contender,
                         {.slots = slots, .counted = counted})
      .hit_ratio();
}
}  // namespace

void tell_forecast(engine::Runtime& runtime) {
  if (runtime.residency() == nullptr) return;
  const bool traced = runtime.options().trace != nullptr;
  const auto made = engine::forecast_speed(runtime, traced ? found_in_trace(runtime) : -1);
  if (!made) return tell(fmt::format("no {}\n", made.error().message));
  const engine::SpeedForecast& f = *made;
  tell(fmt::format(
      "disk {:.2f} GB/s, weights multiplied at {:.2f} GB/s; if {:.0f} % of what comes "
      "and goes is found in memory ({}), about {:.2f} tokens/s\n",
      f.disk_bytes_per_second * 1e-9, f.compute_bytes_per_second * 1e-9, 100 * f.found,
      traced ? "by the trace" : "as much as fits; text mostly finds more", f.tokens_per_second));
}

std::string describe(const engine::MemoryChoice& choice, const model::Model& model) {
  const model::MemoryPlan& plan = choice.plan;
  const std::string rest =
      fmt::format("cache {}, computation {}, program {}", readable_size(plan.cache),
                  readable_size(plan.working), readable_size(plan.program));
  if (!choice.streams) {
    return fmt::format("memory: {} of weights, mapped; {}; {} in all\n",
                       readable_size(plan.weights), rest, readable_size(plan.total()));
  }
  const model::ResidencyPlan& weights = choice.weights;
  const int64_t held = weights.budget_bytes - weights.passing_bytes;
  const char* units = weights.mixture ? "experts" : "layers";
  std::string text;
  if (const int64_t room = choice.options.residency.mapped_cache_bytes; room > 0) {
    text = fmt::format(
        "memory: all {} of weights stay mapped until more than {} of the cache's {} are in use; "
        "then:\n",
        readable_size(model.file.file_bytes()), readable_size(room), readable_size(plan.cache));
  }
  text += fmt::format(
      "memory: {} in all, for {} of weights: {} stay, {} hold {:.0f} of {} {} ({:.0f} %), {} are "
      "for those on their way; {}\n",
      readable_size(plan.total()), readable_size(model.file.data_bytes()),
      readable_size(weights.pinned_bytes), readable_size(held),
      static_cast<double>(held) / static_cast<double>(weights.streamed_bytes) * weights.units,
      weights.units, units,
      100 * static_cast<double>(held) / static_cast<double>(weights.streamed_bytes),
      readable_size(weights.passing_bytes), rest);
  text += fmt::format(
      "a token needs {} of the {} that come and go; prompts are read {} tokens at "
      "a time; {} read{} for each of {}\n",
      readable_size(weights.token_bytes), readable_size(weights.streamed_bytes),
      choice.options.max_rows, weights.reads_per_unit, weights.reads_per_unit == 1 ? "" : "s",
      weights.mixture ? "the experts" : "the layers");
  return text;
}

}  // namespace issun::apps
