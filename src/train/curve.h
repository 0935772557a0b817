// Curve: how the loss came down, as a CSV that grows with the training and as a drawing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::train {

struct CurveRow {
  int64_t step = 0;                  // done so far
  int64_t tokens = 0;                // learnt from so far
  double train_loss = 0;             // nats a token, or a pair
  std::optional<double> valid_loss;  // where it was measured
  double learning_rate = 0;
  double gradient_norm = 0;  // before it was clipped
  double tokens_per_second = 0;
  double seconds = 0;  // of training so far
  bool operator==(const CurveRow&) const = default;
};

// The rows of a CSV. A last line that was cut off is left out. Error: a line that is no row, with
// its number.
Result<std::vector<CurveRow>> read_curve(std::string_view csv, const std::string& name);

class Curve {
 public:
  // The curve kept at `path`, without the rows after `resumed_step` (there may be some: training
  // went on after its last checkpoint). 0 begins a new one; a file that is there goes. Error: the
  // disk, or rows that cannot be read.
  static Result<Curve> open(const std::string& path, int64_t resumed_step);

  const std::vector<CurveRow>& rows() const { return rows_; }
  void add(const CurveRow& row) { rows_.push_back(row); }
  // Appends what was added since, to the disk: with each checkpoint. Error: the disk; the next
  // call then writes the whole file anew.
  Result<void> flush();

 private:
  explicit Curve(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::vector<CurveRow> rows_;
  size_t written_ = 0;    // rows in the file
  bool damaged_ = false;  // a write failed half way
};

}  // namespace issun::train
