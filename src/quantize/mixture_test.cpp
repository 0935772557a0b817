#include "quantize/mixture.h"

#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "shared_data.h"

using namespace issun;
using namespace issun::quantize;

namespace {

// What a recorded model consists of: enough of its tensors' names and row lengths to apply the
// rules to.
struct RecordedModel {
  const char* file;
  MixtureFacts facts;
  int64_t embedding;
  bool tied;
  std::function<void(int layer, std::vector<PlannedTensor>&)> add_layer;
};

void add(std::vector<PlannedTensor>& tensors, int layer, const char* name, int64_t columns,
         int64_t experts = 1) {
  tensors.push_back({fmt::format("blk.{}.{}.weight", layer, name), {columns, 64, experts, 1}});
}

void add_attention(std::vector<PlannedTensor>& tensors, int layer, int64_t embedding,
                   int64_t attended) {
  add(tensors, layer, "attn_q", embedding);
  add(tensors, layer, "attn_k", embedding);
  add(tensors, layer, "attn_v", embedding);
  add(tensors, layer, "attn_output", attended);
}

auto dense(int64_t embedding, int64_t attended, int64_t hidden) {
  return [=](int layer, std::vector<PlannedTensor>& tensors) {
    tensors.push_back({fmt::format("blk.{}.attn_norm.weight", layer), {embedding, 1, 1, 1}});
    add_attention(tensors, layer, embedding, attended);
    add(tensors, layer, "ffn_gate", embedding);
    add(tensors, layer, "ffn_up", embedding);
    add(tensors, layer, "ffn_down", hidden);
  };
}

void add_experts(std::vector<PlannedTensor>& tensors, int layer, int64_t embedding, int64_t hidden,
                 int64_t experts) {
  add(tensors, layer, "ffn_gate_inp", embedding);
  add(tensors, layer, "ffn_gate_exps", embedding, experts);
  add(tensors, layer, "ffn_up_exps", embedding, experts);
  add(tensors, layer, "ffn_down_exps", hidden, experts);
}

void add_shared_expert(std::vector<PlannedTensor>& tensors, int layer, int64_t embedding,
                       int64_t hidden) {
  add(tensors, layer, "ffn_gate_shexp", embedding);
  add(tensors, layer, "ffn_up_shexp", embedding);
  add(tensors, layer, "ffn_down_shexp", hidden);
}

void gpt_oss_layer(int layer, std::vector<PlannedTensor>& tensors) {
  add_attention(tensors, layer, 2880, 4096);
  add_experts(tensors, layer, 2880, 2880, 128);
}

// A dense first layer, then experts beside a shared one; rows of 1408 do not divide into blocks of
// 256.
void glm_layer(int layer, std::vector<PlannedTensor>& tensors) {
  if (layer == 0) return dense(4096, 12288, 10944)(layer, tensors);
  add_attention(tensors, layer, 4096, 12288);
  add_experts(tensors, layer, 4096, 1408, 128);
  add_shared_expert(tensors, layer, 4096, 1408);
}

// Every fourth layer attends; the others hold their values in a fused tensor.
void qwen3_next_layer(int layer, std::vector<PlannedTensor>& tensors) {
  if (layer % 4 == 3) {
    add_attention(tensors, layer, 2048, 4096);
  } else {
    add(tensors, layer, "attn_qkv", 2048);
    add(tensors, layer, "attn_gate", 2048);
    add(tensors, layer, "ssm_conv1d", 4);
    add(tensors, layer, "ssm_ba", 2048);
    add(tensors, layer, "ssm_out", 4096);
  }
  add_experts(tensors, layer, 2048, 512, 512);
  add_shared_expert(tensors, layer, 2048, 512);
}

const RecordedModel kModels[] = {
    {"meta-llama-3.1-70b-instruct", {80, 64, 8, 0}, 8192, false, dense(8192, 8192, 28672)},
    {"qwen3-0.6b", {28, 16, 8, 0}, 1024, false, dense(1024, 2048, 3072)},
    {"qwen3-14b", {40, 40, 8, 0}, 5120, false, dense(5120, 5120, 17408)},
    {"gemma-3-4b-it", {34, 8, 4, 0}, 2560, true, dense(2560, 2048, 10240)},
    {"gpt-oss-120b", {36, 64, 8, 128}, 2880, false, gpt_oss_layer},
    {"glm-4.6v", {46, 96, 8, 128}, 4096, false, glm_layer},
    {"qwen3-coder-next", {48, 16, 2, 512}, 2048, false, qwen3_next_layer},
};

std::vector<PlannedTensor> tensors_of(const RecordedModel& model) {
  std::vector<PlannedTensor> tensors = {{"token_embd.weight", {model.embedding, 1000, 1, 1}}};
  if (!model.tied) tensors.push_back({"output.weight", {model.embedding, 1000, 1, 1}});
  for (int l = 0; l < model.facts.layers; ++l) model.add_layer(l, tensors);
  return tensors;
}

// One "[Q4_K_M] q4_K" of a record, with the lines that follow: tensors of other types than the
// base.
struct Section {
  std::string file_type, base;
  std::map<std::string, std::string> others;
};

std::vector<Section> read_record(const std::string& path) {
  std::ifstream file(path);
  std::vector<Section> sections;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, second;
    words >> first >> second;
    if (first.empty() || first[0] == '#') continue;
    if (first[0] == '[') {
      sections.push_back({first.substr(1, first.size() - 2), second, {}});
    } else {
      sections.back().others[first] = second;
    }
  }
  return sections;
}

