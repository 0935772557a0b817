#include "chat/answer_format.h"

#include <iterator>
#include <utility>

#include "chat/chat_template_adjust.h"
#include "chat/search.h"

namespace issun::chat {

namespace {

struct KnownMarks {
  std::string_view open, close;
};

constexpr KnownMarks kReasoning[] = {
    {"<think>", "</think>"},
    {"<think:opensource>", "</think:opensource>"},
    {"[THINK]", "[/THINK]"},
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<|channel>thought", "<channel|>"},
    {"<seed:think>", "</seed:think>"},
};

// No mark is the beginning of another.
constexpr KnownMarks kCalls[] = {
    {"<tool_call>", "</tool_call>"},
    {"<tool_calls:opensource>", "</tool_calls:opensource>"},
    {"<minimax:tool_call>", "</minimax:tool_call>"},
    {"<seed:tool_call>", "</seed:tool_call>"},
    {"<｜DSML｜function_calls>", "</｜DSML｜function_calls>"},
    {"<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>"},
    {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"},
    {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"},
    {"<|tool_call_start|>", "<|tool_call_end|>"},
    {"<|tool_call>", "<tool_call|>"},
    {"<|START_ACTION|>", "<|END_ACTION|>"},
    {"<TOOLCALL>", "</TOOLCALL>"},
    {"<function=", "</function>"},
    {"<function name=", "</function>"},
    {"[TOOL_CALLS]", ""},
    {"<|tool_call|>", ""},
    {"<|python_tag|>", ""},
    {"functools[", ""},
};

constexpr std::string_view kLeftOut[] = {"<|START_RESPONSE|>", "<|END_RESPONSE|>"};

// Built by Hy3's template from a variable.
constexpr std::string_view kHy3 = "'<tool_calls{}>'";

// The template's own text, and what it makes of a talk with tools, since marks may be put together
// there. Not the prompt: a person may speak of any marks.
std::string all_text(const ChatTemplate& chat) { return chat.source() + "\n" + tool_prompt(chat); }

bool speaks_harmony(std::string_view text) {
  return has(text, "<|channel|>") && has(text, "<|message|>") && has(text, "<|start|>");
}

}  // namespace

void Answer::add(ToolCall call) {
  call.place = content.size();
  calls.push_back(std::move(call));
}

std::vector<std::string> AnswerFormat::marks() const {
  if (style == AnswerStyle::Harmony)
    return {"<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>"};
  std::vector<std::string> all = left_out;
  for (const std::string& mark : {reasoning.open, reasoning.close}) {
    if (!mark.empty()) all.push_back(mark);
  }
  for (const Marks& marks : calls) {
    all.push_back(marks.open);
    if (!marks.close.empty()) all.push_back(marks.close);
  }
  if (calls.empty()) return all;
  for (const char* inner :
       {"[ARGS]", "[CALL_ID]", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>",
        "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>", "<|\"|>",
        "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"}) {
    all.emplace_back(inner);
  }
  return all;
}

AnswerFormat answer_format(const ChatTemplate& chat, const ChatInput& input,
                           std::string_view prompt) {
  AnswerFormat format;
  const std::string text = all_text(chat);
  format.tools = signatures_of(input.tools);
  const std::string_view end = without_blanks(prompt);
  if (speaks_harmony(text)) {
    format.style = AnswerStyle::Harmony;
    return format;
  }
  if (has(text, ">>>${recipient}") && end.ends_with(">>>")) {
    format.style = AnswerStyle::Recipients;
    return format;
  }
  for (const KnownMarks& marks : kReasoning) {
    if (!has(text, marks.close)) continue;
    format.reasoning = {std::string(marks.open), std::string(marks.close)};
    format.reasoning_open = end.ends_with(marks.open);
    if (format.reasoning_open) break;
  }
  for (const std::string_view mark : kLeftOut) {
    if (has(text, mark)) format.left_out.emplace_back(mark);
  }
  if (format.tools.empty()) return format;
  for (const KnownMarks& marks : kCalls) {
    const bool known = has(text, marks.open) || (has(marks.open, ":opensource") && has(text, kHy3));
    if (known) format.calls.push_back({std::string(marks.open), std::string(marks.close)});
  }
  format.bare_json_calls = format.calls.empty() || has(text, "<|python_tag|>") ||
                           has(text, "\"parameters\": dictionary of argument");
  return format;
}

}  // namespace issun::chat
