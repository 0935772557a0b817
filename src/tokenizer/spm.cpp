#include "tokenizer/spm.h"

#include <bit>

#include "base/utf8.h"
#include "tokenizer/special_tokens.h"

namespace issun::tokenizer {
namespace {

// Ascending as the score descends, equal for equal scores; never Merge::kNone, since that would be
// a NaN.
uint32_t rank_of(float score) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0f);  // -0 becomes 0
  const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

// Tokens that are cut out of a text before, or meant to be text where they are not.
bool is_sign(const Vocabulary& vocabulary, Token t) {
  const TokenKind kind = vocabulary.kind(t);
  return kind == TokenKind::Control || kind == TokenKind::Unknown ||
         (kind == TokenKind::UserDefined && is_markup(vocabulary.text(t)));
}

}  // namespace

Spm::Spm(const Vocabulary& vocabulary, Token unknown)
    : vocabulary_(&vocabulary), unknown_(unknown) {}

Result<Spm> Spm::create(const Vocabulary& vocabulary, Token unknown) {
  if (!vocabulary.has_scores()) {
    return fail("tokenizer.ggml.scores: missing, and a vocabulary of model llama merges by them");
  }
  Spm spm(vocabulary, unknown);
  spm.ranks_.reserve(static_cast<size_t>(vocabulary.size()));
  for (Token t = 0; t < vocabulary.size(); ++t) {
    spm.ranks_.push_back(is_sign(vocabulary, t) ? Merge::kNone : rank_of(vocabulary.score(t)));
    spm.word_starts_.add(vocabulary.text(t));
  }
  return spm;
}

Token Spm::byte_token(char byte) const {
  const Token token = vocabulary_->byte_token(static_cast<uint8_t>(byte));
  return token != kNoToken ? token : vocabulary_->find({&byte, 1});
}

int Spm::missing_bytes() const {
  int missing = 0;
  for (int byte = 0; byte < 256 && unknown_ == kNoToken; ++byte) {
    missing += byte_token(static_cast<char>(byte)) == kNoToken;
  }
  return missing;
}

void Spm::append_bytes(std::string_view text, std::vector<Token>& out) const {
  for (const char byte : text) {
    const Token token = byte_token(byte);
    if (token != kNoToken) {
      out.push_back(token);
    } else if (unknown_ != kNoToken) {
      return out.push_back(unknown_);  // one for the whole character
    }
  }
}

void Spm::encode(std::string_view text, std::vector<Token>& out) const {
  MergeScratch scratch;
  std::vector<Symbol> symbols;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, word_starts_.word_end(text));
    text.remove_prefix(word.size());
    symbols.clear();
    for (size_t at = 0; at < word.size();) {
      const auto bytes = static_cast<uint32_t>(decode_utf8(word, at).bytes);
      symbols.push_back({kNoToken, static_cast<uint32_t>(at), bytes});
      at += bytes;
    }
    const auto rule = [&](const Symbol& left, const Symbol& right) -> Merge {
      const Token token = vocabulary_->find(word.substr(left.begin, left.bytes + right.bytes));
      if (token == kNoToken) return {};
      return {ranks_[static_cast<size_t>(token)], token};
    };
    merge_symbols(rule, scratch, symbols);
    for (const Symbol& s : symbols) {
      const std::string_view piece = word.substr(s.begin, s.bytes);
      const Token token = s.id != kNoToken ? s.id : vocabulary_->find(piece);
      if (token != kNoToken) {
        out.push_back(token);
      } else {
        append_bytes(piece, out);
      }
    }
  }
}

}  // namespace issun::tokenizer
