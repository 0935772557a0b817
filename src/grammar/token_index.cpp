#include "grammar/token_index.h"

#include <algorithm>

#include "grammar/prefix_walk.h"

namespace issun::grammar {

namespace {
constexpr size_t kMaxTokenBytes = 4096;  // longer ones are no use to anyone
}

TokenIndex::TokenIndex(const tokenizer::Tokenizer& tokenizer) {
  const auto size = static_cast<size_t>(tokenizer.vocabulary_size());
  texts_.resize(size);
  twins_.assign(size, tokenizer::kNoToken);
  ends_.assign(tokenizer.ends().begin(), tokenizer.ends().end());
  std::vector<Token> tokens;
  for (Token token = 0; token < static_cast<Token>(size); ++token) {
    std::string& text = texts_[static_cast<size_t>(token)];
    if (!tokenizer.is_end(token)) tokenizer.append_piece(token, false, text);
    if (text.size() > kMaxTokenBytes) text.clear();
    if (text.empty()) continue;
    longest_token_ = std::max(longest_token_, text.size());
    tokens.push_back(token);
  }
  std::sort(tokens.begin(), tokens.end(), [&](Token a, Token b) {
    const int order = bytes(a).compare(bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  PrefixWalk<Node> walk(nodes_);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token token = tokens[i];
    if (i > 0 && bytes(tokens[i - 1]) == bytes(token)) {
      twins_[static_cast<size_t>(tokens[i - 1])] = token;
      continue;
    }
    const std::string_view text = bytes(token);
    walk.add(text, [](Node& node, char byte, size_t depth) {
      node.byte = static_cast<uint8_t>(byte);
      node.depth = static_cast<uint16_t>(depth);
    });
    nodes_.back().token = token;
  }
  walk.finish();
  texts_index_ = TextIndex(texts_);
}

}  // namespace issun::grammar
