#include "model/residency.h"

#include <doctest/doctest.h>

#include <random>

#include "kernels/dispatch.h"
#include "make_workers.h"
#include "model/forward.h"
#include "model/made_up.h"
#include "model/sequence.h"

using namespace issun;
using namespace issun::model;

namespace {

// The file itself, whose reads fail when a test wants it.
class FaultySource final : public experts::Source {
 public:
  explicit FaultySource(const gguf::GgufFile& file) : bytes_(file.parts()[0].bytes()) {}
  Result<void> read(int, int64_t offset, std::span<std::byte> out) override {
    if (fail_every > 0 && ++reads_ % fail_every == 0) return fail("disk: cannot read");
    const int64_t left = static_cast<int64_t>(bytes_.size()) - offset;
    const auto count = std::min<int64_t>(left, static_cast<int64_t>(out.size()));
    std::copy_n(bytes_.data() + offset, count, out.data());
    return {};
  }
  int fail_every = 0;

 private:
  const std::span<const std::byte> bytes_;
  int reads_ = 0;
};

// From the mapping: the file itself is gone already.
Result<std::unique_ptr<Residency>> create(MadeUpModel& model, const ResidencyOptions& options) {
  return Residency::create(model.weights, model.file(), options,
                           std::make_unique<FaultySource>(model.file()));
}

struct HowResident {
  int threads = 1;
  Residency* residency = nullptr;
};

std::vector<int32_t> made_up_tokens(int n, int vocabulary) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7919 + i * i + 3) % vocabulary);
  return tokens;
}

// A prompt of 12 in one batch, then 20 one by one: the logits of each, or the error.
Result<std::vector<float>> logits(const MadeUpModel& model, const HowResident& how) {
  const auto tokens = made_up_tokens(32, model.config.vocabulary_size);
  const auto workers = make_workers(how.threads);
  ForwardOptions options;
  options.max_rows = options.max_outputs = 12;
  options.context = 32;
  options.guesses = true;
  const auto forward = *Forward::create(model.config, model.weights,
                                        *kernels::available_kernels().back(), *workers, options);
  if (how.residency != nullptr) forward->set_residency(*how.residency);
  auto cache = *cache::PagedKv::create(model.config.kv_shape(DType::F32, DType::F32), 64);
  Sequence sequence(*forward, cache);
  std::vector<float> all;
  for (size_t at = 0; at < tokens.size();) {
    const size_t count = at == 0 ? 12 : 1;
    const auto rows = TRY(sequence.append(std::span(tokens).subspan(at, count), Wanted::All));
    all.insert(all.end(), rows.data, rows.data + rows.rows * rows.columns);
    at += count;
  }
  return all;
}

ModelConfig dense_facts() {
  ModelConfig config = small_facts();
  config.layers.resize(5, config.layers[0]);
  return config;
}

int64_t least_bytes(MadeUpModel& model) {
  ResidencyOptions options;
  options.weight_bytes = int64_t{1} << 40;
  return Residency::plan(model.weights, model.file(), options)->least_bytes();
}

}  // namespace

TEST_CASE("Weights that come and go give the same bits as those in memory, whatever the budget") {
  ModelConfig shared = facts_with_experts();
  for (LayerConfig& layer : shared.layers) layer.mixture.shared_length = 12;
  for (const ModelConfig& facts : {facts_with_experts(), shared, dense_facts()}) {
    for (const ExpertLayout layout :
         {ExpertLayout::Split, ExpertLayout::Merged, ExpertLayout::Single}) {
      MadeUpModel model(facts, {.experts = layout, .tied = false, .biases = true});
      const auto expected = *logits(model, {});
      const int64_t least = least_bytes(model);
      for (int trial = 0; trial < 12; ++trial) {
        CAPTURE(trial);
        ResidencyOptions options;
        options.weight_bytes = least + trial * 40960;
        options.policy = static_cast<experts::PolicyKind>(trial % 4);
        options.keep = trial % 5 != 4;
        options.guesses = trial % 3;
        options.lookahead = 1 + trial % 2;
        options.reader.threads = 1 + trial % 3;
        options.reader.read_bytes = 4096;
        const auto residency = create(model, options);
        REQUIRE(residency);
        CHECK(*logits(model, {.threads = 1 + trial % 2, .residency = residency->get()}) ==
              expected);
        CHECK((*residency)->store().statistics().all().uses > 0);
      }
      // The views point into the file again.
      CHECK(*logits(model, {}) == expected);
    }
  }
}

TEST_CASE("A read that fails is told, no wrong logits come, and what follows is right again") {
  int failed = 0, right = 0;
  for (const ModelConfig& facts : {facts_with_experts(), dense_facts()}) {
    MadeUpModel model(facts, {.tied = false});
    const auto expected = *logits(model, {});
    ResidencyOptions options;
    options.weight_bytes = least_bytes(model);
    options.reader.threads = 2;
    auto made = std::make_unique<FaultySource>(model.file());
    FaultySource& source = *made;
    const auto residency =
        *Residency::create(model.weights, model.file(), options, std::move(made));
    for (int trial = 0; trial < 60; ++trial) {
      source.fail_every = trial % 3 == 2 ? 0 : 20 + 31 * trial;
      const auto got = logits(model, {.residency = residency.get()});
      if (got) {
        CHECK(*got == expected);
        ++right;
      } else {
        CHECK(got.error().message == "disk: cannot read");
        ++failed;
      }
      if (source.fail_every == 0) CHECK(got.has_value());
    }
  }
  CHECK(failed > 3);  // how many reads were guesses, which are not missed, depends on time
  CHECK(right > 40);
}

