#include "measure/trial_model.h"

#include <algorithm>

#include "base/quote.h"

namespace issun::measure {

namespace {

constexpr int64_t kLargeBytes = 256 << 20;  // of logits, beyond which they are kept in F16
constexpr int64_t kLogitBytes = 32 << 20;   // of the rows computed at a time
constexpr int64_t kMostBytes = int64_t{4} << 30;

// Windows evenly spread over the text, one after the other.
Result<std::vector<int32_t>> choose_windows(const std::vector<int32_t>& tokens,
                                            const TrialText& text) {
  const int64_t context = text.context, all = std::ssize(tokens) / context;
  const int64_t wanted = std::max<int64_t>(1, text.tokens / context);
  if (all < 1) {
    return fail("calibration: expected at least {} tokens of text, found {}", context,
                tokens.size());
  }
  std::vector<int32_t> chosen;
  const int64_t count = std::min(all, wanted);
  for (int64_t w = 0; w < count; ++w) {
    const auto begin = tokens.begin() + w * all / count * context;
    chosen.insert(chosen.end(), begin, begin + context);
  }
  return chosen;
}

// Whatever of the weights sees `from`, all of it or some of its rows, sees `to` from now on. False:
// nothing does.
bool point_to(model::Weights& weights, const Tensor& from, const Tensor& to) {
  bool found = false;
  const auto check = [&](const Tensor& seen) {
    if (seen.name != from.name || !seen) return;
    found = true;
    const int64_t row = (seen.data - from.data) / from.row_bytes();
    // Visitors give what they visit as const; these weights are ours to change.
    auto& changed = const_cast<Tensor&>(seen);
    changed.type = to.type;
    changed.data = to.row(row);
  };
  check(weights.token_embedding);
  check(weights.output.weight);
  check(weights.layer_inputs.embedding);
  check(weights.layer_inputs.projection.weight);
  check(weights.open_streams.weight);
  check(weights.close_streams.weight);
  weights.each_layer_matrix([&](const Tensor& matrix, double) { check(matrix); });
  return found;
}

}  // namespace

Result<std::unique_ptr<TrialModel>> TrialModel::open(const std::string& path, int threads,
                                                     const TrialText& text) {
  auto opened = TRY(model::Model::open(path));
  const int vocabulary = opened->config.vocabulary_size;
  engine::RuntimeOptions options;
  options.threads = threads;
  options.context = text.context;
  options.max_rows = text.context;
  options.max_outputs = static_cast<int>(
      std::clamp<int64_t>(kLogitBytes / (int64_t{4} * vocabulary), 16, text.context));
  options.key_type = options.value_type = DType::F32;
  options.exact = true;
  options.memory_bytes = engine::RuntimeOptions::kMapped;  // trials point weights elsewhere
  std::unique_ptr<TrialModel> trial(new TrialModel());
  trial->source_.assign(opened->file.tensors().begin(), opened->file.tensors().end());
  trial->runtime_ = TRY(engine::Runtime::start(std::move(opened), options));
  engine::Runtime& runtime = *trial->runtime_;
  trial->cache_.emplace(TRY(runtime.new_cache()));
  trial->trials_.emplace(TRY(quantize::Trials::create(runtime.workers())));

  const tokenizer::Tokenizer& tokenizer = runtime.model().tokenizer;
  const std::vector<int32_t> tokens =
      TRY(tokenizer.encode(text.text, {.add_special = true, .parse_special = false}));
  WindowOptions windows;
  windows.context = windows.stride = text.context;
  windows.bos = tokenizer.adds_bos() ? tokenizer.bos() : -1;
  std::vector<int32_t> chosen = TRY(choose_windows(tokens, text));
  const int64_t rows = std::ssize(chosen);
  DType type = DType::F32;
  if (BaseLogits::planned_bytes(rows, vocabulary, type) > kLargeBytes) type = DType::F16;
  if (BaseLogits::planned_bytes(rows, vocabulary, type) > kMostBytes) {
    return fail("calibration: expected tokens whose logits fit into {} bytes, found {}", kMostBytes,
                rows);
  }
  trial->base_.emplace(TRY(BaseLogits::record(
      {runtime.forward(), *trial->cache_}, runtime.workers(), std::move(chosen), windows, type)));
  return trial;
}

Result<void> TrialModel::put(const quantize::PlannedType& planned) {
  const std::string name(planned.tensor.name);
  const auto found = std::find_if(source_.begin(), source_.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  CHECK_THAT(found != source_.end() && found->size == planned.tensor.size);
  const auto now = blocks_.find(name);
  const DType type = now == blocks_.end() ? found->type : now->second.tensor.type;
  if (type == planned.type) return {};
  Blocks next;
  next.tensor = *found;
  if (planned.type != found->type) {
    next.bytes = TRY(trials_->encode(planned));
    next.tensor.type = planned.type;
    next.tensor.data = next.bytes.data();
  }
  if (!point_to(runtime_->model().weights, now == blocks_.end() ? *found : now->second.tensor,
                next.tensor)) {
    return fail(
        "{}: expected a matrix that the model multiplies by; --tensor {}=TYPE says its type",
        printable(name), printable(name));
  }
  blocks_.erase(name);
  if (planned.type != found->type) blocks_.emplace(name, std::move(next));
  return {};
}

Result<Divergence> TrialModel::measure() {
  return measure_divergence(*base_, {runtime_->forward(), *cache_}, runtime_->workers());
}

}  // namespace issun::measure
