#include "quantize/importance_gatherer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "base/temporary.h"
#include "gguf/pack.h"
#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/sequence.h"
#include "quantize/importance.h"
#include "quantize/importance_statistics.h"
#include "source_tree.h"

using namespace issun;
using namespace issun::quantize;

namespace {

std::string model_path(const char* name) { return source_path(std::string("models/") + name); }

std::vector<int32_t> some_tokens(int count, int vocabulary) {
  std::vector<int32_t> tokens;
  uint32_t state = 7;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    tokens.push_back(static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(vocabulary)));
  }
  return tokens;
}

void run(const model::Model& model, const std::vector<int32_t>& tokens, int threads, int rows,
         model::ProductObserver* observer, model::Wanted wanted) {
  const auto workers = *Workers::create(threads);
  model::ForwardOptions options;
  options.max_rows = options.max_outputs = rows;
  options.context = static_cast<int64_t>(tokens.size());
  options.exact = true;
  options.observer = observer;
  const auto forward = *model::Forward::create(model.config, model.weights,
                                               **kernels::choose_kernels(), *workers, options);
  auto cache = *cache::PagedKv::create(model.config.kv_shape(DType::F32, DType::F32),
                                       round_up(options.context, cache::kPageTokens), 1);
  model::Sequence sequence(*forward, cache);
  for (size_t t = 0; t < tokens.size(); t += static_cast<size_t>(rows)) {
    const size_t count = std::min(tokens.size() - t, static_cast<size_t>(rows));
    REQUIRE(sequence.append(std::span(tokens).subspan(t, count), wanted));
  }
}

// Every row that every matrix meets, as it is.
struct RowsMet final : model::ProductObserver {
  std::map<std::string, std::vector<std::vector<float>>> met;
  void see(const Tensor& weights, int expert, const Matrix<const float>& in) override {
    const std::string key = fmt::format("{} {}", weights.name, std::max(0, expert));
    for (int64_t r = 0; r < in.rows; ++r) met[key].emplace_back(in.row(r), in.row(r) + in.columns);
  }
};

void expect_equal(const ImportanceSums& a, const ImportanceSums& b) {
  REQUIRE(a.entries.size() == b.entries.size());
  for (const auto& [name, entry] : a.entries) {
    const auto& which = name;
    INFO(which);
    CHECK(entry.squares == b.entries.at(name).squares);
    CHECK(entry.counts == b.entries.at(name).counts);
  }
}

void compare_with_rows(const std::string& path) {
  INFO(path);
  const auto model = *model::Model::open(path);
  const std::vector<int32_t> tokens = some_tokens(40, model->config.vocabulary_size);
  ImportanceGatherer gatherer(model->file.tensors(), true);
  run(*model, tokens, 1, 16, &gatherer, model::Wanted::All);
  RowsMet rows;
  run(*model, tokens, 1, 16, &rows, model::Wanted::All);
  const ImportanceSums sums = gatherer.sums();
  int64_t compared = 0;
  for (const auto& [name, entry] : sums.entries) {
    const auto& which = name;
    INFO(which);
    for (int64_t p = 0; p < entry.parts(); ++p) {
      const auto& met = rows.met[fmt::format("{} {}", name, p)];
      CHECK(entry.counts[static_cast<size_t>(p)] == static_cast<double>(met.size()));
      for (int64_t c = 0; c < entry.columns(); ++c, ++compared) {
        double sum = 0;
        for (const std::vector<float>& row : met)
          sum += std::pow(static_cast<double>(row[static_cast<size_t>(c)]), 2);
        CHECK(entry.squares[static_cast<size_t>(p * entry.columns() + c)] == sum);
      }
    }
  }
  CHECK(compared > 0);
  // What threads and batches change: nothing.
  for (const auto& [threads, batch] : {std::pair(3, 16), std::pair(2, 40)}) {
    ImportanceGatherer again(model->file.tensors(), true);
    run(*model, tokens, threads, batch, &again, model::Wanted::All);
    if (batch == 16) expect_equal(again.sums(), sums);
    for (const auto& [name, entry] : again.sums().entries)
      CHECK(entry.counts == sums.entries.at(name).counts);
  }
}

}  // namespace

TEST_CASE("importance is the sum of squares of what each matrix meets, for any number of threads") {
  compare_with_rows(model_path("stories260K.gguf"));
  compare_with_rows(model_path("issun-moe-38m.gguf"));
}

TEST_CASE("importance of packed experts is that of their stacks") {
  const auto model = *model::Model::open(model_path("issun-moe-38m.gguf"));
  const TemporaryFile file = *TemporaryFile::create("packed.gguf");
  REQUIRE(gguf::pack_experts(model->file, file.path()));
  const auto packed = *model::Model::open(file.path());
  const std::vector<int32_t> tokens = some_tokens(20, model->config.vocabulary_size);
  ImportanceGatherer stacks(model->file.tensors(), false), experts(packed->file.tensors(), false);
  run(*model, tokens, 2, 20, &stacks, model::Wanted::All);
  run(*packed, tokens, 2, 20, &experts, model::Wanted::All);
  expect_equal(experts.sums(), stacks.sums());
}

