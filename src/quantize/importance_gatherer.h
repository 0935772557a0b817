// Sums of squares of what each column of a model's matrices meets while it reads a text: the
// importance that encoders weigh by.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/observer.h"
#include "quantize/importance_file.h"

namespace issun::quantize {

class ImportanceGatherer final : public model::ProductObserver {
 public:
  // tensors: of the model's file, which outlives this. with_output: also the output matrix, which
  // may be the embedding's. Experts in tensors of their own are told as the stack that they would
  // be, so that the importance is that of the model and not of its layout.
  ImportanceGatherer(std::span<const Tensor> tensors, bool with_output);

  // Rows count once for a tensor, however many of its slices read them.
  void see(const Tensor& weights, int expert, const Matrix<const float>& rows) override;

  // Of all that was seen so far: in double, column by column in the order of the rows. Tensors that
  // met nothing are not among them.
  ImportanceSums sums() const;

 private:
  struct Seen {
    std::vector<const std::byte*> parts;  // where each matrix begins
    ImportanceSums::Entry sums;           // empty before the first row
  };
  std::map<std::string, Seen, std::less<>> tensors_;
};

}  // namespace issun::quantize
