// The grammar of forced calls allows what a model's own template writes, and nothing else.
#include <doctest/doctest.h>

#include <filesystem>

#include "chat/answer.h"
#include "chat/answer_samples.h"
#include "chat/call_grammar.h"
#include "grammar/grammar.h"
#include "shared_data.h"
#include "tokenizer/made_up_vocabulary.h"

using namespace issun;
using namespace issun::chat;

namespace {

tokenizer::Tokenizer plain_tokenizer() {
  static const tokenizer::MadeUpVocabulary vocabulary = tokenizer::made_up_bpe();
  auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  return std::move(*tokenizer);
}

struct Forced {
  AnswerFormat format;
  CallForm form;
  std::string prompt;
};

std::optional<Forced> forced_by(const ChatTemplate& chat) {
  ChatInput input;
  input.tools = sample_tools();
  input.add({.role = "user", .content = "Do it.", .reasoning = ""});
  input.clock = 0;
  const auto prompt = chat.apply(input);
  if (!prompt) return std::nullopt;
  const AnswerFormat format = answer_format(chat, input, prompt->text);
  const auto form = call_form(chat, input, format, {});
  if (!form) return std::nullopt;
  return Forced{format, *form, prompt->text};
}

grammar::Grammar grammar_of(const Forced& forced, const tokenizer::Tokenizer& tokenizer,
                            bool one_call) {
  const CallableTool tools[] = {{"f", "arguments-0"}, {"g", "arguments-1"}};
  const grammar::NamedSchema schemas[] = {
      {"arguments-0",
       R"({"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "integer"}},
           "required": ["s"], "additionalProperties": false})",
       "f"},
      {"arguments-1", R"({"type": "object", "additionalProperties": false})", "g"}};
  const std::string gbnf = call_grammar({.form = forced.form,
                                         .format = forced.format,
                                         .tools = tools,
                                         .one_call = one_call,
                                         .prompt = forced.prompt},
                                        tokenizer);
  auto grammar = grammar::Grammar::from_gbnf(gbnf, &tokenizer, schemas);
  REQUIRE_MESSAGE(grammar.has_value(), (grammar.error().message + "\n" + gbnf));
  return std::move(*grammar);
}

bool accepts(const grammar::Grammar& grammar, std::string_view text) {
  grammar::Configurations configurations(grammar.automaton());
  grammar::Configuration at = grammar::Configurations::kFirst;
  for (const char byte : text) at = configurations.step(at, static_cast<uint8_t>(byte));
  return configurations.complete(at);
}

std::string with_ids(std::string text) {
  for (size_t at = text.find(kCallId); at != text.npos; at = text.find(kCallId))
    text.replace(at, 1, "abcDEF123");
  return text;
}

}  // namespace

TEST_CASE("Forced calls are those of the template, with arguments that the schema allows") {
  if (!have_shared("conformance/chat")) return;
  const auto tokenizer = plain_tokenizer();
  int tried = 0, many = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(shared_path("conformance/chat/templates"))) {
    const auto bytes = read_shared("conformance/chat/templates/" + file.path().filename().string());
    const auto chat =
        ChatTemplate::parse(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    REQUIRE(chat.has_value());
    if (!chat->abilities().tools) continue;
    const auto forced = forced_by(*chat);
    if (!forced) continue;
    CAPTURE(file.path().filename().string());
    ++tried;
    const CallForm& form = forced->form;
    const std::string thought =
        forced->format.reasoning_open ? "So <be it.\n" + forced->format.reasoning.close : "";
    const auto call = [&](const std::string& name, const std::string& arguments) {
      return name + form.middle + arguments;
    };
    const auto whole = [&](const std::string& calls) {
      return with_ids(thought + form.open + calls + form.close);
    };
    const grammar::Grammar grammar = grammar_of(*forced, tokenizer, false);
    CHECK(accepts(grammar, whole(call("f", R"({"s": "a b", "n": 2})"))));
    CHECK(accepts(grammar, whole(call("g", "{}"))));
    for (const char* wrong : {R"({"n": 2})", R"({"s": 2})", R"({"s": "", "x": 1})", "[]", "", "{"})
      CHECK_FALSE(accepts(grammar, whole(call("f", wrong))));
    CHECK_FALSE(accepts(grammar, whole(call("h", "{}"))));
    CHECK_FALSE(accepts(grammar, thought + "Hello."));
    CHECK_FALSE(accepts(grammar, thought));
    const std::string two = whole(call("f", R"({"s": ""})") + form.between + call("g", "{}"));
    if (!form.between.empty()) {
      ++many;
      CHECK(accepts(grammar, two));
      CHECK(read_answer(forced->format, two).calls.size() == 2);
      CHECK_FALSE(accepts(grammar_of(*forced, tokenizer, true), two));
    }
  }
  CHECK(tried >= 15);
  CHECK(many >= 8);
}

TEST_CASE("A mark that is a token is forced as one, and a text up to a mark takes any other") {
  auto vocabulary = tokenizer::made_up_bpe();
  const tokenizer::Token mark = vocabulary.add("<tool_call>", tokenizer::TokenKind::Control);
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  const CallForm form{"<tool_call>{\"name\": \"", "\", \"arguments\": ", "}</tool_call>", ""};
  const Forced forced{sample_format("<think></think><tool_call></tool_call>"), form, ""};
  auto grammar = std::make_shared<const grammar::Grammar>(grammar_of(forced, *tokenizer, false));
  grammar::GrammarState state(grammar, std::make_shared<const grammar::TokenIndex>(*tokenizer));
  CHECK_FALSE(state.clone().accept_text("<tool_call>"));
  CHECK_FALSE(state.clone().accept_text("Hello"));
  REQUIRE(state.accept_text("<think>a </thin</think <</think>\n\n"));
  REQUIRE(state.accept(mark));
  REQUIRE(state.accept_text("{\"name\": \"g\", \"arguments\": {}}</tool_call>"));
  CHECK(state.can_end());
  const auto text = grammar::Grammar::from_gbnf("root ::= t\n" + text_up_to("t", "abcabd"));
  REQUIRE(text.has_value());
  for (const char* right : {"abcabd", "abcabcabd", "aababcabd", "xabcabd", "日abd abcabd"})
    CHECK(accepts(*text, right));
  for (const char* wrong : {"abcab", "abcabdx", "abcabdabcabd", ""})
    CHECK_FALSE(accepts(*text, wrong));
}
