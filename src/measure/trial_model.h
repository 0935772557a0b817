// A model some of whose tensors are replaced, in memory, by what quantising leaves of them: what a
// choice of types costs, measured on a text against the model as it is.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/runtime.h"
#include "measure/divergence.h"
#include "quantize/trial.h"

namespace issun::measure {

struct TrialText {
  std::string text;
  int64_t tokens = 2048;  // to read at most, as windows evenly spread over the text
  int context = 256;      // tokens of a window, all of which but the first are scored
};

class TrialModel {
 public:
  // Reads the text with the model as it is, in F32 arithmetic throughout. Error: as Runtime::start,
  // a text without a whole window, or memory.
  static Result<std::unique_ptr<TrialModel>> open(const std::string& path, int threads,
                                                  const TrialText& text);

  quantize::Trials& trials() { return *trials_; }
  const BaseLogits& base() const { return *base_; }

  // That tensor of the file in that type from now on; in that of the file: as it was. Error: no
  // matrix that the model multiplies by, or weights that are no numbers.
  Result<void> put(const quantize::PlannedType& planned);
  // Of the model as it is now from that of the file.
  Result<Divergence> measure();

 private:
  TrialModel() = default;
  std::unique_ptr<engine::Runtime> runtime_;
  std::optional<cache::PagedKv> cache_;
  std::optional<quantize::Trials> trials_;
  std::optional<BaseLogits> base_;
  struct Blocks {
    Tensor tensor;
    std::vector<std::byte> bytes;
  };
  std::vector<Tensor> source_;
  std::map<std::string, Blocks, std::less<>> blocks_;  // of tensors put
};

}  // namespace issun::measure
