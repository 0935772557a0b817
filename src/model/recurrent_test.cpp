// Layers that carry a state, on small models whose logits are known.
#include <doctest/doctest.h>

#include "kernels/dispatch.h"
#include "make_workers.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/sequence.h"
#include "model/testing.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::model;

namespace {

constexpr int kTextLength = 24;

std::vector<int32_t> some_tokens(int seed) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < kTextLength; ++i) tokens.push_back((seed + i * 79 + i * i) % 300);
  return tokens;
}

// A model of the conformance set, ready to run two sequences at once.
struct Setting {
  explicit Setting(const std::string& path)
      : model(*Model::open(path)),
        workers(make_workers(2)),
        forward(*Forward::create(
            model->config, model->weights, *kernels::available_kernels().back(), *workers,
            {.max_rows = 64, .max_sequences = 2, .max_outputs = 2, .context = 64})),
        cache(*cache::PagedKv::create(model->config.kv_shape(DType::F32, DType::F32), 256, 2)) {}

  std::vector<float> last(const Matrix<const float>& logits, int64_t row = 0) const {
    return {logits.row(row), logits.row(row) + logits.columns};
  }
  // The last logits of a text that is read in pieces of `rows`.
  std::vector<float> alone(const std::vector<int32_t>& tokens, int rows) {
    Sequence sequence(*forward, cache);
    std::vector<float> logits;
    for (size_t t = 0; t < tokens.size(); t += static_cast<size_t>(rows)) {
      const size_t count = std::min(static_cast<size_t>(rows), tokens.size() - t);
      logits = last(*sequence.append(std::span(tokens).subspan(t, count), Wanted::Last));
    }
    return logits;
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<Forward> forward;
  cache::PagedKv cache;
};

// Calls body(setting) for every kind of layer with a state.
template <class Body>
void each_kind(Body&& body) {
  for (const char* name : {"lfm2", "mamba2", "falcon-h1", "granitehybrid", "qwen35"}) {
    const std::string file = std::string("conformance/arch/") + name + ".gguf";
    if (!have_shared(file)) return;
    CAPTURE(name);
    Setting setting(shared_path(file));
    body(setting);
  }
}

}  // namespace

TEST_CASE("How a text is cut into pieces of one family changes no bit of a state") {
  each_kind([](Setting& setting) {
    const auto tokens = some_tokens(1);
    CHECK(setting.alone(tokens, 1) == setting.alone(tokens, 2));
    CHECK(setting.alone(tokens, 24) == setting.alone(tokens, 12));
    CHECK(nmse(setting.alone(tokens, 24), setting.alone(tokens, 1)) < 1e-6);
  });
}

TEST_CASE("Two texts in one batch have a state each") {
  each_kind([](Setting& setting) {
    std::vector<int32_t> first = some_tokens(1), second = some_tokens(2), both = first;
    second.resize(9);
    both.insert(both.end(), second.begin(), second.end());
    const auto alone = setting.alone(first, kTextLength), other = setting.alone(second, 9);
    cache::PageTable a = setting.cache.new_table(), b = setting.cache.new_table();
    REQUIRE(setting.cache.extend(a, kTextLength));
    REQUIRE(setting.cache.extend(b, 9));
    const SequenceRows sequences[] = {{&a, kTextLength}, {&b, 9}};
    const int32_t outputs[] = {kTextLength - 1, kTextLength + 8};
    const auto logits = *setting.forward->run({both, sequences, outputs}, setting.cache);
    CHECK(setting.last(logits, 0) == alone);
    CHECK(nmse(setting.last(logits, 1), other) < 1e-6);
  });
}

TEST_CASE("A text goes on from a kept state as if it had come there for the first time") {
  each_kind([](Setting& setting) {
    const std::vector<int32_t> begun = some_tokens(1), wrong = some_tokens(2),
                               right = some_tokens(3);
    std::vector<int32_t> whole = begun;
    whole.insert(whole.end(), right.begin(), right.end());
    const auto expected = setting.alone(whole, kTextLength);
    Sequence sequence(*setting.forward, setting.cache);
    REQUIRE(sequence.append(begun, Wanted::None));
    sequence.keep();
    REQUIRE(sequence.append(wrong, Wanted::None));
    sequence.truncate(kTextLength);
    CHECK(setting.last(*sequence.append(right, Wanted::Last)) == expected);
  });
}
