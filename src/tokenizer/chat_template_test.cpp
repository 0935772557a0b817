// Against the prompts that the reference engine renders from the templates of real models.
#include "tokenizer/chat_template.h"

#include <doctest/doctest.h>

#include <map>

#include "shared_data.h"
#include "tokenizer/jinja_json.h"

using namespace issun;
using namespace issun::tokenizer;
using jinja::Value;

namespace {

constexpr int64_t kGoldenClock = 1767268800;  // 2026-01-01 12:00:00

std::string read_text_of(const std::string& relative) {
  const auto bytes = read_shared(relative);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Value read_json(const std::string& relative) {
  auto value = jinja::parse_json(read_text_of(relative));
  REQUIRE_MESSAGE(value.has_value(), value.error().message);
  return *value;
}

Value get(const Value& dict, const char* key) {
  const Value* found = dict.entries().find(key);
  return found == nullptr ? Value() : *found;
}

ChatInput input_of(const Value& example, const char* messages) {
  ChatInput input;
  input.messages = get(example, messages);
  if (input.messages.is_undefined()) input.messages = get(example, "messages");
  input.tools = get(example, "tools");
  input.add_generation_prompt = get(example, "add_generation_prompt").truth();
  const Value thinking = get(example, "enable_thinking");
  if (thinking.is_bool()) input.enable_thinking = thinking.boolean();
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.clock = kGoldenClock;
  return input;
}

struct Golden {
  ChatTemplate chat;
  std::string name;
  std::vector<std::pair<ChatInput, Value>> results;          // input as the template wants it
  std::vector<std::pair<ChatInput, Value>> applied_results;  // input as a client sends it
};

std::vector<Golden> goldens() {
  std::map<std::string, Value> examples;
  const Value cases = read_json("conformance/chat/cases.json");
  for (const Value& example : cases.items().values) {
    examples[get(example, "id").text()] = example;
  }
  std::vector<Golden> all;
  for (const auto& file : std::filesystem::directory_iterator(shared_path("conformance/chat"))) {
    const std::string name = file.path().filename();
    if (!name.ends_with(".json") || name == "cases.json") continue;
    const Value golden = read_json("conformance/chat/" + name);
    auto chat = ChatTemplate::parse(
        read_text_of("conformance/chat/templates/" + get(golden, "template").text()));
    REQUIRE_MESSAGE(chat.has_value(), (name + ": " + chat.error().message));
    all.push_back({*chat, name, {}, {}});
    const Value results = get(golden, "results");
    for (const Value& result : results.items().values) {
      const Value& example = examples.at(get(result, "case").text());
      all.back().results.emplace_back(input_of(example, "raw_messages"), result);
      all.back().applied_results.emplace_back(input_of(example, "messages"), result);
    }
  }
  return all;
}

}  // namespace

TEST_CASE(
    "every template of the conformance set renders every conversation as the reference does") {
  if (!have_shared("conformance/chat")) return;
  int rendered = 0, refused = 0;
  for (const Golden& golden : goldens()) {
    for (const auto& [input, expected] : golden.results) {
      CAPTURE(golden.name);
      CAPTURE(get(expected, "case").text());
      const auto text = golden.chat.render(input);
      const Value raw = get(expected, "raw");
      if (raw.is_undefined()) {
        CHECK_FALSE(text.has_value());
        ++refused;
        continue;
      }
      const Value python = get(expected, "jinja2_output");
      REQUIRE_MESSAGE(text.has_value(), text.error().message);
      if (python.is_string() && *text == python.text()) {
        ++rendered;
        continue;
      }
      CHECK(*text == raw.text());
      rendered += *text == raw.text();
    }
  }
  MESSAGE(rendered, " prompts equal, ", refused, " refused as expected");
  CHECK(rendered + refused == 680);
}
