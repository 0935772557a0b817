// A set of tokens as bits: bit t % 64 of word t / 64 is token t.
#pragma once

#include <cstdint>
#include <span>

#include "tokenizer/tokenizer.h"

namespace issun::grammar {

inline void allow(std::span<uint64_t> mask, tokenizer::Token token) {
  mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64);
}

}  // namespace issun::grammar
