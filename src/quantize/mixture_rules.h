// The rules of mixtures as data: which file type gives which tensor another format than its base.
#pragma once

#include <span>

#include "tensor/dtype.h"

namespace issun::quantize {

// What a tensor does in a layer. Value stands for all that holds the values: alone, fused with
// queries and keys, or in the compressed form of latent attention.
enum class Role { Output, Embedding, Query, Key, Value, AttentionOutput, Gate, Up, Down, Other };

// When a rule holds, for tensor i of the n of its role.
enum class When {
  Always,
  FirstEighth,     // i < n/8
  FirstSixteenth,  // i < n/16
  FirstTwo,
  FirstFour,
  MoreBits,  // the first and the last eighth and every third between
  Middle,    // n/8 <= i < 7n/8
  Grouped,   // four query heads or more share a value head
  GroupedOrExperts,
  WithoutImportance,
  FirstEighthWithoutImportance,
  FirstEighthWithImportance,
  EightExperts,
  EightExpertsMoreBits,
};

struct Rule {
  const char* file_types;  // names, each with a space on both sides; nullptr: all
  Role role;
  When when;
  DType type;
};

// File types of about two bits and less, which have rules of their own.
inline constexpr const char* kLow = " IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M ";

// The first that holds decides; where none does it is the base, and Q6_K for an output.
std::span<const Rule> mixture_rules();

}  // namespace issun::quantize
