// The half of a layer that is a mixture of experts: a router chooses a few for each token, and the
// tokens that chose the same one go through it together.
#pragma once

#include <span>

#include "model/layer/plan.h"
#include "tensor/tensor.h"

namespace issun::model {

struct MixtureConfig;
struct Norm;
struct Pass;

// For guessing what the next mixtures will choose.
struct AheadRoom {
  std::span<float> rows;      // (kMostGuessedRows, embedding)
  std::span<float> scores;    // (kMostGuessedRows, experts)
  std::span<int32_t> chosen;  // (used)
  std::span<float> shares;    // (used)
  std::span<int32_t> counts;  // (experts)
};
// Batches of more rows are expected to visit all experts.
constexpr int64_t kMostGuessedRows = 256;

// A visit is one token at one expert; each token makes `used` of them. Slots are the visits in
// order of their experts, and of the tokens at each.
struct MixtureRoom {
  std::span<float> scores;       // (max_rows, experts)
  std::span<int32_t> chosen;     // (visits): the expert
  std::span<float> shares;       // (visits): of the token's sum
  std::span<int32_t> slots;      // (visits): where its row lies
  std::span<int32_t> owners;     // (slots): the expert of each
  std::span<int64_t> ends;       // (experts): where the slots of each end
  std::span<int> visited;        // (experts): those that have slots, ascending
  std::span<float> rows;         // (slots, embedding): what goes in, then what comes out
  std::span<float> gate, up;     // (slots, length)
  std::span<float> shared_gate;  // (max_rows)
  std::span<float> bias;         // (experts): of the choice, as experts in memory are favoured
  AheadRoom ahead;
  void plan(Plan& plan);
};

// (rows, embedding) -> (rows, embedding)
void mixture(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out);

// (rows, embedding) -> the same, normed to length 1 but for the gains.
void normed_to_length_1(const Pass& pass, const Norm& gains, const Matrix<float>& in,
                        const Matrix<float>& out);

// Gives each visit a slot, so that the visits to one expert lie together; ends (experts): where
// the slots of each end.
void assign_slots(std::span<const int32_t> chosen, std::span<int64_t> ends,
                  std::span<int32_t> slots);

// The experts of one token and their shares, from its scores, which it may change. A tie goes to
// the expert that stands first. bias (experts, or nullptr) moves the choice alone.
void choose_experts(const MixtureConfig& config, const float* bias, std::span<float> scores,
                    std::span<int32_t> chosen, std::span<float> shares);

}  // namespace issun::model
