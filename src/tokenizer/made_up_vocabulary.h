// Small vocabularies in memory, for tests and fuzzing.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
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
  std::vector<uint8_t> charsmap;
  std::vector<std::pair<std::string, int64_t>> ids;  // tokenizer.ggml.KEY
  std::vector<std::pair<std::string, bool>> flags;

  Token add(std::string text, TokenKind kind = TokenKind::Normal, double score = 0) {
    texts.push_back(std::move(text));
    kinds.push_back(static_cast<int64_t>(kind));
    if (model == "llama" || model == "t5") scores.push_back(score);
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
    if (!charsmap.empty()) {
      put("tokenizer.ggml.precompiled_charsmap", ValueType::Array, ValueType::U8,
          std::vector<uint64_t>(charsmap.begin(), charsmap.end()));
    }
    if (model == "gpt2" || model == "gemma4") {
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

// <pad>, </s>, <unk> and a few pieces; a space comes before a text.
inline MadeUpVocabulary made_up_unigram() {
  MadeUpVocabulary v;
  v.model = "t5";
  v.add("<pad>", TokenKind::Control);
  v.add("</s>", TokenKind::Control);
  v.add("<unk>", TokenKind::Unknown);
  for (const auto& [text, score] : std::initializer_list<std::pair<const char*, double>>{
           {"▁", -2}, {"hello", -0.5}, {"▁hel", -1}, {"lo", -1}, {"▁lo", -2.5}, {"a", -1}}) {
    v.add(text, TokenKind::Normal, score);
  }
  v.flags = {{"tokenizer.ggml.add_space_prefix", true}};
  return v;
}

// [UNK], [CLS], [SEP] and a few pieces.
inline MadeUpVocabulary made_up_wordpiece() {
  MadeUpVocabulary v;
  v.model = "bert";
  v.ids = {{"tokenizer.ggml.unknown_token_id", v.add("[UNK]", TokenKind::Unknown)},
           {"tokenizer.ggml.bos_token_id", v.add("[CLS]", TokenKind::Control)},
           {"tokenizer.ggml.seperator_token_id", v.add("[SEP]", TokenKind::Control)}};
  for (const char* text : {"▁hello", "▁,", "▁lo", "lo", "▁漢", "▁a", "a"}) v.add(text);
  return v;
}

}  // namespace issun::tokenizer
