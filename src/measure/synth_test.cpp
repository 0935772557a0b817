#include "measure/synth.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "gguf/reader.h"
#include "measure/random_rows.h"
#include "measure/synthetic_vocabulary.h"
#include "model/model.h"
#include "scratch_folder.h"
#include "shared_data.h"
#include "tensor/codec.h"
#include "tokenizer/tokenizer.h"

using namespace issun;
using namespace issun::measure;

namespace {

constexpr DType kFillable[] = {
    DType::F32,    DType::F16,    DType::BF16,   DType::Q8_0,    DType::Q4_0,  DType::Q4_1,
    DType::Q5_0,   DType::Q5_1,   DType::Q1_0,   DType::Q2_0,    DType::TQ1_0, DType::TQ2_0,
    DType::MXFP4,  DType::NVFP4,  DType::Q2_K,   DType::Q3_K,    DType::Q4_K,  DType::Q5_K,
    DType::Q6_K,   DType::IQ4_NL, DType::IQ4_XS, DType::IQ3_XXS, DType::IQ3_S, DType::IQ2_XXS,
    DType::IQ2_XS, DType::IQ2_S,  DType::IQ1_S,  DType::IQ1_M};

}  // namespace

TEST_CASE("random blocks of every format have the spread they were asked for, and no NaN") {
  constexpr int64_t kColumns = 1024 * 256;
  for (const DType type : kFillable) {
    for (const double deviation : {1.0 / 16, 1.0 / 170}) {
      CAPTURE(std::string(name(type)));
      CAPTURE(deviation);
      std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, kColumns)));
      Random random(7);
      fill_rows(type, deviation, random, row);
      std::vector<float> values(kColumns);
      decode_row(type, row.data(), kColumns, values.data());
      double sum = 0, squares = 0;
      for (const float value : values) {
        REQUIRE(std::isfinite(value));
        sum += value;
        squares += double{value} * value;
      }
      const double mean = sum / kColumns;
      // The jitter of scales adds 1 %, chance 0.5 %, and scales near the end of binary16 round by 1
      // %.
      CHECK(std::abs(std::sqrt(squares / kColumns) / deviation - 1) < 0.03);
      CHECK(std::abs(mean) < 0.02 * deviation);
    }
  }
}

TEST_CASE("a float weight is never zero") {
  for (const DType type : {DType::F32, DType::F16, DType::BF16}) {
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, 1 << 18)));
    Random random(3);
    fill_rows(type, 1.0 / 64, random, row);
    std::vector<float> values(1 << 18);
    decode_row(type, row.data(), 1 << 18, values.data());
    CHECK(std::count(values.begin(), values.end(), 0.0f) == 0);
  }
}

TEST_CASE("the divisors of Llama 3 frequencies leave the fast ones and stretch the slow ones") {
  const std::vector<float> factors = rope_factors(*shape_from_name("llama-3.2-1b"));
  REQUIRE(factors.size() == 32);
  CHECK(factors.front() == 1.0f);
  CHECK(factors.back() == 32.0f);
  CHECK(std::is_sorted(factors.begin(), factors.end()));
  // Pair 16 of 32: frequency 500000^-0.5, wavelength 4442.9, ramp (8192/4442.9 - 1) / 3 = 0.28130.
  CHECK(factors[16] == doctest::Approx(1 / ((1 - 0.28130) / 32 + 0.28130)).epsilon(1e-4));
}

