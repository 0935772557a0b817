// A model ready to compute: file, workers, kernels, forward pass, cache. What every command that
// runs a model begins with.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/threads.h"
#include "experts/trace.h"
#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/model.h"

namespace issun::engine {

// Whether rows are multiplied by a Hadamard matrix before the cache rounds them. Auto: those of
// five bits and less, which gain by it.
enum class CacheRotation { Auto, On, Off };

struct MemoryChoice;

struct RuntimeOptions {
  int threads = 0;                            // 0: one for each physical core
  int spin_microseconds = kSpinMicroseconds;  // before a thread that waits for others sleeps
  int64_t context = 0;     // longest sequence; 0: what the model was trained for, at most 4096
  int max_rows = 512;      // tokens of one batch
  int max_sequences = 1;   // at once, each of `context` tokens
  int max_outputs = 1;     // rows of logits of one batch
  int64_t kept_bytes = 0;  // of the cache, for what ended, beside the room of those that run
  DType key_type = DType::F16, value_type = DType::F16;  // in the cache: cache::kCacheTypes
  CacheRotation cache_rotation = CacheRotation::Auto;
  bool exact = false;                          // F32 activations everywhere
  model::ProductObserver* observer = nullptr;  // of all that the model multiplies
  model::RoutingObserver* routing = nullptr;   // of what its mixtures choose
  model::Profile* profile = nullptr;           // of where the time of its passes goes
  // Bytes for everything: kFree: the weights are mapped if that leaves room for the rest, and come
  // and go otherwise. kMapped: they are mapped whatever it takes.
  int64_t memory_bytes = kFree;
  bool rows_chosen = false;  // max_rows was asked for; else prompts of streamed weights take more
  // Else they stay mapped, where there is room beside the beginning of the cache, until it grows.
  bool stream_at_once = false;
  // How weights come and go; weight_bytes and mapped_cache_bytes follow from the memory.
  model::ResidencyOptions residency = {};
  std::shared_ptr<model::Model> twin = {};  // the smaller file of model::Missing::Twin
  // A trace of the model: memory is divided between its layers by what that gains there.
  std::shared_ptr<const experts::Trace> trace = {};
  std::string must_stream;  // a flag that counts only where weights come and go; empty: none
  // Told how the memory is divided before anything is loaded.
  std::function<void(const MemoryChoice&, const model::Model&)> planned = {};
  static constexpr int64_t kFree = 0, kMapped = -1;

  bool rotates_keys() const;
  bool rotates_values() const;
};

// The types of the cache as people read them: "F16", "Q4_0 rotated", "K Q8_0, V Q4_0 rotated".
std::string describe_cache(const RuntimeOptions& options);

class Runtime {
 public:
  // Error: anything wrong with the file, or memory that cannot be had.
  static Result<std::unique_ptr<Runtime>> open(const std::string& path,
                                               const RuntimeOptions& options);
  // With a model that is open already; opening it took `opened_seconds`.
  static Result<std::unique_ptr<Runtime>> start(std::unique_ptr<model::Model> model,
                                                const RuntimeOptions& options,
                                                double opened_seconds = 0);

  model::Model& model() { return *model_; }
  model::Forward& forward() { return *forward_; }
  // What of the weights is in memory; nullptr: they are mapped, perhaps only until the cache grows.
  model::Residency* residency() {
    return residency_ != nullptr && residency_->begun() ? residency_.get() : nullptr;
  }
  // Whether they come and go, or will.
  bool may_stream() const { return residency_ != nullptr; }
  Workers& workers() { return *workers_; }
  const kernels::KernelTable& kernels() const { return *kernels_; }
  const RuntimeOptions& options() const { return options_; }  // with the defaults filled in
  // Memory for the planned context and sequences; call once for each set of sequences.
  Result<cache::PagedKv> new_cache() const;
  model::MemoryPlan memory_plan() const { return plan_; }
  double load_seconds() const { return load_seconds_; }

 private:
  Runtime() = default;
  RuntimeOptions options_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<Workers> workers_;
  const kernels::KernelTable* kernels_ = nullptr;
  std::unique_ptr<model::Residency> residency_;
  std::unique_ptr<model::Forward> forward_;
  model::MemoryPlan plan_;
  double load_seconds_ = 0;
};

// The options with what depends on the model and the machine filled in. Error: a number out of
// range.
Result<RuntimeOptions> resolve(RuntimeOptions options, const model::ModelConfig& config);

// What opening with these (resolved) options will hold. Reads no weights.
model::MemoryPlan plan_memory(const model::Model& model, const kernels::KernelTable& kernels,
                              const RuntimeOptions& options);

// How a model gets along with the memory it may have.
struct MemoryChoice {
  RuntimeOptions options;  // with the rows of a batch and residency.weight_bytes filled in
  model::MemoryPlan plan;
  bool streams = false;          // weights come and go, or will: options.residency
  model::ResidencyPlan weights;  // then
};
// How fast a model that streams its weights is going to write, from what this machine does with a
// few of them.
struct SpeedForecast {
  double disk_bytes_per_second = 0;     // reads of some units together
  double compute_bytes_per_second = 0;  // weights multiplied with one token
  double found = 0;                     // share of streamed weights taken to be in memory already
  double tokens_per_second = 0;
};
// Reads some units, which stay in memory. `found`: what a trace says of the policy; below 0: as if
// all units were chosen alike. Error: the disk.
Result<SpeedForecast> forecast_speed(Runtime& runtime, double found = -1);

// With resolved options. Reads no weights. Error: memory that does not suffice, with both numbers.
Result<MemoryChoice> choose_memory(const model::Model& model, const kernels::KernelTable& kernels,
                                   const RuntimeOptions& options);

}  // namespace issun::engine
