#include "measure/synthetic_vocabulary.h"

#include <fmt/format.h>

#include <string_view>

#include "gguf/value.h"
#include "tokenizer/byte_chars.h"
#include "tokenizer/vocabulary.h"

namespace issun::measure {

namespace {

// By how often English uses them, so that the first runs are likelier.
constexpr std::string_view kLetters = "etaoinshrdlcumwfgypbvkjxqz";
constexpr int kEndOfTurn = 9;  // among the special tokens

class Builder {
 public:
  Builder(SyntheticVocabulary& vocabulary, size_t room) : vocabulary_(vocabulary), room_(room) {}

  bool full() const { return vocabulary_.tokens.size() >= room_; }
  // The token that merging two others makes.
  void add(const std::string& left, const std::string& right) {
    if (full()) return;
    vocabulary_.tokens.push_back(left + right);
    vocabulary_.merges.push_back(left + " " + right);
  }

 private:
  SyntheticVocabulary& vocabulary_;
  size_t room_;
};

void add_bytes(SyntheticVocabulary& vocabulary) {
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary.tokens.emplace_back(tokenizer::char_of_byte(static_cast<uint8_t>(byte)));
  }
}

void add_runs(Builder& builder) {
  const std::string space(tokenizer::char_of_byte(' '));
  std::vector<std::string> letters, pairs;
  for (const char letter : kLetters) letters.emplace_back(1, letter);
  for (const std::string& a : letters) {
    for (const std::string& b : letters) {
      pairs.push_back(a + b);
      builder.add(a, b);
    }
  }
  for (const std::string& a : letters) builder.add(space, a);
  for (const std::string& pair : pairs) builder.add(space, pair);
  for (const std::string& pair : pairs) {
    for (const std::string& c : letters) builder.add(pair, c);
  }
  for (const std::string& first : pairs) {
    for (const std::string& second : pairs) builder.add(first, second);
  }
}

std::string special_name(int i) {
  switch (i) {
    case 0:
      return "<|begin_of_text|>";
    case 1:
      return "<|end_of_text|>";
    case 6:
      return "<|start_header_id|>";
    case 7:
      return "<|end_header_id|>";
    case 8:
      return "<|eom_id|>";
    case kEndOfTurn:
      return "<|eot_id|>";
    default:
      return fmt::format("<|reserved_special_token_{}|>", i);
  }
}

}  // namespace

Result<SyntheticVocabulary> make_vocabulary(int size) {
  if (size < kSmallestVocabulary) {
    return fail("vocabulary: expected at least {} tokens, found {}", kSmallestVocabulary, size);
  }
  SyntheticVocabulary vocabulary;
  const size_t room = static_cast<size_t>(size - kSpecialTokens);
  add_bytes(vocabulary);
  Builder builder(vocabulary, room);
  add_runs(builder);
  if (!builder.full()) {
    return fail("vocabulary: expected at most {} tokens, found {}",
                vocabulary.tokens.size() + kSpecialTokens, size);
  }
  vocabulary.kinds.assign(room, static_cast<int32_t>(tokenizer::TokenKind::Normal));
  vocabulary.kinds.resize(static_cast<size_t>(size),
                          static_cast<int32_t>(tokenizer::TokenKind::Control));
  for (int i = 0; i < kSpecialTokens; ++i) vocabulary.tokens.push_back(special_name(i));
  vocabulary.bos = static_cast<int32_t>(room);
  vocabulary.eos = static_cast<int32_t>(room) + kEndOfTurn;
  return vocabulary;
}

void set_vocabulary_keys(const SyntheticVocabulary& vocabulary, import::Keys& keys) {
  const auto set = [&](const char* key, gguf::Value value) {
    keys.set_general(std::string("tokenizer.ggml.") + key, std::move(value));
  };
  const auto texts = [&](const std::vector<std::string>& all) {
    std::vector<std::string_view> views;
    for (const std::string& text : all) views.push_back(keys.keep(text));
    return gguf::make_strings(std::move(views));
  };
  set("model", gguf::make_string("gpt2"));
  set("pre", gguf::make_string("llama-bpe"));
  set("tokens", texts(vocabulary.tokens));
  set("token_type", gguf::make_i32s(vocabulary.kinds));
  set("merges", texts(vocabulary.merges));
  set("bos_token_id", gguf::make_u32(static_cast<uint32_t>(vocabulary.bos)));
  set("eos_token_id", gguf::make_u32(static_cast<uint32_t>(vocabulary.eos)));
  set("add_bos_token", gguf::make_bool(true));
}

}  // namespace issun::measure
