// A small file through plan and conversion: types, importance of experts, threads, refusals.
#include "quantize/quantise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/temporary.h"
#include "contains.h"
#include "gguf/expert_names.h"
#include "gguf/pack.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "tensor/codec.h"

using namespace issun;
using namespace issun::quantize;

namespace {

constexpr int64_t kColumns = 256, kRows = 6, kExperts = 3;

struct Piece {
  std::string name;
  DType type;
  std::vector<int64_t> size;
  int64_t count() const {
    int64_t n = 1;
    for (const int64_t s : size) n *= s;
    return n;
  }
};

const std::vector<Piece> kModel = {
    {"token_embd.weight", DType::F32, {kColumns, 10}},
    {"blk.1.ffn_down_exps.weight", DType::F32, {kColumns, kRows, kExperts}},
    {"blk.0.ffn_down_exps.weight", DType::F32, {kColumns, kRows, kExperts}},
    {"blk.0.attn_v.weight", DType::BF16, {kColumns, kRows}},
    {"blk.0.attn_k.weight", DType::F16, {kColumns, kRows}},
    {"blk.0.ffn_gate_inp.weight", DType::F32, {kColumns, kExperts}},
    {"blk.0.attn_norm.weight", DType::F32, {kColumns}},
    {"blk.0.ffn_up.weight", DType::F32, {kColumns + 32, kRows}},
    {"blk.0.narrow.weight", DType::F32, {20, kRows}},
};

struct Model {
  TemporaryFile file = *TemporaryFile::create("model.gguf");
  std::map<std::string, std::vector<float>> values;  // as the file has them

  explicit Model(const std::vector<Piece>& pieces = kModel, float wrong = 0) {
    auto writer = *gguf::GgufWriter::create(file.path());
    REQUIRE(writer.set("general.architecture", gguf::make_string("llama")));
    REQUIRE(writer.set("llama.block_count", gguf::make_u32(2)));
    REQUIRE(writer.set("llama.attention.head_count", gguf::make_u32(2)));
    for (const Piece& piece : pieces)
      REQUIRE(writer.add_tensor(piece.name, piece.type, piece.size));
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (const Piece& piece : pieces) {
      std::vector<float>& floats = values[piece.name];
      for (int64_t i = 0; i < piece.count(); ++i) floats.push_back(normal(random));
      if (wrong != 0) floats[static_cast<size_t>(3 * kColumns + 17)] = wrong;
      std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(piece.type, piece.count())));
      encode_row(piece.type, floats.data(), piece.count(), bytes.data());
      decode_row(piece.type, bytes.data(), piece.count(), floats.data());
      REQUIRE(writer.append(bytes));
    }
    REQUIRE(writer.finish());
  }
  gguf::GgufFile open() const { return *gguf::GgufFile::open(file.path()); }
};

PlanOptions options_for(const char* type) {
  PlanOptions options;
  options.file_type = file_type_from_name(type);
  return options;
}

// The importance of the experts' columns: for each expert another half of them counts.
Importance importance_of_experts() {
  std::vector<std::byte> bytes;
  const auto add = [&](const void* data, size_t count) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + count);
  };
  const auto number = [&](int32_t n) { add(&n, 4); };
  const std::string name = "blk.0.ffn_down_exps.weight";
  number(1);
  number(static_cast<int32_t>(name.size()));
  add(name.data(), name.size());
  number(1);
  number(kColumns * kExperts);
  for (int64_t e = 0; e < kExperts; ++e) {
    for (int64_t c = 0; c < kColumns; ++c) {
      const float weight = (c + e) % 3 == 0 ? 100.0f : 1.0f;
      add(&weight, 4);
    }
  }
  return *Importance::parse(bytes, "test.imatrix");
}

struct Done {
  TemporaryFile file = *TemporaryFile::create("out.gguf");
  QuantiseReport report;
};

Done convert(const Model& model, const PlanOptions& options, int threads = 2) {
  Done done;
  const gguf::GgufFile source = model.open();
  const auto plan = make_plan(source, options);
  REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  const auto workers = *Workers::create(threads);
  auto report = quantise(source, *plan, options, {}, done.file.path(), *workers);
  REQUIRE(report.has_value());
  done.report = std::move(*report);
  return done;
}

std::string refusal(const Model& model, const PlanOptions& options) {
  const auto plan = make_plan(model.open(), options);
  REQUIRE_FALSE(plan.has_value());
  return plan.error().message;
}

