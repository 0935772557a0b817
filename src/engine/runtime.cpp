#include "engine/runtime.h"

#include <algorithm>

#include "base/clock.h"

namespace issun::engine {

namespace {
constexpr int64_t kDefaultContext = 4096;
constexpr int kMaxThreads = 1024;

bool rotates(CacheRotation rotation, DType type) {
  if (rotation != CacheRotation::Auto) return rotation == CacheRotation::On;
  return facts(type).block > 1 && type != DType::Q8_0;
}
}  // namespace

bool RuntimeOptions::rotates_keys() const { return rotates(cache_rotation, key_type); }
bool RuntimeOptions::rotates_values() const { return rotates(cache_rotation, value_type); }

std::string describe_cache(const RuntimeOptions& options) {
  const auto one = [](DType type, bool rotated) {
    return fmt::format("{}{}", name(type), rotated ? " rotated" : "");
  };
  const std::string keys = one(options.key_type, options.rotates_keys());
  const std::string values = one(options.value_type, options.rotates_values());
  return keys == values ? keys : fmt::format("K {}, V {}", keys, values);
}

Result<RuntimeOptions> resolve(RuntimeOptions options, const model::ModelConfig& config) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return fail("threads: expected 1 to {}, or 0 for one a core, found {}", kMaxThreads,
                options.threads);
  }
  if (options.threads == 0) options.threads = default_thread_count();
  if (options.context < 0 || options.context > int64_t{1} << 30) {
    return fail("context: expected 1 to {} tokens, or 0 for the model's own, found {}",
                int64_t{1} << 30, options.context);
  }
  if (options.context == 0) options.context = std::min(config.context_length, kDefaultContext);
  if (options.max_rows < 1 || options.max_rows > 1 << 16) {
    return fail("batch: expected 1 to {} tokens, found {}", 1 << 16, options.max_rows);
  }
  if (options.max_sequences < 1 || options.max_sequences > 1 << 12) {
    return fail("sequences: expected 1 to {}, found {}", 1 << 12, options.max_sequences);
  }
  // Every sequence may finish its prompt in the same batch.
  options.max_outputs = std::max(options.max_outputs, options.max_sequences);
  options.max_rows = static_cast<int>(
      std::min<int64_t>(options.max_rows, options.context * options.max_sequences));
  return options;
}

namespace {
model::ForwardOptions forward_options(const RuntimeOptions& options,
                                      const model::Weights& weights) {
  model::ForwardOptions forward;
  forward.max_rows = options.max_rows;
  forward.max_sequences = options.max_sequences;
  forward.max_outputs = options.max_outputs;
  forward.context = options.context;
  forward.exact = options.exact;
  forward.rotate_keys = options.rotates_keys();
  forward.rotate_values = options.rotates_values();
  forward.adapters = weights.adapter_sizes;
  forward.observer = options.observer;
  return forward;
}

int64_t cache_tokens(const RuntimeOptions& options) {
  // Whole pages for each sequence, so that one never takes from another.
  return round_up(options.context, cache::kPageTokens) * options.max_sequences;
}
}  // namespace

model::MemoryPlan plan_memory(const model::Model& model, const kernels::KernelTable& kernels,
                              const RuntimeOptions& options) {
  model::MemoryPlan plan;
  plan.weights = model.file.file_bytes();
  plan.cache =
      cache::PagedKv::planned_bytes(model.config.kv_shape(options.key_type, options.value_type),
                                    cache_tokens(options), options.max_sequences);
  plan.working = model::Forward::planned_bytes(
      model.config, kernels, forward_options(options, model.weights), options.threads);
  // Opening has read all of the file but its tensors; those pages are counted with the file.
  const int64_t header = model.file.file_bytes() - model.file.data_bytes();
  plan.program = std::max<int64_t>(0, resident_memory_bytes() - header);
  return plan;
}

Result<std::unique_ptr<Runtime>> Runtime::open(const std::string& path,
                                               const RuntimeOptions& options) {
  const double began = seconds_now();
  auto opened = TRY(model::Model::open(path));
  return start(std::move(opened), options, seconds_now() - began);
}

Result<std::unique_ptr<Runtime>> Runtime::start(std::unique_ptr<model::Model> model,
                                                const RuntimeOptions& options,
                                                double opened_seconds) {
  const double began = seconds_now();
  if (!model->config.causal) {
    return fail(
        "{}: expected a model that continues text, found one that only reads it: see "
        "issun embed and issun rerank",
        model->config.architecture);
  }
  std::unique_ptr<Runtime> runtime(new Runtime());
  runtime->kernels_ = TRY(kernels::choose_kernels());
  runtime->options_ = TRY(resolve(options, model->config));
  runtime->workers_ = TRY(Workers::create(runtime->options_.threads));
  runtime->plan_ = plan_memory(*model, *runtime->kernels_, runtime->options_);
  runtime->forward_ = TRY(
      model::Forward::create(model->config, model->weights, *runtime->kernels_, *runtime->workers_,
                             forward_options(runtime->options_, model->weights)));
  runtime->model_ = std::move(model);
  runtime->load_seconds_ = opened_seconds + seconds_now() - began;
  return runtime;
}

Result<cache::PagedKv> Runtime::new_cache() const {
  return cache::PagedKv::create(model_->config.kv_shape(options_.key_type, options_.value_type),
                                cache_tokens(options_), options_.max_sequences);
}

}  // namespace issun::engine
