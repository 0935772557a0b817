#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "tokenizer/unicode.h"

namespace issun::tokenizer {
namespace {

bool is_ascii_space(char c) { return is_whitespace(static_cast<unsigned char>(c)) && c > 0; }

// Names in pages, which vocabularies keep whole as they keep runs of spaces. Not <s>, which begins
// a text.
constexpr std::string_view kHtml[] = {
    "a",    "b",     "blockquote", "body", "br", "caption", "code", "dd",  "del",  "div",
    "dl",   "dt",    "em",         "h1",   "h2", "h3",      "h4",   "h5",  "h6",   "hr",
    "html", "i",     "li",         "ol",   "p",  "pre",     "sub",  "sup", "span", "strong",
    "u",    "table", "tbody",      "td",   "th", "tfoot",   "tr",   "ul",  "thead"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_markup(std::string_view text) {
  if (text.starts_with("<|") || text.starts_with("<｜")) return true;
  const bool angled = text.starts_with('<') && text.ends_with('>');
  const bool square = text.starts_with('[') && text.ends_with(']');
  if (!(angled || square) || text.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  text = text.substr(1, text.size() - 2);
  if (text.starts_with('/')) text.remove_prefix(1);
  if (std::none_of(text.begin(), text.end(), is_letter)) return false;
  if (angled && text.ends_with('/')) text.remove_suffix(1);
  return square || std::find(std::begin(kHtml), std::end(kHtml), text) == std::end(kHtml);
}

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (Token t = 0; t < vocabulary.size(); ++t) {
    const TokenKind kind = vocabulary.kind(t);
    if (kind == TokenKind::Control || kind == TokenKind::Unknown ||
        kind == TokenKind::UserDefined) {
      entries_.push_back(
          {vocabulary.text(t), t, kind == TokenKind::UserDefined, is_markup(vocabulary.text(t))});
    }
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.text < b.text; });
  std::vector<PrefixTree::Text> texts;
  for (const Entry& entry : entries_) {
    texts.push_back({entry.text, static_cast<int32_t>(texts.size())});
  }
  texts_ = PrefixTree(std::move(texts));
}

void SpecialTokens::set_strip(Token token, bool left, bool right) {
  for (Entry& entry : entries_) {
    if (entry.token == token) entry.strip_left = left, entry.strip_right = right;
  }
}

std::vector<Token> SpecialTokens::tokens() const {
  std::vector<Token> tokens;
  for (const Entry& entry : entries_) tokens.push_back(entry.token);
  return tokens;
}

const SpecialTokens::Entry* SpecialTokens::longest_at(std::string_view text, size_t at,
                                                      size_t limit, size_t parsed,
                                                      bool literal) const {
  const auto longest = texts_.longest_at(text.substr(0, at + limit), at, [&](int32_t entry) {
    const Entry& found = entries_[static_cast<size_t>(entry)];
    const bool always = found.user_defined && !(literal && found.is_markup);
    return always || found.text.size() <= parsed;
  });
  return longest.bytes > 0 ? &entries_[static_cast<size_t>(longest.value)] : nullptr;
}

// One text being cut: which of its bytes still belong to plain text.
class SpecialTokens::Cutter {
 public:
  Cutter(const SpecialTokens& special, std::string_view text, bool parse_special,
         std::span<const ByteRange> literal)
      : special_(special), text_(text), parse_special_(parse_special), literal_(literal) {}

  void run() {
    for (size_t at = 0; at < text_.size(); ++at) consider(at, text_.size() - at);
    if (waiting_.empty()) return;
    taken_.assign(text_.size(), false);
    while (!waiting_.empty()) {
      std::vector<Match> matches = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) {
        return std::tie(a.entry->token, a.at) < std::tie(b.entry->token, b.at);
      });
      for (const Match& match : matches) place(match);
    }
  }

  void collect(std::vector<Fragment>& fragments) {
    std::sort(placed_.begin(), placed_.end(),
              [](const Match& a, const Match& b) { return a.at < b.at; });
    size_t at = 0;
    for (const Match& match : placed_) {
      add_text(at, match.at, fragments);
      fragments.push_back({{}, match.entry->token});
      at = match.at + match.entry->text.size();
    }
    add_text(at, text_.size(), fragments);
  }

 private:
  // Only the longest match of a position waits; the next shorter takes its turn if that is in the
  // way of another. So memory stays linear where tokens nest, like runs of spaces.
  void consider(size_t at, size_t limit) {
    const Entry* entry = special_.longest_at(text_, at, limit, parsed_from(at), !literal_.empty());
    if (entry != nullptr) waiting_[entry->text.size()].push_back({at, entry});
  }

  // How many bytes from there on may be markup.
  size_t parsed_from(size_t at) const {
    if (!parse_special_) return 0;
    const auto next = std::partition_point(
        literal_.begin(), literal_.end(), [at](const ByteRange& range) { return range.end <= at; });
    if (next == literal_.end()) return text_.size() - at;
    return next->begin > at ? next->begin - at : 0;
  }

  void place(const Match& match) {
    const size_t length = match.entry->text.size();
    size_t free = 0;
    while (free < length && !taken_[match.at + free]) ++free;
    if (free < length) {
      if (free > 0) consider(match.at, free);
      return;
    }
    size_t begin = match.at, end = match.at + length;
    const auto is_free_space = [&](size_t at) { return !taken_[at] && is_ascii_space(text_[at]); };
    if (match.entry->strip_left) {
      while (begin > 0 && is_free_space(begin - 1)) --begin;
    }
    if (match.entry->strip_right) {
      while (end < text_.size() && is_free_space(end)) ++end;
    }
    std::fill(taken_.begin() + static_cast<int64_t>(begin),
              taken_.begin() + static_cast<int64_t>(end), true);
    placed_.push_back(match);
  }

  // What lies between two tokens, less what they swallowed at its ends.
  void add_text(size_t begin, size_t end, std::vector<Fragment>& fragments) const {
    if (!taken_.empty()) {
      while (begin < end && taken_[begin]) ++begin;
      while (begin < end && taken_[end - 1]) --end;
    }
    if (begin < end) fragments.push_back({text_.substr(begin, end - begin)});
  }

  const SpecialTokens& special_;
  std::string_view text_;
  bool parse_special_;
  std::span<const ByteRange> literal_;
  std::map<size_t, std::vector<Match>, std::greater<>> waiting_;  // by length
  std::vector<bool> taken_;  // empty as long as nothing matched
  std::vector<Match> placed_;
};

void SpecialTokens::cut(std::string_view text, bool parse_special, std::vector<Fragment>& fragments,
                        std::span<const ByteRange> literal) const {
  Cutter cutter(*this, text, parse_special, literal);
  if (!entries_.empty()) cutter.run();
  cutter.collect(fragments);
}

}  // namespace issun::tokenizer
