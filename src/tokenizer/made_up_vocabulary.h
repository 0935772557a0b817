// Small vocabularies in memory, for tests and fuzzing.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.h"
#include "tokenizer/byte_chars.h"
#include "tokenizer/tokenizer.h"

namespace issun::tokenizer {

// What metadata() returns holds views into this object.
struct MadeUpVocabulary {
  std::string model, pre, name;
  std::deque<std::string> texts;
  std::vector<int64_t> kinds;
  std::vector<double> scores;  // may be left empty, as may the next
  std::vector<std::string> merges;
  std::vector<std::pair<std::string, int64_t>> ids;  // tokenizer.ggml.KEY
  std::vector<std::pair<std::string, bool>> flags;

  Token add(std::string text, TokenKind kind = TokenKind::Normal, double score = 0) {
    texts.push_back(std::move(text));
    kinds.push_back(static_cast<int64_t>(kind));
    if (model == "llama") scores.push_back(score);
    return static_cast<Token>(texts.size()) - 1;
  }

  gguf::Metadata metadata() const {
    using gguf::ValueType;
    gguf::Metadata result;
    const auto put = [&](std::string_view key, ValueType type, ValueType element, auto data) {
      gguf::Value value;
      value.type = type, value.element = element, value.data = std::move(data);
      (void)result.add(key, std::move(value));
    };
    const auto scalar = ValueType::U8;  // no element type
    put("tokenizer.ggml.model", ValueType::String, scalar, std::string_view(model));
    if (!pre.empty()) put("tokenizer.ggml.pre", ValueType::String, scalar, std::string_view(pre));
    if (!name.empty()) put("general.name", ValueType::String, scalar, std::string_view(name));
    const auto views = [](const auto& strings) {
      return std::vector<std::string_view>(strings.begin(), strings.end());
    };
    put("tokenizer.ggml.tokens", ValueType::Array, ValueType::String, views(texts));
    put("tokenizer.ggml.token_type", ValueType::Array, ValueType::I32, kinds);
    if (!scores.empty()) put("tokenizer.ggml.scores", ValueType::Array, ValueType::F32, scores);
    if (model != "llama") {
      put("tokenizer.ggml.merges", ValueType::Array, ValueType::String, views(merges));
    }
    for (const auto& [key, id] : ids) put(key, ValueType::I64, scalar, id);
    for (const auto& [key, flag] : flags) put(key, ValueType::Bool, scalar, flag);
    return result;
  }
};

// All bytes, a few merged words, and <|begin|>, <|end|> as control tokens.
inline MadeUpVocabulary made_up_bpe(std::string_view pre = "gpt-2") {
  MadeUpVocabulary v;
  v.model = "gpt2", v.pre = pre;
  for (int byte = 0; byte < 256; ++byte) {
    v.add(std::string(char_of_byte(static_cast<uint8_t>(byte))));
  }
  v.merges = {"h e",   "l l", "Ġ w",   "he ll", "hell o", "o r",
              "Ġw or", "Ġ Ġ", "ĠĠ ĠĠ", "a a",   "aa aa"};
  for (std::string merge : v.merges) v.add(merge.erase(merge.find(' '), 1));
  v.ids = {{"tokenizer.ggml.bos_token_id", v.add("<|begin|>", TokenKind::Control)},
           {"tokenizer.ggml.eos_token_id", v.add("<|finish|>", TokenKind::Control)}};
  return v;
}

// <unk>, <s>, </s>, all bytes, some letters, words and marks.
inline MadeUpVocabulary made_up_spm() {
  MadeUpVocabulary v;
  v.model = "llama";
  v.add("<unk>", TokenKind::Unknown);
  v.add("<s>", TokenKind::Control);
  v.add("</s>", TokenKind::Control);
  for (int byte = 0; byte < 256; ++byte) v.add(fmt::format("<0x{:02X}>", byte), TokenKind::Byte);
  double score = 0;
  for (const char* text :
       {"▁",     "h",      "e",  "l",  "o",    "w",  "r",      "d",  "a",    "he", "ll",   "hell",
        "hello", "▁hello", "or", "▁w", "▁wor", "ld", "▁world", "▁▁", "▁▁▁▁", "aa", "aaaa", "あ"}) {
    v.add(text, TokenKind::Normal, --score);
  }
  return v;
}

}  // namespace issun::tokenizer
