// XXH64 (Yann Collet), seed 0: a 64-bit fingerprint of bytes at memory speed, the number that
// `xxhsum -H1` prints. Against accidents only: whoever wants to can make two files with one
// fingerprint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace issun::gguf {

uint64_t content_hash(std::span<const std::byte> bytes);

}  // namespace issun::gguf
