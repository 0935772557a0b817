// Networks that read a text: their rows, and what their heads make of them, against the reference.
#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "kernels/dispatch.h"
#include "kernels/tiles_testing.h"
#include "make_workers.h"
#include "model/forward.h"
#include "model/head.h"
#include "model/model.h"
#include "model/testing.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::model;
using nlohmann::json;

namespace {

struct Golden {
  std::unique_ptr<Model> model;
  json facts;
  std::vector<int32_t> tokens;

  explicit Golden(const std::string& name) {
    auto opened = Model::open(shared_path("conformance/arch/" + name + ".gguf"));
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    model = std::move(*opened);
    const auto text = read_shared("conformance/arch/" + name + ".json");
    const auto* begin = reinterpret_cast<const char*>(text.data());
    facts = json::parse(begin, begin + text.size());
    tokens = facts.at("tokens").get<std::vector<int32_t>>();
  }
  std::vector<float> rows(const char* output) const {
    const auto file = facts.at("outputs").at(output).at("ref").get<std::string>();
    const auto bytes = read_shared("conformance/arch/" + file);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  double tolerance(const char* kind) const { return facts.at("tolerance").at(kind).at("nmse"); }
};

// The hidden rows of the sequences of a batch, (rows, embedding).
std::vector<float> hidden(const Golden& golden, const kernels::KernelTable& table,
                          std::vector<std::span<const int32_t>> texts, bool exact) {
  const auto workers = make_workers(2);
  const int count = static_cast<int>(texts.size());
  std::vector<int32_t> tokens, outputs;
  for (const auto& text : texts) tokens.insert(tokens.end(), text.begin(), text.end());
  for (size_t i = 0; i < tokens.size(); ++i) outputs.push_back(static_cast<int32_t>(i));
  const int rows = static_cast<int>(tokens.size());
  ForwardOptions options{.max_rows = rows,
                         .max_sequences = count,
                         .max_outputs = rows,
                         .context = rows,
                         .exact = exact,
                         .hidden = true};
  const Model& model = *golden.model;
  auto forward = *Forward::create(model.config, model.weights, table, *workers, options);
  auto cache = *cache::PagedKv::create(model.config.kv_shape(DType::F32, DType::F32),
                                       rows + int64_t{count} * cache::kPageTokens);
  std::vector<cache::PageTable> tables(texts.size(), cache.new_table());
  std::vector<SequenceRows> sequences;
  for (size_t i = 0; i < texts.size(); ++i) {
    tables[i] = cache.new_table();
    REQUIRE(cache.extend(tables[i], static_cast<int>(texts[i].size())));
    sequences.push_back({&tables[i], static_cast<int>(texts[i].size())});
  }
  const auto out = *forward->run({tokens, sequences, outputs}, cache);
  return {out.data, out.data + out.rows * out.columns};
}

// What the head makes of each row.
std::vector<float> through_head(const Golden& golden, const kernels::KernelTable& table,
                                std::span<const float> rows, bool classifies) {
  const auto workers = make_workers(1);
  const Model& model = *golden.model;
  Head head = *Head::create(model.config, model.weights, table, *workers, classifies);
  const size_t width = static_cast<size_t>(model.config.embedding_length);
  std::vector<float> all;
  for (size_t at = 0; at < rows.size(); at += width) {
    const auto out = head.run(rows.subspan(at, width));
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

constexpr const char* kNames[] = {"bert-mean",   "bert-rerank", "gemma-embedding", "jina-bert-v2",
                                  "modern-bert", "nomic-bert",  "qwen3-embed"};

}  // namespace

TEST_CASE("encoders give the reference's rows on every instruction set") {
  if (!have_shared("conformance/arch")) return;
  for (const char* name : kNames) {
    CAPTURE(name);
    const Golden golden(name);
    const auto expected = golden.rows("tokens");
    for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
      CAPTURE(table->name);
      for (const bool exact : {true, false}) {
        const auto rows = hidden(golden, *table, {golden.tokens}, exact);
        // The reference rounds activations to 8 bits, as kernels do that are not on tiles.
        const double slack = table->tiles != nullptr && !exact ? 2 : 1;
        CHECK(nmse(through_head(golden, *table, rows, false), expected) <
              slack * golden.tolerance(exact ? "strict" : "loose"));
      }
    }
  }
}

TEST_CASE("texts in one batch see nothing of each other") {
  if (!have_shared("conformance/arch")) return;
  const kernels::KernelTable& table = *kernels::available_kernels().back();
  for (const char* name : kNames) {
    CAPTURE(name);
    const Golden golden(name);
    const std::span<const int32_t> all = golden.tokens, start = all.first(17);
    const auto together = hidden(golden, table, {start, all}, true);
    auto apart = hidden(golden, table, {start}, true);
    const auto second = hidden(golden, table, {all}, true);
    apart.insert(apart.end(), second.begin(), second.end());
    CHECK(nmse(together, apart) < 1e-10);
  }
}

TEST_CASE("a classifier's head gives the reference's score") {
  if (!have_shared("conformance/arch")) return;
  const Golden golden("bert-rerank");
  for (const kernels::KernelTable* table : kernels::testing::kernels_and_plain_tiles()) {
    const auto rows = hidden(golden, *table, {golden.tokens}, true);
    const auto width = static_cast<size_t>(golden.model->config.embedding_length);
    CHECK(nmse(through_head(golden, *table, std::span(rows).first(width), true),
               golden.rows("rank")) < golden.tolerance("strict"));
  }
}
