// Vocabularies, templates and stores for the tests of training data.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "scratch_folder.h"
#include "tokenizer/made_up_vocabulary.h"
#include "train/token_file.h"
#include "train/token_store.h"

namespace issun::train {

constexpr const char* kChatMl =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

// All bytes and the marks of ChatML.
inline const tokenizer::Tokenizer& chat_tokenizer() {
  using tokenizer::TokenKind;
  static const tokenizer::MadeUpVocabulary vocabulary = [] {
    tokenizer::MadeUpVocabulary made = tokenizer::made_up_bpe();
    made.add("<|im_start|>", TokenKind::Control);
    const tokenizer::Token end = made.add("<|im_end|>", TokenKind::Control);
    made.ids.emplace_back("tokenizer.ggml.eot_token_id", end);
    return made;
  }();
  static const tokenizer::Tokenizer tokenizer = [] {
    auto made = tokenizer::Tokenizer::create(vocabulary.metadata());
    REQUIRE_MESSAGE(made, made.error().message);
    return std::move(*made);
  }();
  return tokenizer;
}

// A store of documents of these lengths with the tokens 1, 2, 3, ..., all learnt; whole or not.
inline TokenStore counted_store(const ScratchFolder& scratch, const std::vector<int>& lengths,
                                bool whole = false) {
  const std::string path = scratch.path("counted.tokens");
  auto writer = TokenFileWriter::create(path, 1 << 20);
  REQUIRE(writer);
  for (size_t d = 0; d < lengths.size(); ++d) {
    EncodedDocument document;
    document.whole = whole;
    for (int i = 0; i < lengths[d]; ++i) {
      document.tokens.push_back(static_cast<int32_t>(writer->tokens()) + i + 1);
    }
    document.learnt.assign(document.tokens.size(), 1);
    REQUIRE(writer->add(document, d));
  }
  REQUIRE(writer->finish(1, 2));
  auto store = TokenStore::open(path, 1 << 20);
  REQUIRE_MESSAGE(store, store.error().message);
  return std::move(*store);
}

}  // namespace issun::train