std::vector<std::byte> bytes_of(const gguf::GgufFile& file, std::string_view name) {
  const Tensor tensor = file.find(name);
  return {tensor.data, tensor.data + tensor.bytes()};
}

}  // namespace

TEST_CASE("tensors get their types, rows that do not fit another one, and the rest stay") {
  const Model model;
  const Done done = convert(model, options_for("Q4_K_M"));
  const gguf::GgufFile file = *gguf::GgufFile::open(done.file.path());
  CHECK(file.find("token_embd.weight").type == DType::Q6_K);
  CHECK(file.find("blk.0.attn_k.weight").type == DType::Q4_K);
  CHECK(file.find("blk.0.attn_norm.weight").type == DType::F32);
  CHECK(file.find("blk.0.ffn_gate_inp.weight").type == DType::F32);
  CHECK(file.find("blk.0.ffn_up.weight").type == DType::Q5_0);
  CHECK(file.find("blk.0.narrow.weight").type == DType::F16);
  CHECK(*file.metadata().require<int64_t>("general.file_type") == 15);
  CHECK(*file.metadata().require<int64_t>("general.quantization_version") == 2);
  const auto source = model.open();
  CHECK(bytes_of(file, "blk.0.attn_norm.weight") == bytes_of(source, "blk.0.attn_norm.weight"));
  REQUIRE(done.report.tensors.size() == kModel.size());
  const TensorReport& up = done.report.tensors[7];
  CHECK(up.name == "blk.0.ffn_up.weight");
  CHECK(up.wanted == DType::Q4_K);
  CHECK(up.to == DType::Q5_0);
}

TEST_CASE("the report tells what a plain loop finds") {
  const Model model;
  const Importance importance = importance_of_experts();
  PlanOptions options = options_for("Q4_K_S");
  options.importance = &importance;
  const Done done = convert(model, options);
  const gguf::GgufFile file = *gguf::GgufFile::open(done.file.path());
  int64_t bytes = 0;
  for (const TensorReport& told : done.report.tensors) {
    CAPTURE(told.name);
    const Tensor tensor = file.find(told.name);
    bytes += tensor.bytes();
    CHECK(told.bytes == tensor.bytes());
    CHECK(told.to == tensor.type);
    const std::vector<float>& values = model.values.at(told.name);
    std::vector<float> again(values.size());
    for (int64_t r = 0; r < tensor.rows(); ++r)
      decode_row(tensor.type, tensor.row(r), tensor.columns(), again.data() + r * tensor.columns());
    double errors = 0, squares = 0, weighted_errors = 0, weighted_squares = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double x = values[i], off = x - static_cast<double>(again[i]);
      const auto e = static_cast<int64_t>(i) / (kColumns * kRows),
                 c = static_cast<int64_t>(i) % kColumns;
      const double w = (c + e) % 3 == 0 ? 100 : 1;
      errors += off * off;
      squares += x * x;
      weighted_errors += w * off * off;
      weighted_squares += w * x * x;
    }
    CHECK(told.relative_error == doctest::Approx(std::sqrt(errors / squares)).epsilon(1e-9));
    CHECK(told.weighted == (told.name == "blk.0.ffn_down_exps.weight"));
    if (told.weighted) {
      CHECK(told.weighted_error == doctest::Approx(std::sqrt(weighted_errors / weighted_squares)));
      CHECK(told.weighted_error < 0.9 * told.relative_error);  // each expert by its own columns
    }
  }
  CHECK(done.report.bytes == bytes);
}

TEST_CASE("any number of threads writes the same bytes") {
  const Model model;
  const Done one = convert(model, options_for("Q3_K_M"), 1),
             many = convert(model, options_for("Q3_K_M"), 5);
  const auto a = *MappedFile::open(one.file.path()), b = *MappedFile::open(many.file.path());
  REQUIRE(a.bytes().size() == b.bytes().size());
  CHECK(std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0);
}

