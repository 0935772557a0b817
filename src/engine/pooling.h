// From the vectors of tokens to that of a text.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"
#include "tensor/tensor.h"

namespace issun::engine {

// The mean of the rows, the first, or the last; at least one row.
std::vector<float> pool(model::Pooling pooling, const Matrix<const float>& rows);

// sum += factor * vector
void add_scaled(std::span<const float> vector, float factor, std::span<float> sum);
void divide(std::span<float> vector, float by);
// To length 1; a vector of zeros stays one.
void normalise(std::span<float> vector);

}  // namespace issun::engine
