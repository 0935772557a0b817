// What the templates of real models write for an answer is read back: the calls, the reasoning.
#include <doctest/doctest.h>

#include "chat/answer.h"
#include "chat/answer_samples.h"
#include "chat/call_form.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::chat;
using jinja::Value;

namespace {

ChatInput question() {
  ChatInput input;
  input.tools = sample_tools();
  input.add({.role = "user", .content = "Do it.", .reasoning = ""});
  input.clock = 0;
  return input;
}

// Without the token that ends it.
std::optional<std::string> written(const ChatTemplate& chat, const Value& message) {
  const auto whole = written_by(chat, question(), message);
  if (!whole) return std::nullopt;
  std::string text(without_blanks(*whole));
  for (const std::string_view end :
       {"<|tool_response>", "<|eot_id|>", "<|im_end|>", "</s>", "<turn|>", "<SPECIAL_12>", "[e~[",
        "<｜end▁of▁sentence｜>", "<|end_of_text|>"}) {
    if (text.ends_with(end)) text.resize(text.size() - end.size());
  }
  return text;
}

Value assistant_call() {
  return *jinja::parse_json(R"({"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcdefghi", "type": "function",
     "function": {"name": "f", "arguments": {"s": "a b", "n": 2}}}]})");
}

}  // namespace

TEST_CASE("Calls are read as the templates of real models write them") {
  if (!have_shared("conformance/chat")) return;
  int read = 0, able = 0;
  std::string missed;
  for (const std::string& name : shared_names("conformance/chat/templates", "")) {
    const auto bytes = read_shared("conformance/chat/templates/" + name);
    const auto chat =
        ChatTemplate::parse(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    REQUIRE(chat.has_value());
    if (!chat->abilities().tools) continue;
    const ChatInput input = question();
    const auto prompt = chat->apply(input);
    REQUIRE_MESSAGE(prompt.has_value(), (name + ": " + prompt.error().message));
    auto text = written(*chat, assistant_call());
    if (!text || text->find('f') == std::string::npos) continue;
    ++able;
    const AnswerFormat format = answer_format(*chat, input, prompt->text);
    if (format.reasoning_open && text->find(format.reasoning.close) == std::string::npos)
      text = format.reasoning.close + *text;
    const Answer answer = read_answer(format, *text);
    const bool same = answer.calls.size() == 1 && answer.calls[0].name == "f" &&
                      answer.calls[0].arguments.find("\"a b\"") != std::string::npos &&
                      answer.calls[0].arguments.find("2") != std::string::npos;
    read += same;
    if (!same) missed += "\n" + name + ": " + *text;
  }
  MESSAGE(read, " of ", able, " templates", missed);
  CHECK(able == 27);
  CHECK(read == able);
}
