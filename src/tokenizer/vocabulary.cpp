#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace issun::tokenizer {
namespace {

// Eight bytes a round, mixed by a 64x64 multiplication: texts are short, the hash is most of a
// lookup.
uint32_t hash_text(std::string_view text) {
  constexpr uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xD6E8FEB86659FD93;
  const auto mix = [](uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t hash = kA ^ text.size();
  const char* data = text.data();
  size_t left = text.size();
  for (; left >= 8; left -= 8, data += 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    hash = mix(hash ^ word, kB);
  }
  uint64_t word = 0;
  std::memcpy(&word, data, left);
  hash = mix(hash ^ word, kA);
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

constexpr size_t kMostBytes = size_t{1} << 30;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "<0x41>" and nothing else.
bool names_byte(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && hex_digit(text[3]) >= 0 &&
         hex_digit(text[4]) >= 0;
}

Result<void> check_length(std::string_view key, size_t found, int expected) {
  if (found == static_cast<size_t>(expected)) return {};
  return fail("{}: expected {} values, one for each token, found {}", key, expected, found);
}

}  // namespace

Result<Vocabulary> Vocabulary::load(const gguf::Metadata& metadata) {
  Vocabulary vocabulary;
  vocabulary.texts_ = TRY(metadata.require<std::vector<std::string_view>>("tokenizer.ggml.tokens"));
  if (vocabulary.texts_.empty() || vocabulary.texts_.size() > (size_t{1} << 30)) {
    return fail("tokenizer.ggml.tokens: expected 1 to 2^30 tokens, found {}",
                vocabulary.texts_.size());
  }
  TRY(vocabulary.read_kinds(metadata));
  TRY(vocabulary.read_scores(metadata));
  TRY(vocabulary.index_texts());
  return vocabulary;
}

Result<void> Vocabulary::read_kinds(const gguf::Metadata& metadata) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  kinds_.assign(texts_.size(), TokenKind::Normal);
  const auto kinds = TRY(metadata.get<std::vector<int64_t>>(kKey));
  if (!kinds) return {};
  TRY(check_length(kKey, kinds->size(), size()));
  for (Token t = 0; t < size(); ++t) {
    const int64_t kind = (*kinds)[static_cast<size_t>(t)];
    set_kind(t, kind >= 0 && kind <= 6 ? static_cast<TokenKind>(kind) : TokenKind::Undefined);
    if (this->kind(t) == TokenKind::Byte && !names_byte(text(t))) {
      return fail("{}: token {} is a byte token, so its text should be like <0x41>", kKey, t);
    }
  }
  return {};
}

Result<void> Vocabulary::read_scores(const gguf::Metadata& metadata) {
  constexpr std::string_view kKey = "tokenizer.ggml.scores";
  const auto scores = TRY(metadata.get<std::vector<double>>(kKey));
  if (!scores) return {};
  TRY(check_length(kKey, scores->size(), size()));
  scores_.reserve(scores->size());
  for (const double score : *scores) {
    if (std::isnan(score)) {
      return fail("{}: the score of token {} is not a number", kKey, scores_.size());
    }
    scores_.push_back(static_cast<float>(score));
  }
  return {};
}

Result<void> Vocabulary::index_texts() {
  slots_.assign(std::bit_ceil(texts_.size() * 2), {});
  const size_t mask = slots_.size() - 1;
  size_t all_bytes = 0;
  for (Token t = 0; t < size(); ++t) {
    std::string_view& text = texts_[static_cast<size_t>(t)];
    if (text.empty()) text = made_up_.emplace_back(fmt::format("[EMPTY_{}]", t));
    longest_ = std::max(longest_, text.size());
    all_bytes += text.size();
    const uint32_t hash = hash_text(text);
    size_t slot = hash & mask;
    for (; slots_[slot].token != kNoToken; slot = (slot + 1) & mask) {
      if (slots_[slot].hash == hash && this->text(slots_[slot].token) == text) {
        return fail("tokenizer.ggml.tokens: tokens {} and {} have the same text",
                    slots_[slot].token, t);
      }
    }
    slots_[slot] = {hash, t};
  }
  if (all_bytes > kMostBytes) {
    return fail("tokenizer.ggml.tokens: expected at most {} bytes of text, found {}", kMostBytes,
                all_bytes);
  }
  for (int byte = 0; byte < 256; ++byte) byte_tokens_[byte] = find(fmt::format("<0x{:02X}>", byte));
  return {};
}

PrefixTree Vocabulary::prefix_tree(bool (*wanted)(TokenKind)) const {
  std::vector<PrefixTree::Text> texts;
  for (Token t = 0; t < size(); ++t) {
    if (wanted(kind(t))) texts.push_back({text(t), t});
  }
  return PrefixTree(std::move(texts));
}

Token Vocabulary::find(std::string_view text) const {
  if (text.empty() || text.size() > longest_) return kNoToken;
  const uint32_t hash = hash_text(text);
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot].token != kNoToken; slot = (slot + 1) & mask) {
    if (slots_[slot].hash == hash && this->text(slots_[slot].token) == text) {
      return slots_[slot].token;
    }
  }
  return kNoToken;
}

char Vocabulary::byte_of(std::string_view byte_token_text) {
  return static_cast<char>(hex_digit(byte_token_text[3]) * 16 + hex_digit(byte_token_text[4]));
}

}  // namespace issun::tokenizer
