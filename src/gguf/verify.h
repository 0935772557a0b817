// Checks a whole model file, every byte of it: what open() checks, and that all numbers can be
// computed with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/reader.h"

namespace issun::gguf {

struct Verification {
  struct Part {
    std::string path;
    int64_t bytes = 0;
    uint64_t hash = 0;  // content_hash() of the whole file
  };
  std::vector<Part> parts;
  int64_t tensors = 0, values = 0;
  // One sentence each: "blk.0.attn_q.weight: ...". None: the file is sound.
  std::vector<std::string> findings;
};

// Reads every byte. Error: the file does not open, or becomes shorter meanwhile.
// Finds: tensors with NaN or infinite values or scales, keys with such numbers, padding that is not
// zero, bytes after the last tensor, names that do not print.
Result<Verification> verify(const std::string& path);

}  // namespace issun::gguf