TEST_CASE("Weights stay mapped until the cache has grown, and the bits stay the same") {
  for (const ModelConfig& facts : {facts_with_experts(), dense_facts()}) {
    MadeUpModel model(facts, {.tied = false});
    const auto expected = *logits(model, {});
    ResidencyOptions options;
    options.weight_bytes = least_bytes(model);
    // All of the cache of logits(): nothing is ever read.
    options.mapped_cache_bytes =
        cache::PagedKv::planned_bytes(model.config.kv_shape(DType::F32, DType::F32), 64);
    const auto mapped = *create(model, options);
    CHECK(*logits(model, {.residency = mapped.get()}) == expected);
    CHECK_FALSE(mapped->begun());
    // Nothing of it: from the first batch on. A disk that fails then is told, and tried again.
    options.mapped_cache_bytes = 1;
    auto made = std::make_unique<FaultySource>(model.file());
    FaultySource& source = *made;
    const auto grown = *Residency::create(model.weights, model.file(), options, std::move(made));
    source.fail_every = 1;
    const auto failed = logits(model, {.residency = grown.get()});
    REQUIRE(!failed);
    CHECK(failed.error().message == "disk: cannot read");
    CHECK_FALSE(grown->begun());
    source.fail_every = 0;
    CHECK(*logits(model, {.residency = grown.get()}) == expected);
    REQUIRE(grown->begun());
    CHECK(grown->store().statistics().all().uses > 0);
  }
}

TEST_CASE("In the middle of a text the cache may outgrow what is mapped") {
  for (const ModelConfig& facts : {facts_with_experts(), dense_facts()}) {
    MadeUpModel model(facts, {.tied = false});
    const auto tokens = made_up_tokens(70, model.config.vocabulary_size);
    const auto workers = make_workers(1);
    ForwardOptions options;
    options.max_rows = options.max_outputs = 16;
    options.context = 128;
    options.guesses = true;
    const auto shape = model.config.kv_shape(DType::F32, DType::F32);
    // From token to token: the logits, and whether weights had begun to come and go by then.
    const auto read = [&](Residency* residency, std::vector<bool>* begun) {
      const auto forward = *Forward::create(
          model.config, model.weights, *kernels::available_kernels().back(), *workers, options);
      if (residency != nullptr) forward->set_residency(*residency);
      auto cache = *cache::PagedKv::create(shape, 128, 1, Pages::Small);
      Sequence sequence(*forward, cache);
      std::vector<float> all;
      for (size_t at = 0; at < tokens.size(); at += 2) {
        const auto rows = *sequence.append(std::span(tokens).subspan(at, 2), Wanted::All);
        all.insert(all.end(), rows.data, rows.data + rows.rows * rows.columns);
        if (begun != nullptr) begun->push_back(residency->begun());
      }
      return all;
    };
    const auto expected = read(nullptr, nullptr);
    auto counted = *cache::PagedKv::create(shape, 128, 1, Pages::Small);
    auto table = counted.new_table();
    REQUIRE(counted.extend(table, 64));
    ResidencyOptions some;
    some.weight_bytes = least_bytes(model);
    some.mapped_cache_bytes = counted.touched_bytes();  // of the first page
    const auto residency = *create(model, some);
    std::vector<bool> begun;
    CHECK(read(residency.get(), &begun) == expected);
    std::vector<bool> from_the_second_page(35, false);
    std::fill(from_the_second_page.begin() + 32, from_the_second_page.end(), true);
    CHECK(begun == from_the_second_page);
    CHECK(residency->make_way(0).has_value());
    CHECK(residency->begun());
  }
}

TEST_CASE("A budget below what every token needs is refused with both numbers") {
  MadeUpModel model(facts_with_experts(), {.tied = false});
  ResidencyOptions options;
  options.weight_bytes = least_bytes(model) - 1;
  const auto made = create(model, options);
  REQUIRE(!made);
  CHECK(made.error().message.find("at least") != std::string::npos);
}

TEST_CASE("Ways that change what the model says give numbers, and others than the model's") {
  MadeUpModel model(facts_with_experts(), {.tied = false});
  const auto expected = *logits(model, {});
  for (const Missing missing : {Missing::Bias, Missing::Skip}) {
    CAPTURE(name(missing));
    ResidencyOptions options;
    options.missing = missing;
    options.bias = 10;
    options.least_share = 1;
    options.weight_bytes = least_bytes(model);
    const auto residency = *create(model, options);
    const auto got = *logits(model, {.residency = residency.get()});
    CHECK(got != expected);
    for (const float logit : got) REQUIRE(std::isfinite(logit));
  }
}
