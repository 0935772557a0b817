#include "tokenizer/wordpiece.h"

#include "tokenizer/word_starts.h"

namespace issun::tokenizer {

Result<WordPiece> WordPiece::create(const Vocabulary& vocabulary, const gguf::Metadata& metadata,
                                    Token unknown) {
  if (unknown == kNoToken) {
    return fail(
        "tokenizer.ggml.unknown_token_id: missing, and a vocabulary of model bert needs it");
  }
  WordPiece result;
  result.unknown_ = unknown;
  result.rules_.lower_case =
      TRY(metadata.value_or<bool>("tokenizer.ggml.normalizer.lowercase", true));
  result.rules_.strip_accents = TRY(
      metadata.value_or<bool>("tokenizer.ggml.normalizer.strip_accents", result.rules_.lower_case));
  result.tokens_ = vocabulary.prefix_tree([](TokenKind) { return true; });
  return result;
}

void WordPiece::encode(std::string_view text, std::vector<Token>& out) const {
  each_word(text, rules_, [&](std::string& word) { encode_word(word, out); });
}

// Changes `word`.
void WordPiece::encode_word(std::string& word, std::vector<Token>& out) const {
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
}

}  // namespace issun::tokenizer
