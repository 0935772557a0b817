// The way back from tokens to text.

#include "tokenizer/byte_chars.h"
#include "tokenizer/tokenizer.h"

namespace issun::tokenizer {
namespace {

void append_unmarked(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const size_t mark = text.find(kSpaceMark);
    out += text.substr(0, mark);
    if (mark == std::string_view::npos) return;
    out += ' ';
    text.remove_prefix(mark + kSpaceMark.size());
  }
}

// Word-level corpora wrote "do n't , he 's ." with spaces that text does not have. Three passes,
// each over what the one before left: before .,?! ; around an apostrophe alone ; before 's 'm 're
// 've.
void drop_spaces_before_punctuation(std::string& text) {
  std::string out;
  for (const char c : text) {
    if (!out.empty() && out.back() == ' ' && (c == '?' || c == '!' || c == '.' || c == ',')) {
      out.pop_back();
    }
    out += c;
  }
  text.swap(out);
}

void close_lone_apostrophes(std::string& text) {
  std::string out;
  bool after_space = false;  // in the text, unless that space was dropped
  for (size_t i = 0; i < text.size(); ++i) {
    const bool lone = text[i] == '\'' && after_space && i + 1 < text.size() && text[i + 1] == ' ';
    if (lone) out.pop_back();
    out += text[i];
    after_space = !lone && text[i] == ' ';
    if (lone) ++i;
  }
  text.swap(out);
}

void close_contractions(std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    const bool closes = rest.starts_with("'s") || rest.starts_with("'m") ||
                        rest.starts_with("'re") || rest.starts_with("'ve");
    if (i > 0 && text[i - 1] == ' ' && closes) out.pop_back();
    out += text[i];
  }
  text.swap(out);
}

}  // namespace

void Tokenizer::append_piece(Token token, bool show_special, std::string& out) const {
  if (!vocabulary_->has(token)) return;
  const std::string_view text = vocabulary_->text(token);
  switch (vocabulary_->kind(token)) {
    case TokenKind::Control:
    case TokenKind::Unknown:
      if (show_special) out += text;
      return;
    case TokenKind::UserDefined:
      out += text;
      return;
    case TokenKind::Byte:
      out += Vocabulary::byte_of(text);
      return;
    case TokenKind::Normal:
      if (spaces_as_marks_) {
        append_unmarked(text, out);
      } else {
        append_bytes_of_chars(text, out);
      }
      return;
    case TokenKind::Undefined:
    case TokenKind::Unused:
      return;
  }
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool show_special) const {
  bool strip_space = add_space_prefix_;
  if (!show_special && roles_.add_bos && !tokens.empty() && tokens.front() == roles_.bos) {
    tokens = tokens.subspan(1);
    strip_space = false;
  }
  if (!show_special && roles_.add_eos && !tokens.empty() && tokens.back() == roles_.eos) {
    tokens = tokens.first(tokens.size() - 1);
  }
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    append_piece(tokens[i], show_special, text);
    if (i == 0 && strip_space && text.starts_with(' ')) text.erase(0, 1);
  }
  if (clean_spaces_) {
    drop_spaces_before_punctuation(text);
    close_lone_apostrophes(text);
    close_contractions(text);
  }
  return text;
}

}  // namespace issun::tokenizer
