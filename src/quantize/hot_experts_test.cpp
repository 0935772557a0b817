#include "quantize/hot_experts.h"

#include <doctest/doctest.h>

#include "base/temporary.h"
#include "contains.h"
#include "gguf/value.h"
#include "gguf/writer.h"

using namespace issun;
using namespace issun::quantize;

namespace {

// Two layers, 1 and 3, of four experts with up and down each; as stacks or packed.
struct Mixture {
  TemporaryFile file = *TemporaryFile::create("m.gguf");
  explicit Mixture(bool packed) {
    auto writer = *gguf::GgufWriter::create(file.path());
    REQUIRE(writer.set("general.architecture", gguf::make_string("made-up")));
    for (const int layer : {1, 3}) {
      for (const char* part : {"ffn_up", "ffn_down"}) {
        const std::string name = fmt::format("blk.{}.{}", layer, part);
        if (!packed) {
          REQUIRE(
              writer.add_tensor(name + "_exps.weight", DType::F32, std::vector<int64_t>{32, 2, 4}));
          continue;
        }
        for (int e = 0; e < 4; ++e) {
          REQUIRE(writer.add_tensor(fmt::format("{}.{}.weight", name, e), DType::F32,
                                    std::vector<int64_t>{32, 2}));
        }
      }
    }
    while (writer.missing_bytes() > 0)
      REQUIRE(writer.append(std::vector<std::byte>(static_cast<size_t>(writer.missing_bytes()))));
    REQUIRE(writer.finish());
  }
  gguf::GgufFile open() const { return *gguf::GgufFile::open(file.path()); }
};

// Layer 1: expert 2 three times, 0 twice, 3 once, 1 never. Layer 3: 0 and 1 twice, 2 and 3 once.
experts::Trace some_trace() {
  experts::Trace trace;
  trace.header = {.model = "made-up",
                  .layers = {1, 3},
                  .experts = {4, 4},
                  .used = 2,
                  .expert_bytes = {512, 512}};
  trace.batches.push_back({.rows = 2, .experts = {2, 0, 2, 3, 0, 1, 2, 3}, .guesses = {}});
  trace.batches.push_back({.rows = 1, .experts = {0, 2, 1, 0}, .guesses = {}});
  trace.batches.push_back({.rows = 0, .experts = {}, .guesses = {}});
  return trace;
}

std::vector<std::string> names(const Result<std::vector<TypeRule>>& rules) {
  REQUIRE_MESSAGE(rules, (rules ? "" : rules.error().message));
  std::vector<std::string> found;
  for (const TypeRule& rule : *rules) {
    CHECK(rule.type == DType::Q4_K);
    found.push_back(rule.pattern);
  }
  return found;
}

std::string refusal(const gguf::GgufFile& file, const experts::Trace& trace) {
  const auto rules = hot_expert_rules(file, trace, {"t.jsonl", 0.5, DType::Q4_K});
  REQUIRE_FALSE(rules.has_value());
  return rules.error().message;
}

}  // namespace

TEST_CASE("the experts that a trace met most get the type, each layer its own") {
  const Mixture model(true);
  const gguf::GgufFile file = model.open();
  const experts::Trace trace = some_trace();
  CHECK(names(hot_expert_rules(file, trace, {"t", 0.25, DType::Q4_K})) ==
        std::vector<std::string>{"blk.1.ffn_up.2.weight", "blk.1.ffn_down.2.weight",
                                 "blk.3.ffn_up.0.weight", "blk.3.ffn_down.0.weight"});
  CHECK(names(hot_expert_rules(file, trace, {"t", 0.26, DType::Q4_K})).size() == 8);
  // Half of each; of equals the first (expert 1 of layer 3 was met twice, as 0 was).
  const auto half = names(hot_expert_rules(file, trace, {"t", 0.5, DType::Q4_K}));
  CHECK(half == std::vector<std::string>{"blk.1.ffn_up.2.weight", "blk.1.ffn_down.2.weight",
                                         "blk.1.ffn_up.0.weight", "blk.1.ffn_down.0.weight",
                                         "blk.3.ffn_up.0.weight", "blk.3.ffn_down.0.weight",
                                         "blk.3.ffn_up.1.weight", "blk.3.ffn_down.1.weight"});
  // All but the one that was never met.
  CHECK(names(hot_expert_rules(file, trace, {"t", 1, DType::Q4_K})).size() == 14);
}

TEST_CASE("stacks, and traces of another model, are refused with what to do") {
  const Mixture packed(true), stacks(false);
  const gguf::GgufFile file = packed.open();
  CHECK(contains(refusal(stacks.open(), some_trace()), "issun pack"));
  experts::Trace trace = some_trace();
  trace.header.layers = {1, 4};
  CHECK(contains(refusal(file, trace),
                 "t.jsonl: expected all layers that have experts, found "
                 "nothing of layer 3"));
  trace.header.layers = {1, 3};
  trace.header.experts = {4, 5};
  CHECK(contains(refusal(file, trace), "layer 3"));
  trace = some_trace();
  trace.header.layers.push_back(7);
  trace.header.experts.push_back(4);
  for (experts::TraceBatch& batch : trace.batches)
    batch.experts.resize(batch.experts.size() + static_cast<size_t>(2 * batch.rows));
  CHECK(contains(refusal(file, trace), "layer 7: expected 0 experts, as the model has, found 4"));
}

TEST_CASE("a share of hot experts is a trace, a number and a type") {
  const HotExperts hot = *parse_hot_experts("a:b/trace.jsonl:0.25:q4_k");
  CHECK(hot.trace == "a:b/trace.jsonl");
  CHECK(hot.share == 0.25);
  CHECK(hot.type == DType::Q4_K);
  for (const char* wrong :
       {"", ":", "::", "t.jsonl", "t.jsonl:0.5", "t.jsonl:0:Q4_K", ":0.5:Q4_K", "t.jsonl:1.5:Q4_K",
        "t.jsonl:-1:Q4_K", "t.jsonl:nan:Q4_K", "t.jsonl:0.5x:Q4_K", "t.jsonl:0.5:Q9",
        "t.jsonl:0.5:I8", "t.jsonl::Q4_K"}) {
    INFO(wrong);
    const auto read = parse_hot_experts(wrong);
    REQUIRE_FALSE(read.has_value());
    CHECK(contains(read.error().message, "TRACE:SHARE:TYPE"));
  }
}
