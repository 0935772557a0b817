#include "quantize/method.h"

#include <array>

#include "base/check.h"
#include "quantize/grid.h"
#include "quantize/hqq.h"
#include "tensor/codec.h"

namespace issun::quantize {

std::span<const MethodFacts> methods() {
  static constexpr std::array<MethodFacts, 5> kMethods = {{
      {"rtn", Method::Rtn, false, false},
      {"search", Method::Search, false, true},
      {"hqq", Method::Hqq, false, false},
      {"gptq", Method::Gptq, true, true},
      {"awq", Method::Awq, true, true},
  }};
  return kMethods;
}

const MethodFacts& facts(Method method) {
  for (const MethodFacts& found : methods()) {
    if (found.method == method) return found;
  }
  CHECK_THAT(false);
}

std::string why_not(Method method, DType type) {
  if (issun::facts(type).block == 1) return "";
  if (method == Method::Rtn && !can_encode(type)) return "there is no plain encoder of that format";
  if (method == Method::Hqq && !has_zero_point(type)) {
    return "half-quadratic quantisation moves zero points, which Q4_1, Q5_1, Q2_K, Q4_K and Q5_K "
           "alone have";
  }
  if (method == Method::Gptq && !has_grid(type))
    return "its codes are signs alone: there is nothing to feed errors back into";
  return "";
}

}  // namespace issun::quantize
