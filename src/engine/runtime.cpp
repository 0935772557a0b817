#include "engine/runtime.h"

#include <algorithm>
#include <optional>

#include "base/available_memory.h"
#include "base/clock.h"
#include "base/sizes.h"

namespace issun::engine {

namespace {
constexpr int64_t kDefaultContext = 4096;
constexpr int kMaxThreads = 1024;
constexpr const char* kNotOfExperts = "--io-threads";  // of the flags of must_stream

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
  forward.routing = options.routing;
  forward.profile = options.profile;
  forward.guesses = options.routing != nullptr || options.residency.weight_bytes > 0;
  return forward;
}

int64_t cache_tokens(const RuntimeOptions& options, const cache::KvShape& shape) {
  // Whole pages for each sequence, so that one never takes from another.
  const int64_t running = round_up(options.context, cache::kPageTokens) * options.max_sequences;
  const int64_t page = cache::PagedKv::planned_bytes(shape, 2 * cache::kPageTokens) -
                       cache::PagedKv::planned_bytes(shape, cache::kPageTokens);
  if (page <= 0) return running;  // nothing attends
  return saturating_add(running, options.kept_bytes / page * cache::kPageTokens);
}
}  // namespace

model::MemoryPlan plan_memory(const model::Model& model, const kernels::KernelTable& kernels,
                              const RuntimeOptions& options) {
  model::MemoryPlan plan;
  plan.weights = model.file.file_bytes();
  const cache::KvShape shape = model.config.kv_shape(options.key_type, options.value_type);
  plan.cache =
      cache::PagedKv::planned_bytes(shape, cache_tokens(options, shape), options.max_sequences);
  plan.working = model::Forward::planned_bytes(
      model.config, kernels, forward_options(options, model.weights), options.threads);
  // Opening has read all of the file but its tensors; those pages are counted with the file.
  const int64_t header = model.file.file_bytes() - model.file.data_bytes();
  plan.program = std::max<int64_t>(0, resident_memory_bytes() - header);
  return plan;
}

namespace {

// What else a process takes: stacks, tables, what the allocator keeps.
int64_t reserve_bytes(int64_t memory) { return (int64_t{4} << 20) + memory / 64; }
// Rows of a prompt that go through the layers at once where weights are read from the disk for each
// batch, and what part of the memory that may cost.
constexpr int kStreamedRows[] = {2048, 1024};
constexpr int64_t kMostWorkingPart = 8;
// Rows of a prompt at once where all weights fit beside the computation of so many, and not of
// more.
constexpr int kFewerRows[] = {256, 128, 64};
// What part of the cache must have room beside all weights for them to stay mapped until it grows.
constexpr int kLeastCachePart = 4;

// The plan for batches of so many tokens. Error: too little is left for the weights.
Result<MemoryChoice> plan_streaming(const model::Model& model, const kernels::KernelTable& kernels,
                                    const RuntimeOptions& options, int64_t memory, int rows) {
  MemoryChoice choice;
  choice.streams = true;
  choice.options = options;
  choice.options.max_rows = rows;
  model::ResidencyOptions& residency = choice.options.residency;
  residency.weight_bytes = 1;  // the forward pass plans for it
  if (options.twin != nullptr) residency.twin = {&options.twin->weights, &options.twin->file};
  choice.plan = plan_memory(model, kernels, choice.options);
  model::MemoryPlan& plan = choice.plan;
  const int64_t program = plan.program + reserve_bytes(memory);
  residency.weight_bytes = memory - plan.cache - plan.working - program;
  auto weights = model::Residency::plan(model.weights, model.file, residency);
  if (!weights) {
    return fail(
        "{}: {} for everything, of which the cache takes {}, the computation {} and the "
        "program {}",
        weights.error().message, readable_size(memory), readable_size(plan.cache),
        readable_size(plan.working), readable_size(program));
  }
  choice.weights = *weights;
  plan.weights = weights->pinned_bytes + weights->budget_bytes;
  return choice;
}

// The plan by which all weights stay mapped until so much of the cache is in use that they have no
// room any more. None: that would be at once, or soon.
std::optional<MemoryChoice> plan_mapped_at_first(const model::Model& model,
                                                 const kernels::KernelTable& kernels,
                                                 const RuntimeOptions& options, int64_t memory) {
  const bool at_once = options.stream_at_once || !options.must_stream.empty() ||
                       options.trace != nullptr || options.twin != nullptr;
  if (at_once) return std::nullopt;
  // The states of recurrent layers are in use from the beginning.
  const int64_t states = cache::PagedKv::planned_bytes(
      model.config.kv_shape(options.key_type, options.value_type), 0, options.max_sequences);
  std::vector<int> rows = {options.max_rows};
  if (!options.rows_chosen) rows.insert(rows.end(), std::begin(kFewerRows), std::end(kFewerRows));
  const int least_rows = std::max(options.max_sequences, options.max_outputs);
  for (const int some : rows) {
    if (some > options.max_rows || some < least_rows) continue;
    auto choice = plan_streaming(model, kernels, options, memory, some);
    if (!choice) continue;
    model::ResidencyOptions& residency = choice->options.residency;
    residency.mapped_cache_bytes =
        residency.weight_bytes + choice->plan.cache - model.file.file_bytes();
    const int64_t room = residency.mapped_cache_bytes - states;
    if (room > 0 && room >= (choice->plan.cache - states) / kLeastCachePart) return *choice;
  }
  return std::nullopt;
}

// Whether the experts of a twin can stand in for those of the model.
Result<void> check_twin(const model::Model& model, const model::Model& twin,
                        const kernels::KernelTable& kernels) {
  bool alike = model.config.architecture == twin.config.architecture &&
               model.config.layers.size() == twin.config.layers.size();
  for (size_t l = 0; alike && l < model.config.layers.size(); ++l) {
    const model::LayerConfig &own = model.config.layers[l], &other = twin.config.layers[l];
    alike = own.feed_forward == other.feed_forward && own.activation == other.activation &&
            own.mixture.experts == other.mixture.experts && own.mixture.used == other.mixture.used;
  }
  if (!alike) return fail("twin: expected a smaller file of the same model, found another model");
  Result<void> result;
  twin.weights.each_layer_matrix([&](const Tensor& matrix, double) {
    const char* why = kernels::why_not_computable(kernels, matrix.type, matrix.columns());
    if (why != nullptr && result)
      result = fail("twin: {}: cannot be computed with: {}", matrix.name, why);
  });
  return result;
}

}  // namespace

