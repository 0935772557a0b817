#include "chat/answer_marked.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "chat/search.h"

namespace issun::chat {

namespace {

struct FoundMark {
  size_t at = npos;
  size_t mark = 0;
};

// The mark that begins first.
FoundMark first_mark(std::string_view text, const std::vector<std::string>& marks) {
  FoundMark first;
  for (size_t i = 0; i < marks.size(); ++i) {
    const size_t end = first.at == npos ? npos : first.at + marks[i].size();
    const size_t at = text.substr(0, end).find(marks[i]);
    if (at < first.at) first = {at, i};
  }
  return first;
}

// The marks that may stand in content: those of calls first, in their order.
std::vector<std::string> content_marks(const AnswerFormat& format) {
  std::vector<std::string> marks;
  for (const Marks& section : format.calls) marks.push_back(section.open);
  marks.insert(marks.end(), format.left_out.begin(), format.left_out.end());
  return marks;
}

bool may_become(std::string_view text, std::string_view mark) {
  return text.size() < mark.size() && mark.starts_with(text);
}

// The mark belongs to the call: <function=f>.
bool is_tag(std::string_view open) { return open.starts_with("<function"); }

// How much of a mark stands before the calls; functools[ also begins their list.
size_t size_before_calls(std::string_view open) {
  return is_tag(open) ? 0 : open.size() - (open.ends_with('[') ? 1 : 0);
}

// Hy3's marks carry a word that says nothing here: <arg_key:opensource>. Its calls stand in marks
// of their own.
std::string plain_tags(std::string_view section) {
  std::string plain(section);
  for (const auto& [from, to] :
       std::initializer_list<std::pair<const char*, const char*>>{{":opensource>", ">"},
                                                                  {"<tool_sep>", "\n"},
                                                                  {"<tool_call>", "\x1e"},
                                                                  {"</tool_call>", ""}}) {
    const std::string_view old = from;
    for (size_t at = plain.find(old); at != npos; at = plain.find(old, at))
      plain.replace(at, old.size(), to);
  }
  return plain;
}

std::optional<std::vector<ToolCall>> read_hy3_calls(std::string_view section,
                                                    const ToolSignatures& tools) {
  const std::string plain = plain_tags(section);
  std::vector<ToolCall> calls;
  std::string_view rest = without_blanks(plain);
  while (rest.starts_with('\x1e')) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('\x1e'), rest.size());
    auto call = read_calls(rest.substr(0, end), tools);
    if (!call) return std::nullopt;
    calls.insert(calls.end(), call->begin(), call->end());
    rest.remove_prefix(end);
  }
  if (!rest.empty() || calls.empty()) return std::nullopt;
  return calls;
}

}  // namespace

size_t begun_mark(std::string_view text, const std::vector<std::string>& marks) {
  size_t longest = 0;
  for (const std::string& mark : marks) {
    for (size_t n = std::min(mark.size() - 1, text.size()); n > longest; --n) {
      if (text.ends_with(std::string_view(mark).substr(0, n))) longest = n;
    }
  }
  return longest;
}

MarkedAnswer::MarkedAnswer(AnswerFormat format)
    : format_(std::move(format)),
      state_(format_.reasoning_open ? State::Reasoning : State::Start),
      drop_blanks_(format_.reasoning_open) {}

void MarkedAnswer::feed(std::string_view text, Answer* out) {
  held_ += text;
  while (advance(out)) {}
  if (at_ > held_.size() / 2) {
    held_.erase(0, at_);
    for (size_t* place : {&searched_, &watched_, &tried_}) *place -= std::min(*place, at_);
    at_ = 0;
  }
}

void MarkedAnswer::finish(Answer* out) {
  ended_ = true;
  while (advance(out)) {}
  if (state_ != State::Reasoning) out->content += blanks_;
  blanks_.clear();
}

bool MarkedAnswer::advance(Answer* out) {
  switch (state_) {
    case State::Start:
      return start();
    case State::Reasoning:
      return reason(out);
    case State::Content:
      return speak(out);
    case State::Calls:
    case State::BareJson:
      return call(out);
  }
  return false;
}

// Before the first character that is no blank: what kind of answer it is.
bool MarkedAnswer::start() {
  const size_t blanks = std::min(rest().find_first_not_of(kBlanks), rest().size());
  const std::string_view text = rest().substr(blanks);
  const std::string& open = format_.reasoning.open;
  if (!ended_ && (text.empty() || may_become(text, open))) return false;
  if (!open.empty() && text.starts_with(open)) {
    at_ += blanks + open.size();
    state_ = State::Reasoning;
    drop_blanks_ = true;
  } else if (format_.bare_json_calls && text.starts_with('{')) {
    if (!drop_blanks_) blanks_ = rest().substr(0, blanks);
    at_ += blanks;
    state_ = State::BareJson;
  } else {
    state_ = State::Content;
  }
  return true;
}

bool MarkedAnswer::reason(Answer* out) {
  const std::string& open = format_.reasoning.open;
  // The prompt has opened it, and the model opens it again.
  if (drop_blanks_ && format_.reasoning_open) {
    const size_t blanks = std::min(rest().find_first_not_of(kBlanks), rest().size());
    const std::string_view text = rest().substr(blanks);
    if (!ended_ && (text.empty() || may_become(text, open))) return false;
    format_.reasoning_open = false;
    if (text.starts_with(open)) at_ += blanks + open.size();
  }
  const std::vector<std::string> marks = {format_.reasoning.close};
  const size_t close = rest().find(format_.reasoning.close);
  if (close != npos) {
    think(rest().substr(0, close), out);
    at_ += close + format_.reasoning.close.size();
    format_.reasoning.open.clear();  // there is one thought
    state_ = State::Start;
    drop_blanks_ = true;
    blanks_.clear();
    return true;
  }
  const size_t kept = ended_ ? 0 : begun_mark(rest(), marks);
  const size_t certain = rest().size() - kept;
  think(rest().substr(0, certain), out);
  at_ += certain;
  return false;
}

