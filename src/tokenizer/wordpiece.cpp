#include "tokenizer/wordpiece.h"

#include <algorithm>
#include <iterator>

#include "base/utf8.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_starts.h"

namespace issun::tokenizer {
namespace {

// Chinese characters as BERT's authors list them, each of which is a word; with the slip of the
// most used implementation, which leaves out U+2B820 to U+2B91F.
bool is_ideograph(char32_t code) {
  constexpr char32_t kBlocks[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                     {0x20000, 0x2A6DF}, {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF},
                                     {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [&](const auto& block) { return code >= block[0] && code <= block[1]; });
}

bool is_word_of_its_own(char32_t code, uint16_t traits) {
  if (traits & trait(CharClass::Punctuation)) return true;
  return code < 0x7F ? (traits & trait(CharClass::Symbol)) != 0 : is_ideograph(code);
}

}  // namespace

Result<WordPiece> WordPiece::create(const Vocabulary& vocabulary, const gguf::Metadata& metadata,
                                    Token unknown) {
  if (unknown == kNoToken) {
    return fail(
        "tokenizer.ggml.unknown_token_id: missing, and a vocabulary of model bert needs it");
  }
  WordPiece result;
  result.unknown_ = unknown;
  result.lower_case_ = TRY(metadata.value_or<bool>("tokenizer.ggml.normalizer.lowercase", true));
  result.strip_accents_ =
      TRY(metadata.value_or<bool>("tokenizer.ggml.normalizer.strip_accents", result.lower_case_));
  result.tokens_ = vocabulary.prefix_tree([](TokenKind) { return true; });
  return result;
}

void WordPiece::encode(std::string_view text, std::vector<Token>& out) const {
  std::string word;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    at += static_cast<size_t>(c.bytes);
    const char32_t code = strip_accents_ ? base_character(c.code) : c.code;
    const uint16_t traits = traits_of(code);
    if (traits & kWhitespaceTrait) {
      encode_word(word, out);
      continue;
    }
    if (code == 0 || code == kReplacementCharacter || (traits & trait(CharClass::Other))) continue;
    if (strip_accents_ && (traits & trait(CharClass::Mark))) continue;
    const bool alone = is_word_of_its_own(code, traits);
    if (alone) encode_word(word, out);
    append_utf8(lower_case_ ? lower_case(code) : code, word);
    if (alone) encode_word(word, out);
  }
  encode_word(word, out);
}

// Empties `word`.
void WordPiece::encode_word(std::string& word, std::vector<Token>& out) const {
  if (word.empty()) return;
  word.insert(0, kSpaceMark);
  const size_t size_before = out.size();
  for (size_t at = 0; at < word.size();) {
    const auto longest = tokens_.longest_at(word, at);
    if (longest.bytes == 0) {
      out.resize(size_before);
      out.push_back(unknown_);
      break;
    }
    out.push_back(longest.value);
    at += longest.bytes;
  }
  word.clear();
}

}  // namespace issun::tokenizer
