// The ways from floats to the codes of a format.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace issun::quantize {

enum class Method {
  Rtn,     // rounded to nearest, scales from the block's extremes, as the plain codec does
  Search,  // the least squared error of a block, by importance where it is known
  Hqq,     // half-quadratic: smallest values that mind outliers less; no data
  Gptq,    // errors fed back into columns not yet rounded, by a calibration text
  Awq,     // columns stretched before a search, by a calibration text
};

struct MethodFacts {
  const char* name;
  Method method;
  bool needs_calibration;  // others refuse it, but for `search`, which takes importance from it
  bool takes_importance;
};
std::span<const MethodFacts> methods();
const MethodFacts& facts(Method method);

// Empty, or why a method cannot write a format.
std::string why_not(Method method, DType type);

}  // namespace issun::quantize
