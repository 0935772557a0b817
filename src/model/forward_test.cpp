#include "model/forward.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>

#include "kernels/dispatch.h"
#include "kernels/tiles_testing.h"
#include "make_workers.h"
#include "model/model.h"
#include "model/testing.h"
#include "shared_data.h"
#include "source_tree.h"

namespace {
std::atomic<long> allocations{0};
}

// Counted for the whole test program, so that "allocates nothing" is a number and not a hope.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  std::abort();
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit)) return memory;
  std::abort();
}
// Under asan the form that throws nothing does not go through the first one by itself.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace issun;
using namespace issun::model;

namespace {

// A model file of the checkout, or one of the conformance set.
std::string stories() { return source_path("models/stories260K.gguf"); }

struct How {
  const kernels::KernelTable* kernels = nullptr;
  int threads = 1;
  int rows = 512;  // at a time
  bool exact = false;
  ProductObserver* observer = nullptr;
  DType key_type = DType::F32, value_type = DType::F32;
  bool rotate = false;
};

// The logits of every position, (tokens, vocabulary).
std::vector<float> logits(const Model& model, std::span<const int32_t> tokens, const How& how) {
  const auto pool = make_workers(how.threads);
  Workers& workers = *pool;
  ForwardOptions options;
  options.max_rows = options.max_outputs = how.rows;
  options.context = static_cast<int64_t>(tokens.size());
  options.exact = how.exact;
  options.observer = how.observer;
  options.rotate_keys = options.rotate_values = how.rotate;
  auto forward = Forward::create(model.config, model.weights, *how.kernels, workers, options);
  REQUIRE(forward);
  auto cache = cache::PagedKv::create(model.config.kv_shape(how.key_type, how.value_type),
                                      static_cast<int64_t>(tokens.size()));
  REQUIRE(cache);
  cache::PageTable table = cache->new_table();
  std::vector<float> all;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t rows = std::min(tokens.size() - begin, static_cast<size_t>(how.rows));
    std::vector<int32_t> outputs(rows);
    for (size_t i = 0; i < rows; ++i) outputs[i] = static_cast<int32_t>(i);
    REQUIRE(cache->extend(table, static_cast<int>(rows)));
    const SequenceRows sequence{&table, static_cast<int>(rows)};
    const auto out =
        *(*forward)->run({tokens.subspan(begin, rows), {&sequence, 1}, outputs}, *cache);
    all.insert(all.end(), out.data, out.data + out.rows * out.columns);
    begin += rows;
  }
  return all;
}

std::vector<int32_t> some_tokens(int n, int vocabulary) {
  std::vector<int32_t> tokens = {1};
  for (int i = 1; i < n; ++i) tokens.push_back((i * 7919 + i * i) % vocabulary);
  return tokens;
}

}  // namespace

TEST_CASE(
    "On F32 weights every instruction set, batch shape and thread count gives nearly the same "
    "logits") {
  const auto model = *Model::open(stories());
  const auto tokens = some_tokens(90, model->config.vocabulary_size);
  const auto oracle = logits(*model, tokens, {.kernels = kernels::available_kernels().front()});
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    CAPTURE(table->name);
    for (const int rows : {512, 33, 1}) {
      CHECK(nmse(logits(*model, tokens, {.kernels = table, .rows = rows}), oracle) < 1e-10);
    }
  }
}

TEST_CASE("The number of threads changes no bit") {
  const auto model = *Model::open(stories());
  const auto tokens = some_tokens(70, model->config.vocabulary_size);
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    for (const int rows : {64, 1}) {
      const auto one = logits(*model, tokens, {.kernels = table, .threads = 1, .rows = rows});
      for (const int threads : {2, 3}) {
        CHECK(logits(*model, tokens, {.kernels = table, .threads = threads, .rows = rows}) == one);
      }
    }
  }
}

TEST_CASE("How a prompt is cut into batches of the same family changes no bit") {
  const auto model = *Model::open(stories());
  const auto tokens = some_tokens(96, model->config.vocabulary_size);
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    CAPTURE(table->name);
    const int panel = std::max(table->dot_tokens, table->dot_tokens_f32) + 1;
    REQUIRE(96 % 48 == 0);
    REQUIRE(panel < 48);
    CHECK(logits(*model, tokens, {.kernels = table, .rows = 96}) ==
          logits(*model, tokens, {.kernels = table, .rows = 48}));
    if (table->dot_tokens >= 2) {
      CHECK(logits(*model, tokens, {.kernels = table, .rows = 2}) ==
            logits(*model, tokens, {.kernels = table, .rows = 1}));
    }
  }
}

