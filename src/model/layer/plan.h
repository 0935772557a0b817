// What a part of a layer is told when it plans its room.
#pragma once

#include <algorithm>

#include "kernels/linear.h"
#include "model/layout.h"

namespace issun::model {

struct ModelConfig;
struct ForwardOptions;

struct Plan {
  const ModelConfig& config;
  const kernels::KernelTable& kernels;
  const ForwardOptions& options;
  int workers;
  Layout& layout;
  int64_t prepared_bytes = 0;  // of the largest input of any product

  // A product will read `rows` rows of `columns`.
  void widest_input(int64_t rows, int64_t columns) {
    prepared_bytes = std::max(prepared_bytes, rows * kernels::prepared_bytes(kernels, columns));
  }
};

}  // namespace issun::model
