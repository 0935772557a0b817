#include "chat/answer_channels.h"

#include <algorithm>
#include <utility>

#include "chat/answer_marked.h"
#include "chat/search.h"
#include "chat/tool_calls_tagged.h"

namespace issun::chat {

namespace {

constexpr std::string_view kMessage = "<|message|>", kStart = "<|start|>", kChannel = "<|channel|>";
constexpr std::string_view kFunctions = "functions.";
// What ends a part; the last two begin the next header.
const std::vector<std::string> kEnds = {"<|end|>", "<|return|>", "<|call|>", "<|start|>",
                                        "<|channel|>"};
const std::vector<std::string> kPartMark = {">>>"};

// Whether text that goes on may be a header.
bool may_be_header(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  for (const std::string_view begin : {kStart, kChannel, kMessage, std::string_view("to=")}) {
    if (text.starts_with(begin) || begin.starts_with(text)) return true;
  }
  return false;
}

std::string_view word_behind(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == npos) return {};
  text.remove_prefix(at + mark.size());
  return text.substr(0, text.find_first_of(" \n<"));
}

}  // namespace

void HarmonyAnswer::feed(std::string_view text, Answer* out) {
  held_ += text;
  while (advance(out)) {}
}

void HarmonyAnswer::finish(Answer* out) {
  ended_ = true;
  while (advance(out)) {}
  out->content += std::exchange(held_, {});  // a header without a message
}

bool HarmonyAnswer::advance(Answer* out) {
  return part_ == Part::Header ? read_header(out) : read_body(out);
}

bool HarmonyAnswer::read_header(Answer* out) {
  constexpr size_t kLongestHeader = 512;
  if (held_.empty()) return false;
  if (may_be_header(held_)) {
    const std::string_view window = std::string_view(held_).substr(0, kLongestHeader);
    const size_t end = window.find(kMessage);
    if (end != npos) {
      const std::string header = held_.substr(0, end + kMessage.size());
      held_.erase(0, header.size());
      begin(header, out);
      return true;
    }
    if (window.size() < kLongestHeader) return false;  // finish() shows it
    // The mark it begins with would only begin another.
    const size_t mark = window.find_first_not_of(" \n");
    const bool marked = mark != npos && window[mark] == '<';
    const size_t size = marked ? window.find('>', mark) + 1 : 0;
    out->content.append(held_, 0, size);
    held_.erase(0, size);
  }
  part_ = Part::Content;  // a model that leaves its headers out
  return true;
}

void HarmonyAnswer::begin(std::string_view header, Answer* out) {
  const std::string_view to = word_behind(header, "to=");
  if (!to.starts_with(kFunctions) || !is_tool_name(to.substr(kFunctions.size()))) {
    part_ = word_behind(header, kChannel) == "analysis" ? Part::Reasoning : Part::Content;
  } else if (has_tools_) {
    part_ = Part::Call;
    header_ = header;
    name_ = to.substr(kFunctions.size());
  } else {
    part_ = Part::Content;
    out->content += header;
  }
}

bool HarmonyAnswer::read_body(Answer* out) {
  size_t end = npos, size = 0;
  for (size_t i = 0; i < kEnds.size(); ++i) {
    const size_t at = held_.find(kEnds[i], searched_);
    if (at < end) end = at, size = i < 3 ? kEnds[i].size() : 0;
  }
  searched_ = 0;
  if (part_ == Part::Call) {
    if (end == npos && !ended_) {
      searched_ = held_.size() - begun_mark(held_, kEnds);
      return false;
    }
    end_call(std::string_view(held_).substr(0, end), out);
    held_.erase(0, end == npos ? npos : end + size);
    part_ = Part::Header;
    return !held_.empty();
  }
  std::string& said = part_ == Part::Reasoning ? out->reasoning : out->content;
  if (end == npos) {
    const size_t kept = ended_ ? 0 : begun_mark(held_, kEnds);
    said.append(held_, 0, held_.size() - kept);
    held_.erase(0, held_.size() - kept);
    return false;
  }
  said.append(held_, 0, end);
  held_.erase(0, end + size);
  part_ = Part::Header;
  return true;
}

void HarmonyAnswer::end_call(std::string_view arguments, Answer* out) {
  if (is_json_object(without_blanks(arguments))) {
    out->add({"", name_, std::string(without_blanks(arguments))});
  } else {
    out->content += header_ + std::string(arguments);
  }
}

void RecipientAnswer::feed(std::string_view text, Answer* out) {
  held_ += text;
  while (advance(out)) {}
}

void RecipientAnswer::finish(Answer* out) {
  ended_ = true;
  while (advance(out)) {}
  if (part_ == Part::Header) out->content += mark_;
  out->content += std::exchange(held_, {});
}

bool RecipientAnswer::advance(Answer* out) {
  return part_ == Part::Header ? read_header(out) : read_body(out);
}

bool RecipientAnswer::read_header(Answer* out) {
  constexpr size_t kLongestName = 256;
  const size_t end = std::string_view(held_).substr(0, kLongestName + 1).find('\n');
  if (held_.empty() || (end == npos && held_.size() <= kLongestName && !ended_)) return false;
  name_ = end == npos ? "" : held_.substr(0, end);
  part_ = name_ != "all" && is_tool_name(name_) && has_tools_ ? Part::Call : Part::Content;
  if (part_ == Part::Call || name_ == "all") {
    held_.erase(0, end + 1);
  } else {
    out->content += mark_;  // it did not begin a part
  }
  return true;
}

bool RecipientAnswer::read_body(Answer* out) {
  const size_t end = held_.find(kPartMark[0], std::exchange(searched_, 0));
  if (end == npos && !ended_) {
    const size_t certain = held_.size() - begun_mark(held_, kPartMark);
    if (part_ == Part::Call) {
      searched_ = certain;
    } else {
      out->content.append(held_, 0, certain);
      held_.erase(0, certain);
    }
    return false;
  }
  if (part_ == Part::Call) {
    end_call(std::string_view(held_).substr(0, end), out);
  } else {
    out->content.append(held_, 0, end);
  }
  held_.erase(0, end == npos ? npos : end + kPartMark[0].size());
  part_ = end == npos ? Part::Content : Part::Header;
  mark_ = kPartMark[0];
  return !held_.empty();
}

void RecipientAnswer::end_call(std::string_view arguments, Answer* out) {
  if (is_json_object(without_blanks(arguments))) {
    out->add({"", name_, std::string(without_blanks(arguments))});
  } else {
    out->content += mark_ + name_ + "\n" + std::string(arguments);
  }
}

}  // namespace issun::chat
