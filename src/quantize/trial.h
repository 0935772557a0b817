// A tensor in another format without a file: the error it would have, and the blocks themselves.
// What searches for a mixture ask again and again.
#pragma once

#include <memory>
#include <vector>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "quantize/encode.h"
#include "quantize/plan.h"

namespace issun::quantize {

// Sums over the values of a tensor, each square by its column's importance where there is some.
struct TrialError {
  double squares = 0;  // of the values
  double errors = 0;   // of what they are off by
};

class Trials {
 public:
  // Error: no kernels for this machine.
  static Result<Trials> create(Workers& workers);

  // What `planned` loses, from at most `most_rows` of its rows, evenly spread, and scaled up to
  // all. The bits do not depend on the threads. Error: a value that is not finite.
  Result<TrialError> error(const PlannedType& planned, int64_t most_rows);
  // The blocks of the whole tensor, as quantise() writes them. Error: the same.
  Result<std::vector<std::byte>> encode(const PlannedType& planned);

 private:
  Trials(Workers& workers, const kernels::KernelTable& kernels,
         const kernels::SearchTable& searches);
  struct Room {
    std::vector<float> values, again;
    std::vector<std::byte> blocks;
    std::unique_ptr<EncodeScratch> scratch;
  };
  void make_room(const PlannedType& planned);
  const float* read(const PlannedType& planned, int64_t row, Room& room) const;
  Result<void> check(const PlannedType& planned, const std::vector<char>& faults) const;

  Workers& workers_;
  const kernels::KernelTable& kernels_;
  std::unique_ptr<const Encoder> encoder_;
  std::vector<Room> rooms_;  // of each worker
};

}  // namespace issun::quantize
