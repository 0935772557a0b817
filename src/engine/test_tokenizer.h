// A tiny vocabulary for tests: <unk>, <s>, </s>, then one token for each of the characters a to z.
#pragma once

#include <string>

#include "base/check.h"
#include "tokenizer/made_up_vocabulary.h"

namespace issun::engine {

constexpr int kTestVocabulary = 29;
constexpr int32_t kTestEnd = 2;

inline tokenizer::Tokenizer test_tokenizer() {
  using tokenizer::TokenKind;
  static const tokenizer::MadeUpVocabulary vocabulary = [] {
    tokenizer::MadeUpVocabulary made;
    made.model = "llama";
    made.add("<unk>", TokenKind::Unknown);
    made.add("<s>", TokenKind::Control);
    made.add("</s>", TokenKind::Control);
    for (char letter = 'a'; letter <= 'z'; ++letter)
      made.add(std::string(1, letter), TokenKind::Normal, -1);
    made.ids = {{"tokenizer.ggml.bos_token_id", 1}, {"tokenizer.ggml.eos_token_id", kTestEnd}};
    return made;
  }();
  auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  CHECK_THAT(tokenizer.has_value());
  return std::move(*tokenizer);
}

}  // namespace issun::engine