TEST_CASE("Two sequences in one batch get what each gets alone") {
  const auto model = *Model::open(stories());
  const kernels::KernelTable& table = *kernels::available_kernels().back();
  const auto first = some_tokens(7, 500);
  std::vector<int32_t> second = {1, 300, 200, 100};
  const auto pool = make_workers(2);
  Workers& workers = *pool;
  ForwardOptions options{.max_rows = 32, .max_sequences = 2, .max_outputs = 2, .context = 64};
  const auto forward = *Forward::create(model->config, model->weights, table, workers, options);
  auto cache = *cache::PagedKv::create(model->config.kv_shape(DType::F32, DType::F32), 256);
  cache::PageTable a = cache.new_table(), b = cache.new_table();
  REQUIRE(cache.extend(a, 7));
  REQUIRE(cache.extend(b, 4));
  std::vector<int32_t> both = first;
  both.insert(both.end(), second.begin(), second.end());
  const SequenceRows sequences[] = {{&a, 7}, {&b, 4}};
  const int32_t outputs[] = {6, 10};
  const auto out = *forward->run({both, sequences, outputs}, cache);
  const auto alone = [&](const std::vector<int32_t>& tokens) {
    const auto all = logits(*model, tokens, {.kernels = &table});
    return std::vector<float>(all.end() - model->config.vocabulary_size, all.end());
  };
  const size_t n = static_cast<size_t>(out.columns);
  CHECK(nmse(std::span(out.row(0), n), alone(first)) < 1e-10);
  CHECK(nmse(std::span(out.row(1), n), alone(second)) < 1e-10);
}

TEST_CASE("Generating a token allocates nothing") {
  std::vector<std::string> paths = {stories()};
  const std::string quantised = "conformance/arch/llama-q4_k_m.gguf";
  if (have_shared(quantised)) paths.push_back(shared_path(quantised));
  for (const std::string& path : paths) {
    const auto model = *Model::open(path);
    const kernels::KernelTable& table = *kernels::available_kernels().back();
    const auto pool = make_workers(2);
    Workers& workers = *pool;
    ForwardOptions options{.max_rows = 64, .context = 300};
    const auto forward = *Forward::create(model->config, model->weights, table, workers, options);
    auto cache = *cache::PagedKv::create(model->config.kv_shape(DType::F16, DType::F16), 300);
    cache::PageTable pages = cache.new_table();
    const auto tokens = some_tokens(64, model->config.vocabulary_size);
    const int32_t output = 0;
    const long before = allocations.load();
    REQUIRE(cache.extend(pages, 64));
    const SequenceRows prompt{&pages, 64};
    bool all = forward->run({tokens, {&prompt, 1}, {&output, 1}}, cache).has_value();
    const SequenceRows one{&pages, 1};
    for (int i = 0; i < 200; ++i) {
      cache.extend(pages, 1);
      all = forward->run({std::span(tokens).first(1), {&one, 1}, {&output, 1}}, cache) && all;
    }
    const long after = allocations.load();
    CHECK(all);
    CHECK(after == before);
  }
}

TEST_CASE(
    "A cache of any types is near one in F32, and the same for every batch and thread count") {
  const auto model = *Model::open(stories());
  const auto tokens = some_tokens(150, model->config.vocabulary_size);
  // What the bits of each allow on rows of 8 numbers, of which three quarters of a block are zeros.
  const std::pair<DType, double> limits[] = {
      {DType::F16, 1e-6},  {DType::BF16, 1e-4}, {DType::Q8_0, 1e-4}, {DType::Q5_1, 1e-2},
      {DType::Q5_0, 1e-2}, {DType::Q4_1, 3e-2}, {DType::Q4_0, 5e-2}, {DType::IQ4_NL, 5e-2}};
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    const auto wide = logits(*model, tokens, {.kernels = table});
    for (const auto& [type, limit] : limits) {
      for (const bool rotate : {false, true}) {
        CAPTURE(table->name);
        const std::string which(name(type));
        CAPTURE(which);
        CAPTURE(rotate);
        How how{.kernels = table, .key_type = type, .value_type = type, .rotate = rotate};
        const auto whole = logits(*model, tokens, how);
        CHECK(nmse(whole, wide) < limit);
        CHECK(nmse(whole, wide) > 0);
        how.threads = 3;
        CHECK(logits(*model, tokens, how) == whole);
        if (facts(type).block > 1 && table->byte_caches) {
          // Weights are F32 here, so nothing but attention differs.
          how.exact = true;
          const auto exact = logits(*model, tokens, how);
          CHECK(exact != whole);
          CHECK(nmse(exact, whole) < limit);
          how.exact = false;
        }
        how.key_type = DType::F32;
        const auto values = logits(*model, tokens, how);
        how.key_type = type;
        how.value_type = DType::F32;
        const auto keys = logits(*model, tokens, how);
        for (const auto& one : {keys, values}) {
          CHECK(nmse(one, wide) < limit);
          CHECK(one != whole);
        }
      }
    }
  }
}

