// For tests: the formats of answers in use, as the templates of models state them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_format.h"
#include "chat/jinja/json.h"

namespace issun::chat {

// A tool f with a text s and a number n, and a tool g without parameters.
inline jinja::Value sample_tools() {
  return *jinja::parse_json(R"([
    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {
      "type": "object", "properties": {"s": {"type": "string", "description": "d"},
      "n": {"type": "integer", "description": "d"}}, "required": ["s"]}}},
    {"type": "function", "function": {"name": "g", "description": "d", "parameters": {
      "type": "object", "properties": {}, "required": []}}}])");
}

// Of a template that consists of nothing but these marks, and of a prompt that ends so.
inline AnswerFormat sample_format(const std::string& marks, const std::string& prompt = "",
                                  bool with_tools = true) {
  ChatInput input;
  if (with_tools) input.tools = sample_tools();
  return answer_format(*ChatTemplate::parse("{# " + marks + " #}"), input, prompt);
}

inline const std::vector<AnswerFormat>& sample_formats() {
  static const std::vector<AnswerFormat> formats = {
      sample_format("<think></think><tool_call></tool_call>"),
      sample_format("<think></think><tool_call></tool_call>", "<think>\n"),
      sample_format("<think></think>", "", false),
      sample_format("[TOOL_CALLS] [THINK][/THINK]"),
      sample_format("<function=</function><function name="),
      sample_format("<|python_tag|>"),
      sample_format("<｜tool▁calls▁begin｜></think>"),
      sample_format("<|tool_calls_section_begin|>"),
      sample_format("<|tool_call_start|>"),
      sample_format("<|tool_call><|channel>thought<channel|>"),
      sample_format("<|START_ACTION|><|START_RESPONSE|><|END_RESPONSE|><|END_THINKING|>"),
      sample_format("<tool_calls:opensource></think:opensource>"),
      sample_format("<minimax:tool_call>"),
      sample_format("<｜DSML｜function_calls>"),
      sample_format("<|channel|><|message|><|start|>"),
      sample_format(">>>${recipient}", ">>>"),
  };
  return formats;
}

// Whether an answer that holds no call kept the text it was read from: all is there in its order
// but blanks and marks, of which no more is missing than the text has. Not of Harmony, whose
// headers are left out.
inline bool keeps_text(const AnswerFormat& format, std::string_view text, const Answer& read) {
  const std::string kept = read.reasoning + read.content;
  const auto is_blank = [](char c) { return std::string_view(" \t\r\n").find(c) < 4; };
  size_t at = 0, missing = 0, marks = 0;
  for (const char c : text) {
    while (at < kept.size() && is_blank(kept[at])) ++at;
    if (is_blank(c)) continue;
    if (at < kept.size() && kept[at] == c) {
      ++at;
    } else {
      ++missing;
    }
  }
  while (at < kept.size() && is_blank(kept[at])) ++at;
  std::vector<std::string> all = format.marks();
  if (format.style == AnswerStyle::Recipients) all = {">>>", "all"};
  for (const std::string& mark : all) {
    for (size_t found = text.find(mark); found != text.npos; found = text.find(mark, found + 1))
      marks += mark.size();
  }
  return at == kept.size() && missing <= marks;
}

}  // namespace issun::chat