TEST_CASE("layers count by their names, whatever the order of the file") {
  std::vector<Piece> pieces;
  for (const int layer : {15, 3, 0, 9, 1})
    pieces.push_back({fmt::format("blk.{}.ffn_down.weight", layer), DType::F32, {kColumns, 2}});
  const Model model(pieces);
  PlanOptions options = options_for("Q4_K_S");
  const gguf::GgufFile source = model.open();
  const auto plan = *make_plan(source, options);
  // n = block_count = 2: no eighth of it is a layer.
  for (const PlannedType& tensor : plan.tensors) CHECK(tensor.type == DType::Q4_K);
  std::vector<Piece> values;
  for (const int layer : {9, 0, 5, 1, 7, 2})
    values.push_back({fmt::format("blk.{}.attn_v.weight", layer), DType::F32, {kColumns, 2}});
  const Model of_values_alone(values);
  const gguf::GgufFile source_of_values = of_values_alone.open();
  const auto of_values = *make_plan(source_of_values, options);
  for (const PlannedType& tensor : of_values.tensors) {
    const bool among_first_four = !contains(std::string(tensor.tensor.name), ".9.") &&
                                  !contains(std::string(tensor.tensor.name), ".7.");
    CHECK(tensor.type == (among_first_four ? DType::Q5_K : DType::Q4_K));
  }
}

TEST_CASE("rules decide before the mixture, the first that holds") {
  const Model model;
  PlanOptions options = options_for("Q4_K_M");
  options.rules = {{"attn_[kv]", DType::Q8_0}, {"blk\\.0\\.", DType::IQ4_XS}};
  const Done done = convert(model, options);
  const gguf::GgufFile file = *gguf::GgufFile::open(done.file.path());
  CHECK(file.find("blk.0.attn_k.weight").type == DType::Q8_0);
  CHECK(file.find("blk.0.ffn_down_exps.weight").type == DType::IQ4_XS);
  CHECK(file.find("blk.0.ffn_up.weight").type == DType::IQ4_NL);
  CHECK(file.find("blk.0.attn_norm.weight").type == DType::F32);
  CHECK(file.find("blk.1.ffn_down_exps.weight").type == DType::Q6_K);
  options.rules = {{"attn_norm", DType::Q8_0}};
  CHECK(contains(refusal(model, options), "attn_norm"));
  options.rules = {{"attn_(", DType::Q8_0}};
  CHECK(contains(refusal(model, options), "attn_("));
}

TEST_CASE("copies change what rules name, and nothing else") {
  const Model model;
  PlanOptions options;
  options.rules = {{"attn_k", DType::Q8_0}};
  const Done done = convert(model, options);
  const gguf::GgufFile file = *gguf::GgufFile::open(done.file.path()), source = model.open();
  for (const Tensor& tensor : source.tensors()) {
    if (tensor.name == "blk.0.attn_k.weight") continue;
    CHECK(bytes_of(file, tensor.name) == bytes_of(source, tensor.name));
  }
  CHECK_FALSE(file.metadata().has("general.file_type"));
}

TEST_CASE("experts in tensors of their own get the types, the importance and the bytes of stacks") {
  const Model model;
  const TemporaryFile packed = *TemporaryFile::create("packed.gguf");
  REQUIRE(gguf::pack_experts(model.open(), packed.path()));
  const gguf::GgufFile source = *gguf::GgufFile::open(packed.path());
  const Importance importance = importance_of_experts();
  const auto workers = *Workers::create(2);
  for (const char* type : {"Q4_K_M", "Q3_K_L", "MXFP4_MOE", "IQ4_XS"}) {
    CAPTURE(type);
    PlanOptions options = options_for(type);
    options.importance = &importance;
    const Done stacked = convert(model, options);
    const auto plan = make_plan(source, options);
    REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
    const TemporaryFile out = *TemporaryFile::create("out.gguf"),
                        expected = *TemporaryFile::create("expected.gguf");
    REQUIRE(quantise(source, *plan, options, {}, out.path(), *workers));
    REQUIRE(gguf::pack_experts(*gguf::GgufFile::open(stacked.file.path()), expected.path()));
    const auto a = *MappedFile::open(out.path()), b = *MappedFile::open(expected.path());
    REQUIRE(a.bytes().size() == b.bytes().size());
    CHECK(std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0);
  }
  // Types of two bits count tensors: a stack is one of them. Nothing lacks importance here.
  for (const char* type : {"IQ2_XXS", "IQ2_M", "IQ1_S"}) {
    PlanOptions options = options_for(type);
    options.calibrated = true;
    const gguf::GgufFile stacks = model.open();
    const Plan expected = *make_plan(stacks, options), found = *make_plan(source, options);
    for (const PlannedType& tensor : found.tensors) {
      for (const PlannedType& stack : expected.tensors) {
        if (gguf::name_in_stack(tensor.tensor.name) == stack.tensor.name)
          CHECK(tensor.type == stack.type);
      }
    }
  }
}

