#include "quantize/mixture.h"

#include <algorithm>
#include <cctype>

#include "quantize/mixture_rules.h"
#include "quantize/plan.h"

namespace issun::quantize {

namespace {

constexpr FileType kFileTypes[] = {
    {"F32", 0, DType::F32},          {"F16", 1, DType::F16},        {"BF16", 32, DType::BF16},
    {"Q8_0", 7, DType::Q8_0},        {"Q4_0", 2, DType::Q4_0},      {"Q4_1", 3, DType::Q4_1},
    {"Q5_0", 8, DType::Q5_0},        {"Q5_1", 9, DType::Q5_1},      {"Q2_K_S", 21, DType::Q2_K},
    {"Q2_K", 10, DType::Q2_K},       {"Q3_K_S", 11, DType::Q3_K},   {"Q3_K_M", 12, DType::Q3_K},
    {"Q3_K_L", 13, DType::Q3_K},     {"Q4_K_S", 14, DType::Q4_K},   {"Q4_K_M", 15, DType::Q4_K},
    {"Q5_K_S", 16, DType::Q5_K},     {"Q5_K_M", 17, DType::Q5_K},   {"Q6_K", 18, DType::Q6_K},
    {"IQ1_S", 24, DType::IQ1_S},     {"IQ1_M", 31, DType::IQ1_M},   {"IQ2_XXS", 19, DType::IQ2_XXS},
    {"IQ2_XS", 20, DType::IQ2_XS},   {"IQ2_S", 28, DType::IQ2_XS},  {"IQ2_M", 29, DType::IQ2_S},
    {"IQ3_XXS", 23, DType::IQ3_XXS}, {"IQ3_XS", 22, DType::IQ3_S},  {"IQ3_S", 26, DType::IQ3_S},
    {"IQ3_M", 27, DType::IQ3_S},     {"IQ4_NL", 25, DType::IQ4_NL}, {"IQ4_XS", 30, DType::IQ4_XS},
    {"TQ1_0", 36, DType::TQ1_0},     {"TQ2_0", 37, DType::TQ2_0},   {"MXFP4_MOE", 38, DType::MXFP4},
    {"NVFP4", 39, DType::NVFP4},     {"Q1_0", 40, DType::Q1_0},     {"Q2_0", 41, DType::Q2_0},
};

// Parts of the names of matrices that are small, or that more than their size hangs on.
constexpr const char* kNeverQuantised[] = {
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool names(const char* list, const char* file_type) {
  return list == nullptr || contains(list, std::string(" ") + file_type + " ");
}

Role role_of(std::string_view name) {
  constexpr struct {
    const char* part;
    Role role;
  } kParts[] = {
      {"attn_qkv.weight", Role::Value},
      {"attn_kv_b.weight", Role::Value},
      {"attn_v.weight", Role::Value},
      {"attn_k.weight", Role::Key},
      {"attn_q.weight", Role::Query},
      {"attn_output.weight", Role::AttentionOutput},
      {"ffn_up", Role::Up},
      {"ffn_gate", Role::Gate},
      {"ffn_down", Role::Down},
  };
  if (name == "output.weight") return Role::Output;
  if (name == "token_embd.weight" || name == "per_layer_token_embd.weight") return Role::Embedding;
  for (const auto& candidate : kParts) {
    if (contains(name, candidate.part)) return candidate.role;
  }
  return Role::Other;
}

bool more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

bool holds(When when, int i, int n, const MixtureFacts& facts) {
  const bool grouped = facts.kv_heads > 0 && facts.heads / facts.kv_heads >= 4;
  switch (when) {
    case When::Always:
      return true;
    case When::FirstEighth:
      return i < n / 8;
    case When::FirstSixteenth:
      return i < n / 16;
    case When::FirstTwo:
      return i < 2;
    case When::FirstFour:
      return i < 4;
    case When::MoreBits:
      return more_bits(i, n);
    case When::Middle:
      return i >= n / 8 && i < 7 * n / 8;
    case When::Grouped:
      return grouped;
    case When::GroupedOrExperts:
      return grouped || facts.experts >= 4;
    case When::WithoutImportance:
      return !facts.importance;
    case When::FirstEighthWithImportance:
      return facts.importance && i < n / 8;
    case When::FirstEighthWithoutImportance:
      return !facts.importance && i < n / 8;
    case When::EightExperts:
      return facts.experts == 8;
    case When::EightExpertsMoreBits:
      return facts.experts == 8 && more_bits(i, n);
  }
  return false;
}

// The choice for one tensor after another.
class Chooser {
 public:
  Chooser(const FileType& file_type, const MixtureFacts& model,
          std::span<const PlannedTensor> tensors)
      : file_type_(file_type), model_(model) {
    for (const PlannedTensor& tensor : tensors) {
      if (!is_quantised(tensor)) continue;
      const Role role = role_of(tensor.name);
      values_ += role == Role::Value ? 1 : 0;
      if (role == Role::Output) tied_ = false;
    }
  }

  DType next(const PlannedTensor& tensor) {
    if (!is_quantised(tensor)) return DType::F32;
    if (facts(file_type_.base).block == 1) return file_type_.base;
    return choose(tensor);
  }

 private:
  DType choose(const PlannedTensor& tensor) {
    Role role = role_of(tensor.name);
    if (role == Role::Embedding && tied_) role = Role::Output;
    if (file_type_.base == DType::MXFP4) {
      return role != Role::Output && tensor.size[2] > 1 ? DType::MXFP4 : DType::Q8_0;
    }
    if (role == Role::Output && tensor.size[0] % facts(file_type_.base).block != 0)
      return DType::Q8_0;
    const int i = index(role, tensor);
    const int n = role == Role::Value ? values_ : model_.layers;
    DType type = role == Role::Output ? DType::Q6_K : file_type_.base;
    for (const Rule& rule : mixture_rules()) {
      if (rule.role != role || !names(rule.file_types, file_type_.name) ||
          !holds(rule.when, i, n, model_))
        continue;
      type = rule.type;
      break;
    }
    return role == Role::Value ? raise_values(type) : type;
  }

  // The values of models with many heads on them, or of few experts, are small and worth more bits.
  DType raise_values(DType type) const {
    if (names(kLow, file_type_.name)) return type;
    if (model_.experts == 8) return DType::Q8_0;
    const bool seventy_billions = model_.layers == 80 && model_.heads != model_.kv_heads;
    return seventy_billions && (type == DType::Q3_K || type == DType::Q4_K) ? DType::Q5_K : type;
  }

  // Which of its role the tensor is: by counting, but by its name where a layer has several
  // (experts). The lowest types count always.
  int index(Role role, const PlannedTensor& tensor) {
    int& seen = seen_[static_cast<size_t>(role)];
    const bool feed_forward = role == Role::Down || role == Role::Gate || role == Role::Up;
    const int counted = seen++;
    return feed_forward && model_.experts > 1 && !names(kLow, file_type_.name)
               ? std::max(0, layer_of(tensor.name))
               : counted;
  }

  const FileType& file_type_;
  const MixtureFacts& model_;
  int values_ = 0;
  bool tied_ = true;
  std::array<int, 10> seen_{};
};

}  // namespace

std::span<const FileType> file_types() { return kFileTypes; }

const FileType* file_type_from_name(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (upper == "Q3_K" || upper == "Q4_K" || upper == "Q5_K") upper += "_M";
  for (const FileType& candidate : kFileTypes) {
    if (upper == candidate.name) return &candidate;
  }
  return nullptr;
}

bool is_quantised(const PlannedTensor& tensor) {
  const std::string_view name = tensor.name;
  if (tensor.size[1] == 1 && tensor.size[2] == 1 && tensor.size[3] == 1) return false;
  if (!name.ends_with("weight")) return false;
  for (const char* part : kNeverQuantised) {
    if (contains(name, part)) return false;
  }
  return name != "position_embd.weight" && name != "token_types.weight";
}

DType fitting_type(DType type, int64_t columns) {
  if (columns % facts(type).block == 0) return type;
  DType smaller = DType::IQ4_NL;
  switch (type) {
    case DType::Q4_K:
      smaller = DType::Q5_0;
      break;
    case DType::Q5_K:
      smaller = DType::Q5_1;
      break;
    case DType::Q6_K:
      smaller = DType::Q8_0;
      break;
    case DType::Q2_K:
    case DType::Q3_K:
    case DType::TQ1_0:
    case DType::TQ2_0:
    case DType::Q2_0:
      smaller = DType::Q4_0;
      break;
    default:
      break;
  }
  return columns % facts(smaller).block == 0 ? smaller : DType::F16;
}

std::vector<DType> wanted_types(const FileType& file_type, const MixtureFacts& facts,
                                std::span<const PlannedTensor> tensors) {
  Chooser chooser(file_type, facts, tensors);
  std::vector<DType> types;
  for (const PlannedTensor& tensor : tensors) types.push_back(chooser.next(tensor));
  return types;
}

std::vector<DType> mixture(const FileType& file_type, const MixtureFacts& facts,
                           std::span<const PlannedTensor> tensors) {
  std::vector<DType> types = wanted_types(file_type, facts, tensors);
  for (size_t i = 0; i < types.size(); ++i) types[i] = fitting_type(types[i], tensors[i].size[0]);
  return types;
}

}  // namespace issun::quantize
