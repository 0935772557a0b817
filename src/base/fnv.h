// FNV-1a of 64 bits (Fowler, Noll, Vo): tells byte strings apart; no protection against an
// adversary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace issun {

constexpr uint64_t kFnvStart = 0xcbf29ce484222325;

// Goes on from `hash` with these bytes.
inline uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t hash = kFnvStart) {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  return hash;
}

}  // namespace issun
