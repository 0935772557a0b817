// What the tests of tokenizers share.
#pragma once

#include <doctest/doctest.h>

#include <utility>

#include "gguf/metadata.h"
#include "tokenizer/tokenizer.h"

namespace issun::tokenizer {

// The text alone.
constexpr EncodeOptions kPlain = {.add_special = false, .parse_special = false};

inline Tokenizer create(const gguf::Metadata& metadata) {
  auto tokenizer = Tokenizer::create(metadata);
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message);
  return std::move(*tokenizer);
}

}  // namespace issun::tokenizer
