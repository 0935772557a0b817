// Small files of the architectures for which the conformance data has none, with the logits (of
// encoders: the rows) of its numpy reference: tests/corpus/model/make.py writes both.
#include "model/arch/arch.h"

#include <doctest/doctest.h>

#include <cstring>

#include "base/file.h"
#include "kernels/dispatch.h"
#include "make_workers.h"
#include "model/forward.h"
#include "model/sequence.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::model;

namespace {

std::string corpus(const std::string& name) { return source_path("tests/corpus/model/" + name); }

std::vector<float> floats(const std::string& path) {
  const auto bytes = read_text(path);
  REQUIRE_MESSAGE(bytes.has_value(), path);
  std::vector<float> values(bytes->size() / sizeof(float));
  std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
  return values;
}

}  // namespace

TEST_CASE("Architectures without conformance data meet the logits of the numpy reference") {
  for (const std::string name :
       {"olmoe", "qwen2moe", "granitemoe", "starcoder2", "exaone4", "lfm2moe", "qwen35moe",
        "deepseek2", "deepseek2-groups", "gemma4", "gemma4-experts", "gemma3n", "nomic-bert-moe"}) {
    CAPTURE(name);
    const auto file = *gguf::GgufFile::open(corpus(name + ".gguf"));
    const auto config = read_config(file);
    REQUIRE_MESSAGE(config, (config ? "" : config.error().message));
    const auto weights = Weights::bind(file, *config);
    REQUIRE_MESSAGE(weights, (weights ? "" : weights.error().message));
    const bool reads = !config->causal;
    const auto expected = floats(corpus(name + (reads ? ".rows.f32" : ".logits.f32")));
    const int columns = reads ? config->embedding_length : config->vocabulary_size;
    std::vector<int32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back((i * 7 + i * i) % config->vocabulary_size);
    REQUIRE(expected.size() == tokens.size() * static_cast<size_t>(columns));
    const auto pool = make_workers(1);
    for (const kernels::KernelTable* kernels : kernels::available_kernels()) {
      ForwardOptions options{.max_rows = 20, .max_outputs = 20, .context = 20, .exact = true};
      options.hidden = reads;
      auto forward = *Forward::create(*config, *weights, *kernels, *pool, options);
      auto cache = *cache::PagedKv::create(config->kv_shape(DType::F32, DType::F32), 20);
      Sequence sequence(*forward, cache);
      const auto logits = *sequence.append(tokens, Wanted::All);
      double wrong = 0, all = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        const double difference = double{logits.data[i]} - double{expected[i]};
        wrong += difference * difference;
        all += double{expected[i]} * double{expected[i]};
      }
      CHECK(wrong / all < (name == "gemma3n" ? 2e-8 : 1e-9));  // what is cut is near the cut
    }
  }
}