TEST_CASE("Rows that are rotated but not rounded give nearly the same logits") {
  const auto model = *Model::open(stories());
  const auto tokens = some_tokens(90, model->config.vocabulary_size);
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    CAPTURE(table->name);
    const auto plain = logits(*model, tokens, {.kernels = table});
    const auto rotated = logits(*model, tokens, {.kernels = table, .rotate = true});
    CHECK(nmse(rotated, plain) < 1e-10);
    CHECK(rotated != plain);  // it did happen
  }
}

TEST_CASE(
    "Quantised weights meet the golden logits: strictly when exact, loosely with 8-bit "
    "activations") {
  for (const char* name :
       {"llama-q4_k_m", "llama-q5_k_m", "llama-q6_k", "llama-q8_0", "llama-q4_0", "llama-yarn"}) {
    const std::string stem = std::string("conformance/arch/") + name;
    if (!have_shared(stem + ".gguf")) return;
    const auto model = *Model::open(shared_path(stem + ".gguf"));
    const auto bytes = read_shared(stem + ".ref.f32");
    std::vector<float> golden(bytes.size() / sizeof(float));
    std::memcpy(golden.data(), bytes.data(), bytes.size());
    // The tokens stand in the description; a list of numbers needs no parser of JSON.
    const auto text = read_shared(stem + ".json");
    std::string description(reinterpret_cast<const char*>(text.data()), text.size());
    description = description.substr(description.find("\"tokens\": ["));
    std::vector<int32_t> tokens;
    for (char* at = description.data() + 11; *at != ']';) {
      tokens.push_back(static_cast<int32_t>(std::strtol(at, &at, 10)));
      while (*at == ',' || *at == '\n' || *at == ' ') ++at;
    }
    REQUIRE(tokens.size() * static_cast<size_t>(model->config.vocabulary_size) == golden.size());
    for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
      for (const int rows : {512, 1}) {
        CAPTURE(name);
        CAPTURE(table->name);
        CAPTURE(rows);
        CHECK(nmse(logits(*model, tokens, {.kernels = table, .rows = rows, .exact = true}),
                   golden) < 1e-9);
        CHECK(nmse(logits(*model, tokens,
                          {.kernels = table,
                           .rows = rows,
                           .key_type = DType::F16,
                           .value_type = DType::F16}),
                   golden) < 6e-3);
      }
    }
  }
}

TEST_CASE("An observer sees what every matrix multiplies, once a batch, and changes nothing") {
  struct Counter final : ProductObserver {
    std::map<std::string, int64_t, std::less<>> rows;
    void see(const Tensor& weights, int expert, const Matrix<const float>& in) override {
      CHECK(expert == -1);
      CHECK(in.columns == weights.columns());
      rows[std::string(weights.name)] += in.rows;
    }
  };
  const auto model = *Model::open(stories());
  const std::vector<int32_t> tokens = some_tokens(20, model->config.vocabulary_size);
  How how{.kernels = *kernels::choose_kernels(), .rows = 8};
  const std::vector<float> alone = logits(*model, tokens, how);
  Counter counter;
  how.observer = &counter;
  CHECK(logits(*model, tokens, how) == alone);
  CHECK(counter.rows.size() == 7 * model->config.layers.size() + 1);
  for (const auto& [name, rows] : counter.rows) {
    const auto& which = name;
    INFO(which);
    CHECK(rows == 20);
  }
}
