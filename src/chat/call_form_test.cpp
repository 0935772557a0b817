// The form of calls is learnt from the templates of real models.
#include "chat/call_form.h"

#include <doctest/doctest.h>

#include "chat/answer.h"
#include "chat/answer_samples.h"
#include "chat/call_grammar.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::chat;

namespace {

std::optional<CallForm> form_of(const ChatTemplate& chat) {
  ChatInput input;
  input.tools = sample_tools();
  input.add({.role = "user", .content = "Do it.", .reasoning = ""});
  input.clock = 0;
  input.eos_token = "</s>";
  const auto prompt = chat.apply(input);
  REQUIRE_MESSAGE(prompt.has_value(), prompt.error().message);
  const std::vector<std::string> ends = {"</s>", "<|call|>", "<|im_end|>"};
  return call_form(chat, input, answer_format(chat, input, prompt->text), ends);
}

std::optional<CallForm> form_of_file(const std::string& name) {
  const auto bytes = read_shared("conformance/chat/templates/" + name + ".jinja");
  const auto chat =
      ChatTemplate::parse(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  REQUIRE(chat.has_value());
  return form_of(*chat);
}

}  // namespace

TEST_CASE("The form of calls is that of the template") {
  if (!have_shared("conformance/chat")) return;
  const std::string id(1, kCallId);
  CHECK(form_of_file("Qwen-Qwen3-0.6B") == CallForm{"<tool_call>\n{\"name\": \"",
                                                    "\", \"arguments\": ", "}\n</tool_call>",
                                                    "}\n</tool_call>\n<tool_call>\n{\"name\": \""});
  CHECK(form_of_file("meta-llama-Llama-3.1-8B-Instruct") ==
        CallForm{"{\"name\": \"", "\", \"parameters\": ", "}", ""});
  CHECK(form_of_file("openai-gpt-oss-120b") ==
        CallForm{" to=functions.", "<|channel|>commentary json<|message|>", "", ""});
  CHECK(form_of_file("mistralai-Mistral-Nemo-Instruct-2407") ==
        CallForm{"[TOOL_CALLS][{\"name\": \"", "\", \"arguments\": ", ", \"id\": \"" + id + "\"}]",
                 ", \"id\": \"" + id + "\"}, {\"name\": \""});
}

TEST_CASE("Many templates show a form of calls, and it is read back") {
  if (!have_shared("conformance/chat")) return;
  int known = 0, able = 0;
  std::string unknown;
  for (const std::string& name : shared_names("conformance/chat/templates", "")) {
    const auto bytes = read_shared("conformance/chat/templates/" + name);
    const auto chat =
        ChatTemplate::parse(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    REQUIRE(chat.has_value());
    if (!chat->abilities().tools) continue;
    ++able;
    if (form_of(*chat)) {
      ++known;
    } else {
      unknown += " " + name;
    }
  }
  MESSAGE(known, " of ", able, "; unknown:", unknown);
  CHECK(known >= 15);
}

TEST_CASE("A template without calls, or with arguments that are no JSON, has no form") {
  for (const char* source :
       {"{{ tools }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>",
        "{{ tools }}<tool_call>{% for m in messages %}<{{ m.role }}>{{ m.content }}"
        "{% for c in m.tool_calls %}<tool_call>[{{ c.function.name }}("
        "{% for k, v in c.function.arguments | items %}{{ k }}={{ v }}{% endfor %})]"
        "</tool_call>{% endfor %}{% endfor %}<assistant>"}) {
    CAPTURE(source);
    CHECK_FALSE(form_of(*ChatTemplate::parse(source)).has_value());
  }
}
