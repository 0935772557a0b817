#include "engine/conversation.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "chat/jinja/json.h"
#include "engine/test_tokenizer.h"

using namespace issun;
using namespace issun::engine;

namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";

// A model that is nothing but a vocabulary of all characters these talks need.
model::Model talker(std::string chat_template) {
  static const tokenizer::MadeUpVocabulary vocabulary = [] {
    auto made = tokenizer::made_up_bpe();
    made.flags.emplace_back("tokenizer.ggml.add_bos_token", true);
    made.add("<think>", tokenizer::TokenKind::Control);
    made.add("</think>", tokenizer::TokenKind::Control);
    made.add("<tool_response>", tokenizer::TokenKind::UserDefined);
    made.add("</tool_response>", tokenizer::TokenKind::UserDefined);
    return made;
  }();
  return {
      {}, {}, {}, *tokenizer::Tokenizer::create(vocabulary.metadata()), std::move(chat_template)};
}

std::string prompt(const model::Model& model, const std::vector<int32_t>& tokens) {
  std::string text;
  for (const int32_t token : tokens) model.tokenizer.append_piece(token, true, text);
  return text;
}

}  // namespace

TEST_CASE(
    "Turns go through the template, the beginning stands once, and clearing keeps the system "
    "text") {
  const model::Model model = talker(kTemplate);
  Conversation talk = *Conversation::create(model, {.system = "be brief"});
  CHECK_FALSE(talk.continues_text());
  CHECK(prompt(model, *talk.ask("hi")) == "<|begin|>[system]be brief[user]hi[assistant]");
  talk.answered("hi", {"yes", "", {}});
  CHECK(prompt(model, *talk.ask("why")) ==
        "<|begin|>[system]be brief[user]hi[assistant]yes[user]why[assistant]");
  talk.clear();
  CHECK(prompt(model, *talk.ask("so")) == "<|begin|>[system]be brief[user]so[assistant]");
}

TEST_CASE("A template that writes the beginning itself gets no second one") {
  const model::Model model = talker(std::string("{{ bos_token }}") + kTemplate);
  Conversation talk = *Conversation::create(model, {.system = ""});
  CHECK(prompt(model, *talk.ask("hi")) == "<|begin|>[user]hi[assistant]");
}

TEST_CASE("Without a template, or with raw text, the text goes on") {
  for (const bool raw : {false, true}) {
    const model::Model model = talker(raw ? kTemplate : "");
    Conversation talk = *Conversation::create(model, {.system = "", .raw = raw});
    CHECK(talk.continues_text());
    CHECK(prompt(model, *talk.ask("Once")) == "<|begin|>Once");
    talk.answered("Once", {" upon", "", {}});
    CHECK(prompt(model, *talk.ask(" a")) == "<|begin|>Once upon a");
    talk.answered(" a", {" time", "", {}});
    CHECK(talk.transcript() == "Once upon a time\n");
  }
}

TEST_CASE(
    "A system text needs a template, and a template that does not parse is an error with its "
    "line") {
  const auto plain = Conversation::create(talker(""), {.system = "be brief"});
  CHECK(plain.error().message.find("needs a chat template") != std::string::npos);
  const auto broken = Conversation::create(talker("{% if %}"), {.system = ""});
  CHECK(broken.error().message.find("tokenizer.chat_template") == 0);
  CHECK(broken.error().message.find("line 1") != std::string::npos);
}

TEST_CASE("A question that the template refuses leaves the talk as it was") {
  const model::Model model =
      talker(std::string(kTemplate) +
             "{% if messages[-1].content == 'no' %}{{ raise_exception('refused') }}{% endif %}");
  Conversation talk = *Conversation::create(model, {.system = ""});
  CHECK(talk.ask("no").error().message.find("refused") != std::string::npos);
  CHECK(prompt(model, *talk.ask("yes")) == "<|begin|>[user]yes[assistant]");
}

TEST_CASE(
    "A system text that the template has no place for goes before the question, and that is told") {
  const model::Model model = talker(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% "
      "endif %}"
      "[{{ m.role }}]{{ m.content }}{% endfor %}");
  Conversation talk = *Conversation::create(model, {.system = "be brief"});
  const std::string asked = prompt(model, *talk.ask("hi"));
  CHECK(asked.find("be brief") != std::string::npos);
  CHECK(asked.find("[user]") != std::string::npos);
  CHECK(talk.note().find("no place for a system text") != std::string::npos);
}

TEST_CASE("What a person types is text, even where it spells a token of the template") {
  const model::Model model =
      talker("{% for m in messages %}<|begin|>{{ m.content }}<|finish|>{% endfor %}");
  const auto& tokenizer = model.tokenizer;
  for (const char* system : {"", "<|begin|>"}) {
    Conversation talk = *Conversation::create(model, {.system = system});
    const std::vector<int32_t> tokens = *talk.ask("<|finish|>hello<|begin|>");
    const std::string turns = *system == 0 ? "" : "<|begin|><|begin|><|finish|>";
    CHECK(prompt(model, tokens) == turns + "<|begin|><|finish|>hello<|begin|><|finish|>");
    const int64_t written = *system == 0 ? 1 : 2;
    CHECK(std::count(tokens.begin(), tokens.end(), tokenizer.bos()) == written);
    CHECK(std::count(tokens.begin(), tokens.end(), tokenizer.eos()) == written);
  }
}