bool MarkedAnswer::speak(Answer* out) {
  const std::vector<std::string> marks = content_marks(format_);
  const FoundMark found = first_mark(rest(), marks);
  if (found.at != npos) {
    say(rest().substr(0, found.at), out);
    at_ += found.at;
    if (found.mark >= format_.calls.size()) {
      at_ += marks[found.mark].size();
      drop_blanks_ = true;
      return true;
    }
    section_ = found.mark;
    searched_ = at_ + marks[found.mark].size();
    strings_ = {};
    watched_ = body_begin();
    state_ = State::Calls;
    return true;
  }
  const size_t kept = ended_ ? 0 : begun_mark(rest(), marks);
  const size_t certain = rest().size() - kept;
  say(rest().substr(0, certain), out);
  at_ += certain;
  return false;
}

bool MarkedAnswer::call(Answer* out) {
  if (state_ == State::BareJson) return ended_ && try_calls(held_.size(), 0, out);
  const std::string& close = format_.calls[section_].close;
  if (close.empty()) return ended_ && try_calls(held_.size(), 0, out);
  const size_t end = held_.find(close, searched_);
  if (end == npos) {
    if (ended_) return try_calls(held_.size(), 0, out);
    searched_ = std::max(searched_, held_.size() - std::min(held_.size(), close.size() - 1));
    return false;
  }
  if (inside_string(end)) {
    searched_ = end + 1;  // the mark is part of an argument
    return true;
  }
  return try_calls(end, close.size(), out);
}

// Where in held_ the calls of the section begin.
size_t MarkedAnswer::body_begin() const {
  return at_ + size_before_calls(format_.calls[section_].open);
}

// Whether held_[place], which is behind all places asked for before, lies in a string of the
// section.
bool MarkedAnswer::inside_string(size_t place) {
  strings_.feed(std::string_view(held_).substr(watched_, place - watched_));
  watched_ = place;
  return strings_.inside();
}

// The section ends at held_[close]. True, since something was decided.
bool MarkedAnswer::try_calls(size_t close, size_t close_size, Answer* out) {
  std::optional<std::vector<ToolCall>> calls;
  if (state_ == State::BareJson) {
    calls = read_json_calls(rest());
    const bool known = calls && std::all_of(calls->begin(), calls->end(), [&](const auto& call) {
                         return has_tool(format_.tools, call.name);
                       });
    if (!known) calls.reset();
  } else {
    const std::string& open = format_.calls[section_].open;
    const size_t begin = body_begin();
    const size_t end = is_tag(open) ? close + close_size : close;
    const std::string_view body = std::string_view(held_).substr(begin, end - begin);
    calls = open.ends_with(":opensource>") ? read_hy3_calls(body, format_.tools)
                                           : read_calls(body, format_.tools);
  }
  if (!calls) {
    give_up_calls(close, out);
    return true;
  }
  for (ToolCall& found : *calls) out->add(std::move(found));
  at_ = close + close_size;
  state_ = State::Content;
  blanks_.clear();
  drop_blanks_ = true;
  return true;
}

// What looked like calls is content, up to where it may yet be something else: the next mark; or,
// when a model repeats a mark without end, the last one before the place where the section ended.
void MarkedAnswer::give_up_calls(size_t close, Answer* out) {
  constexpr int kMostTries = 16;
  tries_ = at_ < tried_ ? tries_ + 1 : 1;
  tried_ = std::max(tried_, close);
  size_t size = state_ == State::BareJson ? 1 : format_.calls[section_].open.size();
  for (const Marks& marks : format_.calls) {
    if (tries_ <= kMostTries) break;
    const size_t last = rest().substr(1, close - at_ - 1).rfind(marks.open);
    if (last != npos) size = std::max(size, last + 1);
  }
  state_ = State::Content;
  say(rest().substr(0, size), out);
  at_ += size;
}

void MarkedAnswer::say(std::string_view text, Answer* out) {
  if (drop_blanks_) text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  if (text.empty()) return;
  drop_blanks_ = false;
  // Without tools nothing can come that blanks would only separate.
  const bool all = format_.calls.empty() && format_.left_out.empty();
  const size_t last = all ? text.size() - 1 : text.find_last_not_of(kBlanks);
  if (last == npos) {
    blanks_ += text;
    return;
  }
  out->content += std::exchange(blanks_, {});
  out->content += text.substr(0, last + 1);
  blanks_ = text.substr(last + 1);
}

void MarkedAnswer::think(std::string_view text, Answer* out) {
  if (drop_blanks_) text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  if (text.empty()) return;
  drop_blanks_ = false;
  const size_t last = text.find_last_not_of(kBlanks);
  if (last == npos) {
    blanks_ += text;
    return;
  }
  out->reasoning += std::exchange(blanks_, {});
  out->reasoning += text.substr(0, last + 1);
  blanks_ = text.substr(last + 1);
}

}  // namespace issun::chat
