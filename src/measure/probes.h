// What a search measured, kept in a file while it goes on: a search that was ended, or one with
// another goal, need not measure it again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "tensor/dtype.h"

namespace issun::measure {

class Probes {
 public:
  // path: empty, nothing is kept. identity: of what was measured with. Error: a file that is none,
  // or of another identity.
  static Result<Probes> open(const std::string& path, uint64_t identity);

  std::optional<double> find(const std::string& tensor, DType type) const;
  // Writes it at once.
  Result<void> add(const std::string& tensor, DType type, double divergence);

 private:
  std::string path_;
  uint64_t identity_ = 0;
  std::map<std::string, double> values_;  // by "TENSOR TYPE"
};

}  // namespace issun::measure
