#include "tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/utf8.h"

namespace issun::tokenizer {
namespace {

constexpr float kUnknownPenalty = 10;  // below the worst token; as in SentencePiece

bool is_piece(TokenKind kind) {
  return kind == TokenKind::Normal || kind == TokenKind::UserDefined || kind == TokenKind::Unused;
}

Result<Charsmap> read_charsmap(const gguf::Metadata& metadata) {
  constexpr const char* kKey = "tokenizer.ggml.precompiled_charsmap";
  const auto values = TRY(metadata.get<std::vector<int64_t>>(kKey));
  if (!values || values->empty()) return Charsmap();
  std::vector<uint8_t> bytes;  // written as signed or unsigned ones
  bytes.reserve(values->size());
  for (const int64_t value : *values) bytes.push_back(static_cast<uint8_t>(value));
  auto map = Charsmap::parse(bytes);
  if (!map) return fail("{}: {}", kKey, map.error().message);
  return map;
}

}  // namespace

// The best way to cut a text up to some byte: its score and its last token.
struct Unigram::Best {
  double score = -std::numeric_limits<double>::infinity();
  uint32_t bytes = 0;
  Token token = kNoToken;
};

struct Unigram::Scratch {
  std::vector<Best> best;
  std::vector<Best> path;
  bool after_unknown = false;
};

Result<Unigram> Unigram::create(const Vocabulary& vocabulary, const gguf::Metadata& metadata,
                                Token unknown) {
  Unigram unigram(vocabulary);
  unigram.unknown_ = unknown;
  unigram.byte_fallback_ = true;
  for (int byte = 0; byte < 256; ++byte) {
    const Token token = vocabulary.byte_token(static_cast<uint8_t>(byte));
    unigram.byte_fallback_ &= token != kNoToken && vocabulary.kind(token) == TokenKind::Byte;
  }
  if (unknown == kNoToken && !unigram.byte_fallback_) {
    return fail("tokenizer.ggml.unknown_token_id: missing, and a vocabulary of model t5 needs it");
  }
  unigram.space_before_ = TRY(metadata.value_or<bool>("tokenizer.ggml.add_space_prefix", false));
  unigram.one_space_ =
      TRY(metadata.value_or<bool>("tokenizer.ggml.remove_extra_whitespaces", false));
  TRY(unigram.read_words(metadata));
  unigram.charsmap_ = TRY(read_charsmap(metadata));
  TRY(unigram.read_scores());
  unigram.tokens_ = vocabulary.prefix_tree(is_piece);
  return unigram;
}

Result<void> Unigram::read_words(const gguf::Metadata& metadata) {
  const auto lower = TRY(metadata.get<bool>("tokenizer.ggml.normalizer.lowercase"));
  if (!lower) return {};
  const bool apart = TRY(metadata.value_or<bool>("tokenizer.ggml.normalizer.punctuation", false));
  using Punctuation = WordRules::Punctuation;
  words_ = WordRules{
      *lower, TRY(metadata.value_or<bool>("tokenizer.ggml.normalizer.strip_accents", *lower)),
      apart ? Punctuation::Ascii : Punctuation::Within};
  return {};
}

Result<void> Unigram::read_scores() {
  if (!vocabulary_->has_scores()) {
    return fail("tokenizer.ggml.scores: missing, and a vocabulary of model t5 is cut by them");
  }
  float worst = std::numeric_limits<float>::max();
  for (Token t = 0; t < vocabulary_->size(); ++t) {
    if (!std::isfinite(vocabulary_->score(t))) {
      return fail("tokenizer.ggml.scores: the score of token {} is infinite", t);
    }
    if (vocabulary_->kind(t) == TokenKind::Normal) worst = std::min(worst, vocabulary_->score(t));
    if (is_piece(vocabulary_->kind(t))) word_starts_.add(vocabulary_->text(t));
  }
  unknown_score_ = worst - kUnknownPenalty;
  return {};
}

std::string Unigram::normalised(std::string_view text) const {
  std::string out;
  out.reserve(text.size() * 2);
  bool in_word = false, started = false;
  const auto append = [&](std::string_view part) {
    for (const char c : part) {
      if (c == ' ') {
        in_word = false;
        if (!one_space_) out += kSpaceMark;
        continue;
      }
      if (!in_word && (one_space_ || (space_before_ && !started))) {
        out += kSpaceMark;
        started = true;
      }
      in_word = true;
      out += c;
    }
  };
  charsmap_.replace(text, append);
  return out;
}

void Unigram::encode(std::string_view text, std::vector<Token>& out) const {
  std::string words;
  if (words_) {
    each_word(text, *words_, [&](const std::string& word) {
      if (!words.empty()) words += ' ';
      words += word;
    });
    text = words;
  }
  const std::string all = normalised(text);
  Scratch scratch;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view word = rest.substr(0, word_starts_.word_end(rest));
    rest.remove_prefix(word.size());
    encode_word(word, scratch, out);
  }
}

// Viterbi's algorithm. Of equal sums the first found stays: the one whose last token starts first,
// then the shortest.
void Unigram::encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const {
  auto& best = scratch.best;
  best.assign(word.size() + 1, {});
  best[0].score = 0;
  const auto offer = [&](size_t from, size_t to, double score, Token token) {
    const double sum = best[from].score + score;
    if (sum > best[to].score) best[to] = {sum, static_cast<uint32_t>(to - from), token};
  };
  for (size_t from = 0; from < word.size();) {
    const auto width = static_cast<size_t>(decode_utf8(word, from).bytes);
    bool known = false;
    auto node = PrefixTree::kRoot;
    for (size_t at = from; at < word.size(); ++at) {
      node = tokens_.step(node, word[at]);
      if (node == PrefixTree::kNone) break;
      const Token token = tokens_.value(node);
      if (token == kNoToken) continue;
      const bool given = vocabulary_->kind(token) == TokenKind::UserDefined;
      offer(from, at + 1, given ? 0.0 : double{vocabulary_->score(token)}, token);
      known |= at + 1 == from + width;
    }
    if (!known) offer(from, from + width, double{unknown_score_}, kNoToken);
    from += width;
  }
  scratch.path.clear();
  for (size_t end = word.size(); end > 0; end -= best[end].bytes) scratch.path.push_back(best[end]);
  size_t at = 0;
  for (auto step = scratch.path.rbegin(); step != scratch.path.rend(); ++step) {
    if (step->token == kNoToken) {
      append_unknown(word.substr(at, step->bytes), scratch, out);
    } else {
      out.push_back(step->token);
      scratch.after_unknown = false;
    }
    at += step->bytes;
  }
}

// A run of unknown characters is one unknown token.
void Unigram::append_unknown(std::string_view text, Scratch& scratch,
                             std::vector<Token>& out) const {
  if (byte_fallback_) {
    for (const char byte : text) {
      out.push_back(vocabulary_->byte_token(static_cast<uint8_t>(byte)));
    }
  } else if (!scratch.after_unknown) {
    out.push_back(unknown_);
    scratch.after_unknown = true;
  }
}

}  // namespace issun::tokenizer