bool same_type(const std::string& recorded, DType type) {
  return dtype_from_name(recorded) == type;
}

}  // namespace

TEST_CASE("mixtures equal the recorded choices of the most used quantiser, tensor by tensor") {
  if (!have_shared("data/conformance/quant-schema")) return;
  for (const RecordedModel& model : kModels) {
    const std::string path =
        shared_path(fmt::format("data/conformance/quant-schema/{}.schema", model.file));
    const std::vector<PlannedTensor> tensors = tensors_of(model);
    const std::vector<Section> sections = read_record(path);
    REQUIRE(sections.size() > 30);
    for (const Section& section : sections) {
      const FileType* file_type = file_type_from_name(section.file_type);
      REQUIRE_MESSAGE(file_type != nullptr, section.file_type);
      CHECK_MESSAGE(same_type(section.base, file_type->base), section.file_type);
      const std::vector<DType> types = mixture(*file_type, model.facts, tensors);
      size_t met = 0;
      for (size_t i = 0; i < tensors.size(); ++i) {
        if (!is_quantised(tensors[i])) continue;
        const auto other = section.others.find(tensors[i].name);
        met += other != section.others.end() ? 1 : 0;
        const std::string& expected = other != section.others.end() ? other->second : section.base;
        CHECK_MESSAGE(same_type(expected, types[i]),
                      model.file << " " << section.file_type << " " << tensors[i].name
                                 << ": expected " << expected << ", found " << name(types[i]));
      }
      CHECK_MESSAGE(met == section.others.size(), model.file << " " << section.file_type);
    }
  }
}

TEST_CASE("models of eight experts give their attention more bits") {
  std::vector<PlannedTensor> tensors;
  add_attention(tensors, 0, 4096, 4096);
  const auto types = mixture(*file_type_from_name("Q4_K_M"), {32, 32, 8, 8}, tensors);
  CHECK(types == std::vector<DType>{DType::Q4_K, DType::Q8_0, DType::Q8_0, DType::Q5_K});
  const auto large = mixture(*file_type_from_name("Q3_K_L"), {32, 32, 8, 8}, tensors);
  CHECK(large == std::vector<DType>{DType::Q3_K, DType::Q8_0, DType::Q8_0, DType::Q3_K});
}

TEST_CASE("rows that no block divides stay in F16") {
  const std::vector<PlannedTensor> tensors = {{"output.weight", {172, 64, 1, 1}},
                                              {"blk.0.ffn_down.weight", {172, 64, 1, 1}},
                                              {"blk.0.ffn_up.weight", {64, 172, 1, 1}},
                                              {"blk.0.ffn_norm.weight", {64, 1, 1, 1}}};
  const auto types = mixture(*file_type_from_name("q4_k"), {8, 8, 4, 0}, tensors);
  CHECK(types == std::vector<DType>{DType::F16, DType::F16, DType::Q5_0, DType::F32});
}

TEST_CASE("importance changes the first layers of the plain formats") {
  std::vector<PlannedTensor> tensors;
  for (int l = 0; l < 16; ++l) add(tensors, l, "ffn_down", 4096);
  const auto types = mixture(*file_type_from_name("Q4_0"), {16, 32, 8, 0, true}, tensors);
  CHECK(types[1] == DType::Q4_1);
  CHECK(types[2] == DType::Q4_0);
  CHECK(mixture(*file_type_from_name("Q4_0"), {16, 32, 8, 0, false}, tensors)[1] == DType::Q4_0);
}

TEST_CASE("a file type that does not exist has no mixture") {
  CHECK(file_type_from_name("Q9_K") == nullptr);
  CHECK(file_type_from_name("") == nullptr);
}
