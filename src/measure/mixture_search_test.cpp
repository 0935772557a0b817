#include "measure/mixture_search.h"

#include <doctest/doctest.h>

#include "base/file.h"
#include "base/temporary.h"
#include "measure/probes.h"
#include "quantize/quantise.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::measure;

namespace {

std::string stories() { return source_path("models/stories260K.gguf"); }

TrialText some_text() {
  TrialText text;
  for (int i = 0; i < 20; ++i)
    text.text += "Once upon a time there was a girl who had a ball, and " + std::to_string(i * i);
  text.tokens = 300;
  text.context = 100;
  return text;
}

quantize::Plan plan_of(const gguf::GgufFile& source, const std::vector<quantize::TypeRule>& rules) {
  quantize::PlanOptions options;
  options.rules = rules;
  return *quantize::make_plan(source, options);
}

}  // namespace

TEST_CASE("a trial in memory is the file that would be written") {
  const gguf::GgufFile source = *gguf::GgufFile::open(stories());
  const quantize::Plan plan = plan_of(source, {{"attn_k", DType::Q4_0}, {"ffn_up", DType::Q5_1}});
  const auto trial = *TrialModel::open(stories(), 2, some_text());
  CHECK(trial->measure()->mean().value == 0);
  for (const quantize::PlannedType& planned : plan.tensors) REQUIRE(trial->put(planned));
  const Divergence in_memory = *trial->measure();
  CHECK(in_memory.mean().value > 1e-5);

  const TemporaryFile file = *TemporaryFile::create("q.gguf");
  const auto workers = *Workers::create(1);
  const quantize::PlanOptions plan_options;
  REQUIRE(quantize::quantise(source, plan, plan_options, {}, file.path(), *workers));
  engine::RuntimeOptions options;
  options.threads = 1;
  options.context = options.max_rows = options.max_outputs = 100;
  options.key_type = options.value_type = DType::F32;
  options.exact = true;
  const auto runtime = *engine::Runtime::open(file.path(), options);
  auto cache = *runtime->new_cache();
  const Divergence of_file =
      *measure_divergence(trial->base(), {runtime->forward(), cache}, runtime->workers());
  CHECK(of_file.tokens.size() == in_memory.tokens.size());
  CHECK(of_file.mean().value == in_memory.mean().value);

  for (quantize::PlannedType planned : plan.tensors) {
    planned.type = planned.tensor.type;
    REQUIRE(trial->put(planned));
  }
  CHECK(trial->measure()->mean().value == 0);
}

TEST_CASE("a search fills its size with what costs least, and predicts what is then measured") {
  const gguf::GgufFile source = *gguf::GgufFile::open(stories());
  const quantize::PlanOptions plan;
  MixtureOptions options;
  options.types = {DType::F16, DType::Q8_0, DType::Q5_0, DType::Q4_0};
  options.calibration = some_text();
  options.bits_per_weight = 8;
  const auto found = search_mixture(stories(), source, plan, options);
  REQUIRE(found.has_value());
  CHECK(found->bits_per_weight() <= 8);
  CHECK(found->tensors.size() == 7 * 5 + 2);
  CHECK(found->measured);
  CHECK(found->measurements == 7 * 5 + 2 + 1);
  REQUIRE(found->divergence);
  // Damages add up as long as they are small.
  CHECK(found->divergence->value == doctest::Approx(found->predicted).epsilon(0.5));
  // By hand: no tensor can be put into a better type with the bytes that are left.
  const auto left = static_cast<int64_t>(static_cast<double>(found->values)) - found->bytes;
  for (const TensorChoice& tensor : found->tensors) {
    if (tensor.type == DType::Q4_0) CHECK(tensor.values / 8 > left);
  }
}

TEST_CASE("goals that are out of reach are refused with what is within") {
  const gguf::GgufFile source = *gguf::GgufFile::open(stories());
  const quantize::PlanOptions plan;
  MixtureOptions options;
  options.types = {DType::Q8_0, DType::Q4_0};
  options.bytes = 1000;
  CHECK(search_mixture(stories(), source, plan, options).error().message.find("at least") !=
        std::string::npos);
  options.bytes.reset();
  options.divergence = 1;
  CHECK(search_mixture(stories(), source, plan, options).error().message.find("calibration") !=
        std::string::npos);
}

TEST_CASE("measurements are kept for the same model and text alone") {
  const TemporaryFile file = *TemporaryFile::create("probes");
  Probes probes = *Probes::open(file.path(), 7);
  CHECK_FALSE(probes.find("a", DType::Q3_K));
  REQUIRE(probes.add("a", DType::Q3_K, 0.1));
  REQUIRE(probes.add("b c", DType::Q4_0, 1.0 / 3));
  const Probes read = *Probes::open(file.path(), 7);
  CHECK(read.find("a", DType::Q3_K) == 0.1);
  CHECK(read.find("b c", DType::Q4_0) == 1.0 / 3);
  CHECK_FALSE(read.find("a", DType::Q4_0));
  CHECK_FALSE(Probes::open(file.path(), 8));
  REQUIRE(write_atomically(file.path(), "issun-probes 2 0000000000000007\na Q3_K what\n"));
  CHECK(Probes::open(file.path(), 7).error().message.find("line 2") != std::string::npos);
  CHECK(Probes::open("", 7)->find("a", DType::Q3_K) == std::nullopt);
}