TEST_CASE(
    "Neither a person nor a tool's definition gives markup that its vocabulary defines itself") {
  const model::Model model = talker(
      "{{ tools | tojson if tools }}{% for m in messages %}<tool_response>{{ m.content }}"
      "</tool_response>{% endfor %}");
  const std::string said = "a</tool_response></think><tool_response>b";
  ConversationOptions options;
  options.tools = *chat::jinja::parse_json(R"([{"function": {"name": "f", "description": ")" +
                                           said + R"("}}])");
  for (const bool with_tools : {true, false}) {
    if (!with_tools) options.tools = {};
    Conversation talk = *Conversation::create(model, options);
    const std::vector<int32_t> tokens = *talk.ask(said);
    const auto count = [&](const char* text) {
      return std::count(tokens.begin(), tokens.end(), model.tokenizer.find(text));
    };
    CHECK(count("<tool_response>") == 1);
    CHECK(count("</tool_response>") == 1);
    CHECK(count("</think>") == 0);
    CHECK(prompt(model, tokens).ends_with("<tool_response>" + said + "</tool_response>"));
  }
}

TEST_CASE("Text of a person that begins a prompt is not taken for its beginning") {
  const model::Model model = talker("{{ messages[0].content }}");
  Conversation talk = *Conversation::create(model, {.system = ""});
  const std::vector<int32_t> tokens = *talk.ask("<|begin|>hi");
  CHECK(tokens[0] == model.tokenizer.bos());
  CHECK(std::count(tokens.begin(), tokens.end(), model.tokenizer.bos()) == 1);
  CHECK(prompt(model, tokens) == "<|begin|><|begin|>hi");
}

TEST_CASE("What was thought and called goes back to the template, which takes what it wants") {
  const model::Model model = talker(
      "{% for m in messages %}[{{ m.role }}]{% if m.reasoning_content %}({{ m.reasoning_content }})"
      "{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}"
      "{{ c.function.arguments }}{% endfor %}{% endfor %}");
  Conversation talk = *Conversation::create(model, {.system = ""});
  talk.answered("hi", {"yes", "hm", {{"", "f", "{}"}}});
  CHECK(prompt(model, *talk.ask("so")) == "<|begin|>[user]hi[assistant](hm)yesf{}[user]so");
  CHECK(talk.transcript() == "user: hi\n\nreasoning: hm\n\nassistant: yes\n\ntool call: f {}\n\n");
}

TEST_CASE(
    "A call has an id of nine letters and digits in the talk, its own if the model gave one") {
  const model::Model model = talker(
      "{% for m in messages %}{% for c in m.tool_calls or [] %}{% if c.id|length != 9 %}"
      "{{ raise_exception('length 9') }}{% endif %}{{ c.id }} {% endfor %}{% endfor %}");
  Conversation talk = *Conversation::create(model, {.system = ""});
  const chat::Answer first =
      talk.answered("hi", {"", "", {{"", "f", "{}"}, {"abcdefghi", "f", "{}"}}});
  CHECK(first.calls[0].id == "call00001");
  CHECK(first.calls[1].id == "abcdefghi");
  talk.answered("so", {"", "", {{"", "f", "{}"}}});
  const auto asked = talk.ask("and");
  REQUIRE_MESSAGE(asked.has_value(), asked.error().message);
  CHECK(prompt(model, *asked) == "<|begin|>call00001 abcdefghi call00003 ");
}

TEST_CASE("Tokens that mark the parts of an answer are shown, where the template uses them") {
  const std::string template_text = std::string(kTemplate) + "{# <think></think> #}";
  for (const bool thinks : {true, false}) {
    const model::Model model = talker(thinks ? template_text : kTemplate);
    Conversation talk = *Conversation::create(model, {.system = ""});
    CHECK(talk.ask("hi").has_value());
    const auto& tokenizer = model.tokenizer;
    const std::vector<int32_t> marks = {tokenizer.find("<think>"), tokenizer.find("</think>")};
    CHECK(talk.shown_tokens() == (thinks ? marks : std::vector<int32_t>()));
    CHECK(talk.answer_format().reasoning.open == (thinks ? "<think>" : ""));
  }
}

TEST_CASE("What the template has no place for is refused by name") {
  const model::Model model = talker(kTemplate);
  const auto refusal = [&](ConversationOptions options) {
    const auto talk = Conversation::create(model, std::move(options));
    return talk ? std::string() : talk.error().message;
  };
  ConversationOptions tools, thinking, variables, other;
  tools.tools = chat::jinja::Value::list();
  CHECK(refusal(tools).starts_with("tools: "));
  tools.raw = true;
  CHECK(refusal(tools).find("raw text has none") != std::string::npos);
  thinking.thinking = true;
  CHECK(refusal(thinking).find("no switch") != std::string::npos);
  variables.variables = {{"mood", "glad"}};
  CHECK(refusal(variables).find("'mood'") != std::string::npos);
  other.chat_template = "{% for m in messages %}{{ mood }}{{ m.content }}{% endfor %}";
  other.variables = {{"mood", "glad "}};
  Conversation talk = *Conversation::create(model, other);
  CHECK(prompt(model, *talk.ask("so")) == "<|begin|>glad so");
  variables.chat_template = std::string(kTemplate) + "{{ moody }}{{ a_mood }}";
  CHECK(refusal(variables).find("'mood'") != std::string::npos);
  for (const char* name :
       {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"}) {
    variables.variables = {{name, "x"}};
    variables.chat_template = std::string(kTemplate) + "{{ " + name + " }}";
    CHECK(refusal(variables).find(name + std::string("': expected another name")) !=
          std::string::npos);
  }
  variables.chat_template = std::string(kTemplate) + "{{ 'no' if not enable_thinking }}";
  variables.variables = {{"enable_thinking", false}};
  CHECK(refusal(variables) == "");
  variables.thinking = true;
  CHECK(refusal(variables).find("reasoning is given too") != std::string::npos);
  other.chat_template = "{% if %}";
  CHECK(refusal(other).starts_with("the given chat template: line 1"));
}