TEST_CASE("the parameters of the public shapes are those of the models") {
  const auto parameters = [](const char* name) {
    int64_t sum = 0;
    for (const quantize::PlannedTensor& tensor : planned_tensors(*shape_from_name(name))) {
      if (tensor.name != "rope_freqs.weight") {
        sum += tensor.size[0] * tensor.size[1] * tensor.size[2];
      }
    }
    return sum;
  };
  CHECK(parameters("llama-3.2-1b") == 1'235'814'400);
  CHECK(parameters("llama-3.2-3b") == 3'212'749'824);
  CHECK(parameters("llama-3.1-8b") == 8'030'261'248);
  CHECK(parameters("llama-3.1-70b") == 70'553'706'496);
  CHECK(parameters("phi-3-mini") == 3'821'079'552);
  CHECK(parameters("qwen2.5-0.5b") == 494'032'768);
  CHECK(parameters("qwen3-0.6b") == 596'049'920);
  CHECK(parameters("gemma-3-1b") == 999'885'952);
  CHECK(parameters("mixtral-8x7b") == 46'702'792'704);
  CHECK(parameters("olmoe-1b-7b") == 6'919'161'856);
  CHECK(parameters("qwen3-30b-a3b") == 30'532'122'624);
}

TEST_CASE(
    "a vocabulary has every token once, and a merge for each that is no byte and not special") {
  for (const int size : {512, 1024, 32000, 128256}) {
    CAPTURE(size);
    const auto vocabulary = make_vocabulary(size);
    REQUIRE(vocabulary.has_value());
    const std::set<std::string> texts(vocabulary->tokens.begin(), vocabulary->tokens.end());
    CHECK(texts.size() == static_cast<size_t>(size));
    CHECK(vocabulary->tokens.size() == static_cast<size_t>(size));
    CHECK(vocabulary->kinds.size() == static_cast<size_t>(size));
    CHECK(vocabulary->merges.size() == static_cast<size_t>(size - 512));
    CHECK(vocabulary->tokens[static_cast<size_t>(vocabulary->bos)] == "<|begin_of_text|>");
    CHECK(vocabulary->tokens[static_cast<size_t>(vocabulary->eos)] == "<|eot_id|>");
    for (size_t i = 0; i < vocabulary->merges.size(); ++i) {
      const std::string& merge = vocabulary->merges[i];
      const size_t space = merge.find(' ');
      REQUIRE(texts.count(merge.substr(0, space)) == 1);
      REQUIRE(texts.count(merge.substr(space + 1)) == 1);
      REQUIRE(merge.substr(0, space) + merge.substr(space + 1) == vocabulary->tokens[256 + i]);
    }
  }
  CHECK_FALSE(make_vocabulary(511).has_value());
  CHECK_FALSE(make_vocabulary(1'000'000).has_value());
}

TEST_CASE(
    "a synthetic file opens, has the types of its mixture, and its tokenizer gives text back") {
  const ScratchFolder folder;
  const std::string path = folder.path("synth.gguf");
  const Shape& shape = *shape_from_name("tiny");
  for (const char* type :
       {"F32",   "F16",     "BF16",      "Q8_0",   "Q4_0",    "Q4_1",   "Q5_0",   "Q5_1",
        "Q2_K",  "Q3_K_M",  "Q4_K_S",    "Q4_K_M", "Q5_K_S",  "Q5_K_M", "Q6_K",   "IQ1_S",
        "IQ1_M", "IQ2_XXS", "IQ2_XS",    "IQ2_M",  "IQ3_XXS", "IQ3_S",  "IQ4_NL", "IQ4_XS",
        "TQ1_0", "TQ2_0",   "MXFP4_MOE", "NVFP4",  "Q1_0",    "Q2_0"}) {
    CAPTURE(type);
    const quantize::FileType& file_type = *quantize::file_type_from_name(type);
    const auto report = write_synthetic(shape, file_type, path);
    REQUIRE_MESSAGE(report.has_value(), report.error().message);
    const auto opened = gguf::GgufFile::open(path);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    CHECK(opened->data_bytes() == report->weight_bytes);
    const auto planned = planned_tensors(shape);
    const auto types = quantize::mixture(file_type, mixture_facts(shape), planned);
    REQUIRE(opened->tensors().size() == planned.size());
    for (size_t i = 0; i < planned.size(); ++i) {
      CHECK(opened->tensors()[i].name == planned[i].name);
      CHECK(opened->tensors()[i].type == types[i]);
      CHECK(opened->tensors()[i].size == planned[i].size);
    }
    const auto tokenizer = tokenizer::Tokenizer::create(opened->metadata());
    REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message);
    const std::string text = "The tale of one inch, 一寸法師.\n";
    const auto tokens = tokenizer->encode(text);
    REQUIRE(tokens.has_value());
    CHECK(tokens->front() == tokenizer->bos());
    CHECK(tokenizer->decode(*tokens, false) == text);
  }
}

TEST_CASE("the same seed makes the same file, another seed another") {
  const ScratchFolder folder;
  const std::string first = folder.path("1.gguf"), again = folder.path("2.gguf"),
                    other = folder.path("3.gguf");
  const Shape& shape = *shape_from_name("tiny");
  const quantize::FileType& type = *quantize::file_type_from_name("Q4_K_M");
  REQUIRE(write_synthetic(shape, type, first, {.seed = 5, .progress = {}}).has_value());
  REQUIRE(write_synthetic(shape, type, again, {.seed = 5, .progress = {}}).has_value());
  REQUIRE(write_synthetic(shape, type, other, {.seed = 6, .progress = {}}).has_value());
  CHECK(read_text(first).value() == read_text(again).value());
  CHECK(read_text(first).value() != read_text(other).value());
}

TEST_CASE("an expert shape opens as a model, and its tensors are those it asks for") {
  const ScratchFolder folder;
  const std::string path = folder.path("synth-moe.gguf");
  for (const char* type : {"F32", "Q8_0", "Q4_K_M"}) {
    CAPTURE(type);
    const auto report =
        write_synthetic(*shape_from_name("tiny-moe"), *quantize::file_type_from_name(type), path);
    REQUIRE_MESSAGE(report.has_value(), report.error().message);
    const auto opened = model::Model::open(path);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    for (const auto& layer : (*opened)->config.layers) CHECK(layer.mixture.experts == 8);
  }
}
