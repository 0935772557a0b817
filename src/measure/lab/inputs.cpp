#include "measure/lab/inputs.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "engine/runtime.h"
#include "model/observer.h"
#include "model/sequence.h"

namespace issun::measure::lab {

namespace {

constexpr int64_t kWindow = 512;
constexpr int64_t kLogitBytes = 64 << 20;  // of the rows computed at a time

class Collector final : public model::ProductObserver {
 public:
  explicit Collector(const std::vector<std::string>& wanted)
      : wanted_(wanted.begin(), wanted.end()) {}

  void see(const Tensor& weights, int, const Matrix<const float>& in) override {
    auto& [sums, seen] = sums_[std::string(weights.name)];
    sums.resize(static_cast<size_t>(in.columns));
    seen += in.rows;
    for (int64_t r = 0; r < in.rows; ++r) {
      for (int64_t c = 0; c < in.columns; ++c)
        sums[static_cast<size_t>(c)] += static_cast<double>(in.row(r)[c]) * in.row(r)[c];
    }
    const auto wanted = wanted_.find(weights.name);
    if (wanted == wanted_.end()) return;
    InputRows& kept = inputs.rows[*wanted];
    kept.columns = in.columns;
    for (int64_t r = 0; r < in.rows; ++r)
      kept.values.insert(kept.values.end(), in.row(r), in.row(r) + in.columns);
  }

  void finish() {
    for (auto& [name, both] : sums_) {
      for (double& sum : both.first) sum /= static_cast<double>(std::max<int64_t>(1, both.second));
      inputs.mean_squares[name] = std::move(both.first);
    }
  }

  Inputs inputs;

 private:
  std::set<std::string, std::less<>> wanted_;
  std::map<std::string, std::pair<std::vector<double>, int64_t>> sums_;  // and rows
};

}  // namespace

Result<Inputs> read_inputs(const InputOptions& options) {
  Collector collector(options.wanted);
  auto model = TRY(model::Model::open(options.model));
  engine::RuntimeOptions runtime_options;
  runtime_options.threads = options.threads;
  runtime_options.context = std::min(kWindow, model->config.context_length);
  // All logits are asked for, so that the output matrix meets every row.
  runtime_options.max_rows = static_cast<int>(std::clamp<int64_t>(
      kLogitBytes / (static_cast<int64_t>(sizeof(float)) * model->config.vocabulary_size), 16,
      kWindow));
  runtime_options.max_outputs = runtime_options.max_rows;
  runtime_options.exact = true;
  runtime_options.observer = &collector;
  const auto runtime = TRY(engine::Runtime::start(std::move(model), runtime_options));
  const std::string text = TRY(read_text(options.text));
  std::vector<int32_t> tokens =
      TRY(runtime->model().tokenizer.encode(text, {.add_special = true, .parse_special = false}));
  if (tokens.size() < 2)
    return fail("{}: expected a text of at least 2 tokens, found {}", options.text, tokens.size());
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(options.tokens)));
  cache::PagedKv cache = TRY(runtime->new_cache());
  model::Sequence sequence(runtime->forward(), cache);
  const auto window = static_cast<size_t>(runtime->options().context);
  const auto rows = static_cast<size_t>(runtime->forward().max_rows());
  for (size_t begin = 0; begin < tokens.size(); begin += window) {
    sequence.truncate(0);
    const size_t end = std::min(begin + window, tokens.size());
    for (size_t t = begin; t < end; t += rows) {
      TRY(sequence.append(std::span(tokens).subspan(t, std::min(rows, end - t)),
                          model::Wanted::All));
    }
    if (options.progress)
      options.progress(static_cast<int64_t>(end), static_cast<int64_t>(tokens.size()));
  }
  TRY(runtime->model().file.still_whole());
  collector.finish();
  collector.inputs.tokens = static_cast<int64_t>(tokens.size());
  return std::move(collector.inputs);
}

}  // namespace issun::measure::lab
