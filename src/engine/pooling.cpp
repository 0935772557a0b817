#include "engine/pooling.h"

#include <cmath>

namespace issun::engine {

std::vector<float> pool(model::Pooling pooling, const Matrix<const float>& rows) {
  const auto width = static_cast<size_t>(rows.columns);
  if (pooling != model::Pooling::Mean) {
    const float* row = rows.row(pooling == model::Pooling::Last ? rows.rows - 1 : 0);
    return {row, row + width};
  }
  std::vector<double> sums(width);
  for (int64_t t = 0; t < rows.rows; ++t) {
    for (size_t c = 0; c < width; ++c) sums[c] += rows.row(t)[c];
  }
  std::vector<float> mean;
  mean.reserve(width);
  for (const double sum : sums) {
    mean.push_back(static_cast<float>(sum / static_cast<double>(rows.rows)));
  }
  return mean;
}

void add_scaled(std::span<const float> vector, float factor, std::span<float> sum) {
  for (size_t c = 0; c < sum.size(); ++c) sum[c] += factor * vector[c];
}

void divide(std::span<float> vector, float by) {
  for (float& x : vector) x /= by;
}

void normalise(std::span<float> vector) {
  double square = 0;
  for (const float x : vector) square += double{x} * x;
  if (square > 0) divide(vector, static_cast<float>(std::sqrt(square)));
}

}  // namespace issun::engine
