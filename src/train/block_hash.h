// A fingerprint of bytes that arrive in pieces: XXH64 of each MiB, chained. How they were cut into
// pieces does not matter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gguf/content_hash.h"

namespace issun::train {

class BlockHash {
 public:
  void add(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (block_.empty() && bytes.size() >= kBlock) {
        chain(bytes.first(kBlock));  // straight from where they lie
        bytes = bytes.subspan(kBlock);
        continue;
      }
      const size_t taken = std::min(bytes.size(), kBlock - block_.size());
      block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (block_.size() == kBlock) {
        chain(block_);
        block_.clear();
      }
    }
  }
  uint64_t value() const {
    BlockHash ended = *this;
    ended.chain(ended.block_);
    return ended.chain_;
  }

 private:
  static constexpr size_t kBlock = 1 << 20;
  void chain(std::span<const std::byte> block) {
    const uint64_t link[2] = {chain_, gguf::content_hash(block)};
    chain_ = gguf::content_hash(std::as_bytes(std::span(link)));
  }
  std::vector<std::byte> block_;  // what does not fill a block yet
  uint64_t chain_ = 0;
};

}  // namespace issun::train
