#include "grammar/token_index.h"

#include <algorithm>

#include "base/utf8.h"

namespace issun::grammar {

namespace {

// One group for each length up to here, since strings may be limited, and one for all longer ones.
constexpr size_t kLengths = 16;
constexpr size_t kMaxTokenBytes = 4096;  // longer ones are no use to anyone

bool within(const std::vector<Range>& alphabet, char32_t character) {
  for (const auto& [first, last] : alphabet) {
    if (character >= first && character <= last) return true;
  }
  return false;
}

struct Shape {
  int alphabet = -1;  // the smallest that holds all characters
  uint32_t characters = 0;
};
Shape shape_of(std::string_view text) {
  if (!valid_utf8(text)) return {};
  Shape shape{.alphabet = 0, .characters = 0};
  for (const char32_t character : characters(text)) {
    while (shape.alphabet < kAlphabetCount &&
           !within(kAlphabets[static_cast<size_t>(shape.alphabet)], character)) {
      ++shape.alphabet;
    }
    if (shape.alphabet == kAlphabetCount) return {};
    ++shape.characters;
  }
  return shape;
}

}  // namespace

TokenIndex::TokenIndex(const tokenizer::Tokenizer& tokenizer) {
  const auto size = static_cast<size_t>(tokenizer.vocabulary_size());
  texts_.resize(size);
  twins_.assign(size, tokenizer::kNoToken);
  ends_.assign(tokenizer.ends().begin(), tokenizer.ends().end());
  std::vector<Token> groups[kAlphabetCount][kLengths + 1], rest;
  for (Token token = 0; token < static_cast<Token>(size); ++token) {
    std::string& text = texts_[static_cast<size_t>(token)];
    if (!tokenizer.is_end(token)) tokenizer.append_piece(token, false, text);
    if (text.size() > kMaxTokenBytes) text.clear();
    if (text.empty()) continue;
    longest_token_ = std::max(longest_token_, text.size());
    const Shape shape = shape_of(text);
    if (shape.alphabet < 0) {
      rest.push_back(token);
    } else {
      groups[shape.alphabet][std::min<size_t>(shape.characters, kLengths + 1) - 1].push_back(token);
    }
  }
  for (int alphabet = 0; alphabet < kAlphabetCount; ++alphabet) {
    for (auto& tokens : groups[alphabet]) add_group(std::move(tokens), alphabet);
  }
  add_group(std::move(rest), -1);
}

void TokenIndex::add_group(std::vector<Token> tokens, int alphabet) {
  if (tokens.empty()) return;
  std::sort(tokens.begin(), tokens.end(), [&](Token a, Token b) {
    const int order = bytes(a).compare(bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  Group group{.nodes = {}, .alphabet = alphabet, .shortest = Dfa::kForever, .mask = {}};
  group.mask.resize(mask_words());
  std::vector<uint32_t> path;  // nodes that the latest text leads through
  std::string_view before;
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      group.nodes[path.back()].after = static_cast<uint32_t>(group.nodes.size());
    }
  };
  for (const Token token : tokens) {
    const std::string_view text = bytes(token);
    group.mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64);
    const uint32_t length = shape_of(text).characters;
    group.shortest = std::min(group.shortest, length);
    group.longest = std::max(group.longest, length);
    const size_t common = static_cast<size_t>(
        std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first -
        before.begin());
    if (common == text.size() && common == before.size()) {
      // Sorted by number: the chain goes up.
      Token last = group.nodes[path.back()].token;
      while (twin(last) != tokenizer::kNoToken) last = twin(last);
      twins_[static_cast<size_t>(last)] = token;
      continue;
    }
    close(common);
    for (size_t depth = common; depth < text.size(); ++depth) {
      path.push_back(static_cast<uint32_t>(group.nodes.size()));
      group.nodes.push_back(
          {.depth = static_cast<uint16_t>(depth + 1), .byte = static_cast<uint8_t>(text[depth])});
    }
    group.nodes[path.back()].token = token;
    before = text;
  }
  close(0);
  groups_.push_back(std::move(group));
}

}  // namespace issun::grammar