TEST_CASE("importance of the first layer is what a formula says, and the output is by wish alone") {
  const auto model = *model::Model::open(model_path("stories260K.gguf"));
  const std::vector<int32_t> tokens = some_tokens(24, model->config.vocabulary_size);
  ImportanceGatherer gatherer(model->file.tensors(), false);
  run(*model, tokens, 2, 24, &gatherer, model::Wanted::All);
  const ImportanceSums sums = gatherer.sums();
  CHECK(sums.entries.size() == 7 * model->config.layers.size());
  const auto width = static_cast<size_t>(model->config.embedding_length);
  std::vector<double> expected(width);
  const Tensor& embedding = model->weights.token_embedding;
  const float* gains = model->weights.layers[0].before_mixer.gains.floats();
  for (const int32_t token : tokens) {
    const float* row = reinterpret_cast<const float*>(embedding.row(token));
    double squares = 0;
    for (size_t c = 0; c < width; ++c) squares += static_cast<double>(row[c]) * row[c];
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(width) + model->config.norm_epsilon);
    for (size_t c = 0; c < width; ++c)
      expected[c] += std::pow(row[c] * scale * static_cast<double>(gains[c]), 2);
  }
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}) {
    const ImportanceSums::Entry& entry = sums.entries.at(name);
    CHECK(entry.counts == std::vector<double>{24});
    for (size_t c = 0; c < width; ++c)
      CHECK(entry.squares[c] == doctest::Approx(expected[c]).epsilon(1e-5));
  }
}

namespace {
ImportanceSums made_up() {
  ImportanceSums sums;
  sums.entries["blk.0.ffn_up.weight"] = {{1024, 2048, 0, 0, 7.5, 30}, {512, 0, 3}};
  sums.entries["blk.1.ffn_up.weight"] = {{4, 4}, {2}};
  sums.datasets = {"one", "two"};
  sums.chunks = 3;
  sums.chunk_size = 512;
  return sums;
}
}  // namespace

TEST_CASE("both forms of file are read back as they were written") {
  const ImportanceSums sums = made_up();
  const TemporaryFile file = *TemporaryFile::create("i.gguf");
  REQUIRE(write_importance(sums, ImportanceForm::Gguf, file.path()));
  const ImportanceSums read = *ImportanceSums::open(file.path());
  expect_equal(read, sums);
  CHECK(read.datasets == sums.datasets);
  CHECK(read.chunks == 3);
  CHECK(read.chunk_size == 512);

  const TemporaryFile older = *TemporaryFile::create("i.dat");
  REQUIRE(write_importance(sums, ImportanceForm::Older, older.path()));
  ImportanceSums back = *ImportanceSums::open(older.path());
  CHECK(back.form == ImportanceForm::Older);
  CHECK(back.chunks == 3);
  CHECK(back.datasets == std::vector<std::string>{"two"});
  CHECK(back.entries.at("blk.0.ffn_up.weight").counts == std::vector<double>{1});
  CHECK(back.entries.at("blk.0.ffn_up.weight").squares == std::vector<double>{2, 4, 1, 1, 2.5, 10});
  back.count_rows(512);
  CHECK(back.entries.at("blk.0.ffn_up.weight").counts == std::vector<double>{512});
  const Importance a = *Importance::open(file.path()), b = *Importance::open(older.path());
  for (const auto& [name, entry] : a.entries()) CHECK(b.find(name)->values == entry.values);
}

TEST_CASE("sums of two texts are added, also where one file counts all parts together") {
  ImportanceSums sums = made_up();
  ImportanceSums older;
  older.form = ImportanceForm::Older;
  older.entries["blk.0.ffn_up.weight"] = {{1, 1, 1, 1, 1, 1}, {2}};
  older.datasets = {"two", "three"};
  older.chunks = 2;
  older.count_rows(10);
  REQUIRE(sums.add(older));
  CHECK(sums.entries.at("blk.0.ffn_up.weight").counts == std::vector<double>{532, 20, 23});
  CHECK(sums.entries.at("blk.0.ffn_up.weight").squares ==
        std::vector<double>{1034, 2058, 10, 10, 17.5, 40});
  CHECK(sums.datasets == std::vector<std::string>{"one", "two", "three"});
  CHECK(sums.chunks == 5);
  older.entries["blk.1.ffn_up.weight"] = {{1, 2, 3}, {2}};
  const auto refused = sums.add(older);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("blk.1.ffn_up.weight") != std::string::npos);
}

TEST_CASE("what is no number, or nothing at all, is not written") {
  const TemporaryFile file = *TemporaryFile::create("i.gguf");
  ImportanceSums sums = made_up();
  sums.entries["blk.1.ffn_up.weight"].squares[1] = std::nan("");
  const auto refused = write_importance(sums, ImportanceForm::Gguf, file.path());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("blk.1.ffn_up.weight") != std::string::npos);
  CHECK_FALSE(write_importance({}, ImportanceForm::Gguf, file.path()));
}

TEST_CASE("statistics of a tensor are those of its columns' mean squares") {
  ImportanceSums sums;
  sums.entries["blk.10.a.weight"] = {{8, 8, 16, 0}, {2}};
  sums.entries["blk.9.a.weight"] = {{4, 4, 8, 0}, {1}};
  sums.entries["output.weight"] = {{1, 1}, {1}};
  const std::vector<ImportanceStatistics> all = statistics(sums);
  REQUIRE(all.size() == 3);
  CHECK(all[0].tensor == "blk.9.a.weight");
  CHECK_FALSE(all[0].has_similarity);
  const ImportanceStatistics& a = all[1];
  CHECK(a.tensor == "blk.10.a.weight");
  CHECK(a.sum == 16);
  CHECK(a.mean == 4);
  CHECK(a.most == 8);
  CHECK(a.least == 0);
  CHECK(a.deviation == doctest::Approx(std::sqrt(8.0)));
  CHECK(a.largest_share == 0.5);
  CHECK(a.active == 0.75);
  CHECK(a.entropy == 1.5);
  CHECK(a.evenness == 0.75);
  CHECK(a.outliers == 0.25);
  CHECK(a.similarity == doctest::Approx(1));
  CHECK(all[2].tensor == "output.weight");
  CHECK(all[2].evenness == 1);
}