Result<MemoryChoice> choose_memory(const model::Model& model, const kernels::KernelTable& kernels,
                                   const RuntimeOptions& options) {
  MemoryChoice choice;
  choice.options = options;
  choice.options.residency.weight_bytes = 0;
  choice.plan = plan_memory(model, kernels, choice.options);
  if (options.memory_bytes == RuntimeOptions::kMapped) return choice;
  // Who looks at products knows matrices by their place in the file.
  if (options.observer != nullptr && options.memory_bytes == RuntimeOptions::kFree) return choice;
  const bool asked = options.memory_bytes != RuntimeOptions::kFree;
  const int64_t memory = asked ? options.memory_bytes : available_memory_bytes();
  const auto fits = [&](const MemoryChoice& some) {
    return some.plan.total() + reserve_bytes(memory) <= memory;
  };
  if (memory < 0 || fits(choice)) return choice;
  for (const int rows : kFewerRows) {
    if (options.rows_chosen || rows >= options.max_rows) continue;
    if (rows < std::max(options.max_sequences, options.max_outputs)) continue;
    MemoryChoice narrow = choice;
    narrow.options.max_rows = rows;
    narrow.plan = plan_memory(model, kernels, narrow.options);
    if (fits(narrow)) return narrow;
  }
  if (options.twin != nullptr) TRY(check_twin(model, *options.twin, kernels));
  if (auto first = plan_mapped_at_first(model, kernels, options, memory)) return *first;
  const int64_t longest = options.context * options.max_sequences;
  for (const int rows : kStreamedRows) {
    if (options.rows_chosen || options.max_rows >= longest) break;
    auto wide = plan_streaming(model, kernels, options, memory,
                               static_cast<int>(std::min<int64_t>(rows, longest)));
    if (wide && wide->plan.working <= memory / kMostWorkingPart) return wide;
  }
  auto streaming = plan_streaming(model, kernels, options, memory, options.max_rows);
  // Unasked, a model that cannot be helped goes on as the system lets it.
  if (!streaming && !asked) return choice;
  return streaming;
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
  MemoryChoice choice =
      TRY(choose_memory(*model, *runtime->kernels_, TRY(resolve(options, model->config))));
  if (!choice.streams && !options.must_stream.empty()) {
    return fail(
        "{}: counts only where weights come and go, and this model has all it needs in "
        "memory: see --memory",
        options.must_stream);
  }
  if (choice.streams && !choice.weights.mixture && !options.must_stream.empty() &&
      options.must_stream != kNotOfExperts) {
    return fail("{}: counts only for mixtures of experts; of this model whole layers come and go",
                options.must_stream);
  }
  if (options.planned) options.planned(choice, *model);
  runtime->options_ = std::move(choice.options);
  runtime->plan_ = choice.plan;
  runtime->workers_ =
      TRY(Workers::create(runtime->options_.threads, runtime->options_.spin_microseconds));
  if (choice.streams) {
    runtime->residency_ =
        TRY(model::Residency::create(model->weights, model->file, runtime->options_.residency));
    if (options.trace != nullptr) TRY(runtime->residency_->divide_by(*options.trace));
  }
  runtime->forward_ = TRY(
      model::Forward::create(model->config, model->weights, *runtime->kernels_, *runtime->workers_,
                             forward_options(runtime->options_, model->weights)));
  if (choice.streams) runtime->forward_->set_residency(*runtime->residency_);
  runtime->model_ = std::move(model);
  runtime->load_seconds_ = opened_seconds + seconds_now() - began;
  return runtime;
}

Result<cache::PagedKv> Runtime::new_cache() const {
  cache::KvShape shape = model_->config.kv_shape(options_.key_type, options_.value_type);
  const int64_t tokens = cache_tokens(options_, shape);
  // Where weights make way for what is in use, that is counted.
  const bool counted = options_.residency.mapped_cache_bytes > 0;
  return cache::PagedKv::create(std::move(shape), tokens, options_.max_sequences,
                                counted ? Pages::Small : Pages::BySize);
}

}  // namespace issun::engine