TEST_CASE("rules are of one expert, or of all by the name of the stack") {
  const Model model;
  const TemporaryFile packed = *TemporaryFile::create("packed.gguf");
  REQUIRE(gguf::pack_experts(model.open(), packed.path()));
  const gguf::GgufFile source = *gguf::GgufFile::open(packed.path());
  PlanOptions options = options_for("Q4_K_S");
  options.rules = {{"blk\\.0\\.ffn_.*\\.1\\.", DType::Q8_0},
                   {"blk.1.ffn_down.2.weight", DType::Q6_K},
                   {"blk.0.ffn_down_exps.weight", DType::Q5_K},
                   {"_exps", DType::Q3_K}};
  const Plan plan = *make_plan(source, options);
  const auto type_of = [&](std::string_view name) {
    for (const PlannedType& tensor : plan.tensors) {
      if (tensor.tensor.name == name) return tensor.type;
    }
    return DType::F32;
  };
  CHECK(type_of("blk.0.ffn_down.0.weight") == DType::Q5_K);
  CHECK(type_of("blk.0.ffn_down.1.weight") == DType::Q8_0);
  CHECK(type_of("blk.0.ffn_down.2.weight") == DType::Q5_K);
  CHECK(type_of("blk.1.ffn_down.1.weight") == DType::Q3_K);
  CHECK(type_of("blk.1.ffn_down.2.weight") == DType::Q6_K);
  CHECK(type_of("blk.0.attn_k.weight") == DType::Q4_K);
  const Importance importance = importance_of_experts();
  CHECK(may_have(source.find("blk.0.ffn_down.2.weight"), DType::IQ2_XXS, &importance));
  CHECK_FALSE(may_have(source.find("blk.1.ffn_down.2.weight"), DType::IQ2_XXS, &importance));
  const ColumnWeights last = *importance.columns_of(source.find("blk.0.ffn_down.2.weight"));
  CHECK(last.parts == 1);
  CHECK(last.values == last.entry->values.data() + 2 * kColumns);
  const Tensor beyond{"blk.0.ffn_down.3.weight", DType::F32, {kColumns, kRows, 1, 1}};
  CHECK(contains(importance.columns_of(beyond).error().message, "more than 3 experts"));
}

TEST_CASE("what would be worthless is refused before anything is written") {
  const Model model;
  CHECK(contains(refusal(model, options_for("IQ2_XXS")), "importance"));
  const Importance importance = importance_of_experts();
  PlanOptions options = options_for("IQ2_XXS");
  options.importance = &importance;
  CHECK(contains(refusal(model, options), "importance"));  // of the other matrices
  options.file_type = file_type_from_name("Q4_K_S");
  CHECK(make_plan(model.open(), options)->without_importance.size() == 4);
  const std::vector<Piece> wider = {
      {"blk.0.ffn_down_exps.weight", DType::F32, {2 * kColumns, kRows, kExperts}}};
  CHECK(contains(refusal(Model(wider), options), "512 columns"));
}

TEST_CASE("a source that is quantised already is taken by wish alone") {
  const Model model({{"blk.0.attn_k.weight", DType::Q8_0, {kColumns, kRows}}});
  PlanOptions options = options_for("Q4_K_M");
  CHECK(contains(refusal(model, options), "--allow-requantize"));
  options.allow_requantize = true;
  CHECK(convert(model, options).report.tensors[0].to == DType::Q4_K);
  CHECK(make_plan(model.open(), options_for("Q8_0")).has_value());  // nothing to convert
}

TEST_CASE("weights that are no numbers are named by row and column, and no file appears") {
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const Model model({{"blk.0.attn_k.weight", DType::F16, {kColumns, kRows}}}, wrong);
    const gguf::GgufFile source = model.open();
    const PlanOptions options = options_for("Q4_K_M");
    const auto plan = *make_plan(source, options);
    const TemporaryFile out = *TemporaryFile::create("out.gguf");
    const auto workers = *Workers::create(3);
    const auto done = quantise(source, plan, options, {}, out.path(), *workers);
    REQUIRE_FALSE(done.has_value());
    CHECK(contains(done.error().message, "blk.0.attn_k.weight"));
    CHECK(contains(done.error().message, "row 3, column 17"));
    CHECK_FALSE(is_file(out.path()));
  }
}
