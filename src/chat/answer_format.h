// How answers to a prompt are written: which markers stand around what was thought and around
// calls. Known from what the template says and from where the prompt ends, never from a model's
// name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_template.h"
#include "chat/tool_calls.h"

namespace issun::chat {

struct Answer {
  std::string content;    // what is said
  std::string reasoning;  // what was thought before
  std::vector<ToolCall> calls;
  // Behind what there is.
  void add(ToolCall call);
  bool operator==(const Answer&) const = default;
};

struct Marks {
  std::string open, close;  // close is empty: to the end of the answer
};

enum class AnswerStyle {
  Marked,      // text, with marks around what is no content
  Harmony,     // messages, each with a header of its channel and its recipient (gpt-oss)
  Recipients,  // ">>>recipient\n" before each part (Functionary)
};

struct AnswerFormat {
  AnswerStyle style = AnswerStyle::Marked;
  Marks reasoning;               // open is empty: none
  bool reasoning_open = false;   // by the prompt
  std::vector<Marks> calls;      // empty without tools
  bool bare_json_calls = false;  // an answer that is nothing but JSON and names a tool is a call
  std::vector<std::string> left_out;  // marks that say nothing
  ToolSignatures tools;

  // All marks as they stand in an answer. Where a token is one of these it belongs to its text,
  // although such tokens are not shown otherwise.
  std::vector<std::string> marks() const;
};

// prompt: what the template made of `input`.
AnswerFormat answer_format(const ChatTemplate& chat, const ChatInput& input,
                           std::string_view prompt);

}  // namespace issun::chat
