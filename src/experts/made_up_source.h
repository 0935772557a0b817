// A file that is nowhere: its bytes are a function of where they stand, reads take a while, and
// fail when a test wants it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "experts/source.h"

namespace issun::experts {

class MadeUpSource final : public Source {
 public:
  static std::byte byte_at(int file, int64_t offset) {
    const uint64_t mixed = static_cast<uint64_t>(offset + file * 977) * 0x9e3779b97f4a7c15;
    return static_cast<std::byte>(mixed >> 56);
  }

  Result<void> read(int file, int64_t offset, std::span<std::byte> out) override {
    const int number = reads++;
    if (slow) std::this_thread::sleep_for(std::chrono::microseconds(number * 37 % 90));
    if (fail_every > 0 && number % fail_every == fail_every - 1) {
      ++failures;
      return fail("disk: cannot read at {}", offset);
    }
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = byte_at(file, offset + static_cast<int64_t>(i));
    return {};
  }

  std::atomic<int> reads{0}, failures{0};
  std::atomic<int> fail_every{0};
  bool slow = false;
};

}  // namespace issun::experts
