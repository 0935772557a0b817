// For the fuzzers of vocabularies: what was read has to make a tokenizer, or be refused by it.
#pragma once

#include "import/vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace issun::import {

inline void encode_made(const Vocabulary& vocabulary) {
  if (vocabulary.kinds.size() != vocabulary.tokens.size()) __builtin_trap();
  if (!vocabulary.scores.empty() && vocabulary.scores.size() != vocabulary.tokens.size()) {
    __builtin_trap();
  }
  for (const auto& [role, id] : vocabulary.ids) {
    if (id < 0 || static_cast<size_t>(id) >= vocabulary.tokens.size()) __builtin_trap();
  }
  Keys keys("llama");
  set_vocabulary_keys(vocabulary, keys);
  const gguf::Metadata metadata = keys.metadata();
  const auto tokenizer = tokenizer::Tokenizer::create(metadata);
  if (tokenizer) (void)tokenizer->encode("Hello <s> wörld 123");
}

}  // namespace issun::import
