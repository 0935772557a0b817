#include "engine/fingerprint.h"

#include <doctest/doctest.h>

#include <set>

#include "source_tree.h"

using namespace issun;
using namespace issun::engine;

namespace {

std::unique_ptr<model::Model> small_model() {
  return *model::Model::open(source_path("models/stories260K.gguf"));
}

RuntimeOptions options_of(int64_t context) {
  RuntimeOptions options;
  options.context = context;
  return options;
}

}  // namespace

TEST_CASE("Contexts that rotate by other factors have other fingerprints, and no others") {
  const auto model = small_model();
  const auto of = [&](int64_t context) {
    return fingerprint_of(*model, "avx2", options_of(context));
  };
  CHECK(of(4096) == of(8192));
  // Any two lists of numbers stand for the two lists of a model that has both.
  model->weights.short_rope_factors = model->file.find("blk.0.attn_norm.weight");
  model->weights.long_rope_factors = model->file.find("blk.1.attn_norm.weight");
  REQUIRE(model->weights.long_rope_factors);
  model::RopeConfig& rope = model->config.ropes.at(0);
  rope.file_factors = true;
  rope.original_context = 4096;
  CHECK(of(2048) == of(4096));
  CHECK(of(4096) != of(4097));
  CHECK(of(8192) == of(16384));
}

TEST_CASE("What stands in for missing weights is in the fingerprint, where weights come and go") {
  const auto model = small_model();
  const auto of = [&](const RuntimeOptions& options) {
    return fingerprint_of(*model, "avx2", options);
  };
  RuntimeOptions options = options_of(512);
  std::set<uint64_t> seen = {of(options)};
  const auto is_new = [&] { return seen.insert(of(options)).second; };
  options.residency.missing = model::Missing::Bias;
  CHECK_FALSE(is_new());  // all is in memory
  options.residency.weight_bytes = 1 << 20;
  CHECK(is_new());
  options.residency.bias = 0.25;
  CHECK(is_new());
  options.residency.least_share = 0.5;
  CHECK_FALSE(is_new());  // does not count for Bias
  options.residency.missing = model::Missing::Skip;
  CHECK(is_new());
  options.residency.least_share = 0.25;
  CHECK(is_new());
  options.residency.missing = model::Missing::Twin;
  CHECK(is_new());
  options.twin = small_model();
  CHECK(is_new());
  options.residency.missing = model::Missing::Exact;
  CHECK_FALSE(is_new());
}
