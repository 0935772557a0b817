// A model without layers: a row for each token, of which a text's vector is the mean.
// Source: Model2Vec, github.com/MinishLab/model2vec (README, "How it works").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "safetensors/file.h"
#include "tokenizer/vocabulary.h"

namespace issun::model {

struct StaticTable {
  safetensors::StoredTensor rows;  // (rows, width), seen in place
  std::vector<float> weights;      // of each token; empty: all 1
  std::vector<int32_t> row_of;     // of each token; empty: its own
  bool normalised = true;          // the vector of a text has length 1

  int width() const { return static_cast<int>(rows.columns()); }
  int tokens() const {
    return static_cast<int>(row_of.empty() ? rows.rows() : static_cast<int64_t>(row_of.size()));
  }
  // The row of a token below tokens(), times its weight; out holds width().
  void read(tokenizer::Token token, std::span<float> out) const;

  // From the tensors "embeddings" (or what other programs call them), "weights" and "mapping" of a
  // file that outlives the result. Error: no table, a tensor that is none of these, another shape,
  // numbers of another kind, a row that is not there.
  static Result<StaticTable> read_from(const safetensors::SafetensorsFile& file);
};

}  // namespace issun::model
