// What an importance file says of each matrix: how strongly and how evenly its columns are used.
#pragma once

#include <string>
#include <vector>

#include "quantize/importance_file.h"

namespace issun::quantize {

// Of the mean squares of a tensor's columns, those of all its parts together.
struct ImportanceStatistics {
  std::string tensor;
  int64_t columns = 0, parts = 1, unmet = 0;
  double rows = 0;  // that the tensor met, all parts together
  double sum = 0, least = 0, most = 0, mean = 0, deviation = 0;
  double largest_share = 0;     // of one column in the sum
  double active = 0;            // share of the columns above 1e-5
  double entropy = 0;           // bits, of the shares as a distribution
  double evenness = 0;          // the entropy over that of equal columns, 0 to 1
  double outliers = 0;          // share of the columns more than a deviation above the mean
  bool has_similarity = false;  // to the tensor of that name one layer before
  double similarity = 0;        // cosine of both
};

// In the order of layers, tensors of none last; of counts in rows.
std::vector<ImportanceStatistics> statistics(const ImportanceSums& sums);

}  // namespace issun::quantize
