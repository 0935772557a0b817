// Names of the matrices of a mixture's experts, which stand in files in two forms: a stack of all
// experts of a layer (blk.3.ffn_up_exps.weight), or a tensor for each (blk.3.ffn_up.7.weight).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace issun::gguf {

struct ExpertName {
  static constexpr int kAll = -1;

  int layer = 0;
  std::string_view part;  // ffn_gate, ffn_up, ffn_gate_up (one above the other) or ffn_down
  int expert = kAll;      // kAll: the stack

  std::string in_stack() const;
  std::string alone(int number) const;
};

// The parts as an expert has them, one behind the other.
inline constexpr std::string_view kExpertParts[] = {"ffn_gate", "ffn_up", "ffn_gate_up",
                                                    "ffn_down"};

// nullopt where the tensor is no matrix of experts, or one of the shared ones.
std::optional<ExpertName> expert_name(std::string_view tensor);

// The stack's name where the tensor is one expert's own, so that both forms go by one name; its own
// otherwise.
std::string name_in_stack(std::string_view tensor);

}  // namespace issun::gguf
