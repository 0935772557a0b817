// Vocabularies, templates and stores for the tests of training data.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "scratch_folder.h"
#include "tokenizer/made_up_vocabulary.h"
#include "train/split.h"
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

// A store of these documents, whose tokens become 1, 2, 3, ...
inline TokenStore numbered_store(const ScratchFolder& scratch,
                                 std::vector<EncodedDocument> documents) {
  const std::string path = scratch.path("numbered.tokens");
  auto writer = TokenFileWriter::create(path, 1 << 20);
  REQUIRE(writer);
  int32_t token = 0;
  for (size_t d = 0; d < documents.size(); ++d) {
    for (tokenizer::Token& t : documents[d].tokens) t = ++token;
    REQUIRE(writer->add(documents[d], d));
  }
  REQUIRE(writer->finish(1, 2));
  auto store = TokenStore::open(path, 1 << 20);
  REQUIRE_MESSAGE(store, store.error().message);
  return std::move(*store);
}

// A store of documents of these lengths with the tokens 1, 2, 3, ..., all learnt; whole or not.
inline TokenStore counted_store(const ScratchFolder& scratch, const std::vector<int>& lengths,
                                bool whole = false) {
  std::vector<EncodedDocument> documents;
  for (const int length : lengths) {
    EncodedDocument& document = documents.emplace_back();
    document.whole = whole;
    document.tokens.resize(static_cast<size_t>(length));
    document.learnt.assign(document.tokens.size(), 1);
  }
  return numbered_store(scratch, std::move(documents));
}

// Where its documents are.
inline std::vector<TokenRange> ranges_of(const TokenStore& store) {
  std::vector<TokenRange> ranges;
  for (int64_t d = 0; d < store.documents(); ++d) {
    const TokenDocument document = store.document(d);
    ranges.push_back({document.begin, document.end, document.whole});
  }
  return ranges;
}

}  // namespace issun::train
