#include "quantize/trial.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/temporary.h"
#include "quantize/quantise.h"
#include "quantize/recipe.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::quantize;

namespace {

Plan plan_of(const gguf::GgufFile& source, const std::vector<TypeRule>& rules) {
  PlanOptions options;
  options.rules = rules;
  return *make_plan(source, options);
}

}  // namespace

TEST_CASE("a trial has the blocks that a file would have, and their error") {
  const gguf::GgufFile source = *gguf::GgufFile::open(source_path("models/stories260K.gguf"));
  const Plan plan = plan_of(source, {{"blk.2.attn_q.weight", DType::Q4_0}, {"_k", DType::Q5_1}});
  const TemporaryFile file = *TemporaryFile::create("q.gguf");
  const auto workers = *Workers::create(3);
  PlanOptions plan_options;
  const QuantiseReport report = *quantise(source, plan, plan_options, {}, file.path(), *workers);
  const gguf::GgufFile written = *gguf::GgufFile::open(file.path());
  Trials trials = *Trials::create(*workers);
  int converted = 0;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedType& planned = plan.tensors[i];
    if (planned.type == planned.tensor.type) continue;
    ++converted;
    INFO(planned.tensor.name);
    const std::vector<std::byte> blocks = *trials.encode(planned);
    const Tensor tensor = written.find(planned.tensor.name);
    REQUIRE(static_cast<int64_t>(blocks.size()) == tensor.bytes());
    CHECK(std::memcmp(blocks.data(), tensor.data, blocks.size()) == 0);
    const TrialError error = *trials.error(planned, 1 << 20);
    CHECK(std::sqrt(error.errors / error.squares) ==
          doctest::Approx(report.tensors[i].relative_error).epsilon(1e-9));
    // Some of the rows tell of all.
    const TrialError some = *trials.error(planned, planned.tensor.rows() / 2);
    CHECK(some.errors == doctest::Approx(error.errors).epsilon(0.3));
    CHECK(some.squares == doctest::Approx(error.squares).epsilon(0.3));
  }
  CHECK(converted == 1 + 5);
}

TEST_CASE("a rule that is a whole name means that tensor alone") {
  const gguf::GgufFile source = *gguf::GgufFile::open(source_path("models/stories260K.gguf"));
  const Plan plan =
      plan_of(source, {{"blk.1.attn_q.weight", DType::Q8_0}, {"attn_q", DType::Q4_0}});
  for (const PlannedType& planned : plan.tensors) {
    if (planned.tensor.name == "blk.1.attn_q.weight") CHECK(planned.type == DType::Q8_0);
    if (planned.tensor.name == "blk.2.attn_q.weight") CHECK(planned.type == DType::Q4_0);
    if (planned.tensor.name == "blk.2.attn_k.weight") CHECK(planned.type == planned.tensor.type);
  }
  CHECK(std::string(main_file_type(plan)->name) == "F32");
  CHECK(std::string(main_file_type(plan_of(source, {{"", DType::Q4_0}}))->name) == "Q4_0");
}

TEST_CASE("a recipe says what it said when it was written") {
  const std::vector<TypeRule> rules = {{"blk.0.ffn_up.weight", DType::IQ3_S},
                                       {"ffn_(gate|up) x", DType::Q4_K}};
  const std::string text = write_recipe(rules, {"made up"});
  CHECK(text == "# made up\nblk.0.ffn_up.weight IQ3_S\nffn_(gate|up) x Q4_K\n");
  const std::vector<TypeRule> read = *parse_recipe("\r\n  " + text + "\n\n", "r");
  REQUIRE(read.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(read[i].pattern == rules[i].pattern);
    CHECK(read[i].type == rules[i].type);
  }
  for (const char* wrong : {"", "# nothing", "a\n", "a Q4_K b\n", "\nblk Q4_Z", "blk I8"}) {
    CAPTURE(wrong);
    const auto refused = parse_recipe(wrong, "r");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.starts_with("r: "));
  }
}
