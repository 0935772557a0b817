#include "chat/answer.h"

#include <doctest/doctest.h>

#include <ctime>
#include <random>

#include "chat/answer_samples.h"

using namespace issun;
using namespace issun::chat;

namespace {

Answer in_pieces(const AnswerFormat& format, const std::string& text, auto&& next_size) {
  Answer answer;
  AnswerReader reader(format);
  for (size_t at = 0; at < text.size();) {
    const size_t size = next_size();
    reader.feed(std::string_view(text).substr(at, size), &answer);
    at += size;
  }
  reader.finish(&answer);
  return answer;
}

const ToolCall kCall = {"", "f", R"({"s": "a <b>", "n": 2})"};

struct AnswerExample {
  const char* marks;
  const char* prompt;
  const char* text;
  Answer answer;
};

const std::vector<AnswerExample>& examples() {
  static const std::vector<AnswerExample> all = {
      {"<think></think>",
       "",
       "<think>\nwhy\n\nso\n</think>\n\nBecause.\n",
       {"Because.\n", "why\n\nso", {}}},
      {"<think></think>", "<think>\n", "why</think>Because.", {"Because.", "why", {}}},
      {"<think></think>", "<think>", "<think>why</think>Because.", {"Because.", "why", {}}},
      {"<think></think>", "", "A <think> tag.", {"A <think> tag.", "", {}}},
      {"<think></think>", "", "  plain ", {"  plain ", "", {}}},
      {"", "", "<think>a</think>", {"<think>a</think>", "", {}}},
      {"[THINK][/THINK]", "", "[THINK]a[/THINK]b", {"b", "a", {}}},
      {"<tool_call>",
       "",
       "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}}\n"
       "</tool_call>\n<tool_call>\n{\"name\": \"g\"}\n</tool_call>\n",
       {"Let me see.", "", {kCall, {"", "g", "{}"}}}},
      {"<tool_call>",
       "",
       "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"</tool_call>\"}}"
       "</tool_call>",
       {"", "", {{"", "f", R"({"s": "</tool_call>"})"}}}},
      {"<tool_call>",
       "",
       "<tool_call>{\"name\": \"g\", \"arguments\": {}}",
       {"", "", {{"", "g", "{}"}}}},
      {"<tool_call>",
       "",
       "a\n<tool_call>{\"name\": </tool_call> b",
       {"a\n<tool_call>{\"name\": </tool_call> b", "", {}}},
      {"<tool_call>",
       "",
       "<tool_call>oh, <tool_call>{\"name\":\"g\"}</tool_call>",
       {"<tool_call>oh,", "", {{"", "g", "{}"}}}},
      {"<tool_call>",
       "",
       "<tool_call>\n<function=f>\n<parameter=s>\na <b>\n</parameter>\n<parameter=n>\n2\n"
       "</parameter>\n</function>\n</tool_call>",
       {"", "", {kCall}}},
      {"<function=",
       "",
       "So: <function=f>{\"s\": \"a <b>\", \"n\": 2}</function>",
       {"So:", "", {kCall}}},
      {"<function name=",
       "",
       "<function name=\"f\"><param name=\"s\">a <b></param><param name=\"n\">2</param></function>",
       {"", "", {kCall}}},
      {"<tool_call>",
       "",
       "\n<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>a <b></arg_value>\n<arg_key>n</arg_key>\n"
       "<arg_value>2</arg_value>\n</tool_call>\n<tool_call>g\n</tool_call>",
       {"", "", {kCall, {"", "g", "{}"}}}},
      {"<minimax:tool_call>",
       "",
       "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"s\">a <b></parameter>\n"
       "<parameter name=\"n\">2</parameter>\n</invoke>\n</minimax:tool_call>",
       {"", "", {kCall}}},
      {"<｜DSML｜function_calls>",
       "",
       "Well.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n"
       "<｜DSML｜parameter name=\"s\" string=\"true\">a <b></｜DSML｜parameter>\n"
       "<｜DSML｜parameter name=\"n\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
       "</｜DSML｜function_calls>",
       {"Well.", "", {kCall}}},
      {"<｜tool▁calls▁begin｜>",
       "",
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
       "{\"s\": \"a <b>\", \"n\": "
       "2}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>g<｜tool▁sep｜>{}"
       "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       {"", "", {kCall, {"", "g", "{}"}}}},
      {"<|tool_calls_section_begin|>",
       "",
       "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>"
       "{\"s\": \"a <b>\", \"n\": 2}<|tool_call_end|><|tool_calls_section_end|>",
       {"", "", {{"functions.f:0", "f", kCall.arguments}}}},
      {"<TOOLCALL>",
       "",
       "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}}]</TOOLCALL>",
       {"", "", {kCall}}},
      {"<|tool_call_start|>",
       "",
       "<|tool_call_start|>[f(s='a <b>', n=2), g()]<|tool_call_end|>Looking.",
       {"Looking.", "", {kCall, {"", "g", "{}"}}}},
      {"<|tool_call_start|>",
       "",
       "<|tool_call_start|>[f(s='12\" pipe')]<|tool_call_end|>Looking.",
       {"Looking.", "", {{"", "f", R"({"s": "12\" pipe"})"}}}},
      {"<|tool_call_start|>",
       "",
       "<|tool_call_start|>[f(s='it\\'s <|tool_call_end|>')]<|tool_call_end|>",
       {"", "", {{"", "f", R"({"s": "it's <|tool_call_end|>"})"}}}},
      {" functools[",
       "",
       " functools[{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}}, {\"name\": "
       "\"g\"}]",
       {"", "", {kCall, {"", "g", "{}"}}}},
      {" functools[", "", "It is in functools[0].", {"It is in functools[0].", "", {}}},
      {"<think></think> \"parameters\": dictionary of argument",
       "",
       "<think>hm</think>\n\n{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}}",
       {"", "hm", {kCall}}},
      {"<think></think> \"parameters\": dictionary of argument",
       "<think>",
       "hm</think>\n\n{oh} <think>",
       {"{oh} <think>", "hm", {}}},
      {"<|tool_call>",
       "",
       "<|tool_call>call:f{s:<|\"|>a <b><|\"|>,n:2}<tool_call|>",
       {"", "", {kCall}}},
      {"[TOOL_CALLS]",
       "",
       "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}, \"id\": "
       "\"abcdefghi\"}]",
       {"", "", {{"abcdefghi", "f", kCall.arguments}}}},
      {"[TOOL_CALLS]",
       "",
       "Yes[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{\"s\": \"a <b>\", \"n\": 2}[TOOL_CALLS]g[ARGS]{}",
       {"Yes", "", {{"abcdefghi", "f", kCall.arguments}, {"", "g", "{}"}}}},
      {"<|python_tag|>",
       "",
       "{\"name\": \"f\", \"parameters\": {\"s\": \"a <b>\", \"n\": 2}}",
       {"", "", {kCall}}},
      {"<|python_tag|>",
       "",
       "{\"name\": \"unknown\", \"parameters\": {}}",
       {"{\"name\": \"unknown\", \"parameters\": {}}", "", {}}},
      {"<|python_tag|>", "", "<|python_tag|>f.call(s=\"a <b>\", n=2)", {"", "", {kCall}}},
      {"<|python_tag|>",
       "",
       "<|python_tag|>{\"name\": \"g\", \"parameters\": {}}; {\"name\": \"g\"}",
       {"", "", {{"", "g", "{}"}, {"", "g", "{}"}}}},
      {"<|START_ACTION|><|START_RESPONSE|><|END_RESPONSE|><|END_THINKING|>",
       "",
       "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[{\"tool_call_id\": \"0\", "
       "\"tool_name\": \"f\", \"parameters\": {\"s\": \"a <b>\", \"n\": 2}}]<|END_ACTION|>",
       {"", "hm", {{"0", "f", kCall.arguments}}}},
      {"<|START_ACTION|><|START_RESPONSE|><|END_RESPONSE|>",
       "",
       "<|START_RESPONSE|>Yes.<|END_RESPONSE|>",
       {"Yes.", "", {}}},
      {"<|tool_call|>",
       "",
       "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"s\": \"a <b>\", \"n\": 2}}]",
       {"", "", {kCall}}},
      {"<|channel|><|message|><|start|>",
       "",
       "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
       {"Yes.", "hm", {}}},
      {"<|channel|><|message|><|start|>",
       "",
       "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"s\": \"a <b>\", \"n\": "
       "2}<|call|>",
       {"", "", {kCall}}},
      {"<|channel|><|message|><|start|>",
       "",
       "<|channel|>commentary to=functions.f<|message|>{broken",
       {"<|channel|>commentary to=functions.f<|message|>{broken", "", {}}},
      {"<|channel|><|message|><|start|>", "", "Just text.", {"Just text.", "", {}}},
      {">>>${recipient}",
       ">>>",
       "all\nYes.>>>f\n{\"s\": \"a <b>\", \"n\": 2}",
       {"Yes.", "", {kCall}}},
      {">>>${recipient}", ">>>", "all\na >> b", {"a >> b", "", {}}},
      {">>>${recipient}", ">>>", "all\nTry:\n>>>foo\nbar>>>", {"Try:\n>>>foo\nbar>>>", "", {}}},
      {">>>${recipient}", ">>>", "foo\nbar>>>all\nx", {"foo\nbarx", "", {}}},
  };
  return all;
}

void check_same(const Answer& found, const Answer& expected) {
  CHECK(found.content == expected.content);
  CHECK(found.reasoning == expected.reasoning);
  REQUIRE(found.calls.size() == expected.calls.size());
  for (size_t i = 0; i < found.calls.size(); ++i) {
    CHECK(found.calls[i].id == expected.calls[i].id);
    CHECK(found.calls[i].name == expected.calls[i].name);
    CHECK(found.calls[i].arguments == expected.calls[i].arguments);
  }
}

}  // namespace

TEST_CASE("Answers in the formats in use come apart into content, reasoning and calls") {
  for (const AnswerExample& example : examples()) {
    CAPTURE(example.text);
    check_same(read_answer(sample_format(example.marks, example.prompt), example.text),
               example.answer);
  }
}

TEST_CASE("However an answer is cut into pieces, it reads as a whole") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  // The answers themselves, and mixtures of their parts in formats that may not be theirs.
  std::vector<std::string> pieces;
  for (const AnswerExample& example : examples()) {
    const std::string text = example.text;
    for (size_t at = 0; at < text.size();) {
      const size_t size = 1 + random() % 40;
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    pieces.push_back(text);
  }
  for (const AnswerExample& example : examples()) {
    const AnswerFormat format = sample_format(example.marks, example.prompt);
    for (int round = 0; round < 60; ++round) {
      std::string text = example.text;
      for (int i = round % 4; i > 0; --i) text += pieces[random() % pieces.size()];
      CAPTURE(text);
      const Answer whole = read_answer(format, text);
      const bool comparable = whole.calls.empty() && format.style != AnswerStyle::Harmony;
      CHECK((!comparable || keeps_text(format, text, whole)));
      CHECK(in_pieces(format, text, [] { return size_t{1}; }) == whole);
      CHECK(in_pieces(format, text, [&] { return size_t{1 + random() % 9}; }) == whole);
    }
  }
}

TEST_CASE("Nothing of a mark is shown before it is known that it is none, and text at once") {
  const AnswerFormat format = sample_format("<think></think><tool_call>");
  AnswerReader reader(format);
  Answer answer;
  reader.feed("<thi", &answer);
  CHECK(answer == Answer());
  reader.feed("nk>wh", &answer);
  CHECK(answer.reasoning == "wh");
  reader.feed("y</thi", &answer);
  CHECK(answer.reasoning == "why");
  reader.feed("nk>Yes, <tool", &answer);
  CHECK(answer.content == "Yes,");
  reader.feed("s>", &answer);
  CHECK(answer.content == "Yes, <tools>");
  reader.feed("<tool_call>{\"name\": \"g\"}</tool_call", &answer);
  CHECK(answer.calls.empty());
  reader.feed(">", &answer);
  CHECK(answer.calls.size() == 1);
  reader.finish(&answer);
  CHECK(answer.content == "Yes, <tools>");
}

TEST_CASE(
    "An answer that goes round in marks is read in little time, and a call behind it is found") {
  const auto repeated = [](const std::string& text) {
    std::string all;
    for (int i = 0; i < 20'000; ++i) all += text;
    return all;
  };
  const std::string call = "<tool_call>{\"name\": \"g\"}</tool_call>";
  const std::string opened = repeated("<tool_call>\n"), quoted = repeated("<tool_call>{\"");
  const std::string closed = "<tool_call>{\"a\":\"" + repeated("</tool_call>\n");
  const AnswerFormat format = sample_format("<think></think><tool_call>");
  const std::clock_t start = std::clock();
  for (const std::string& loop : {opened, quoted, closed}) {
    const Answer whole = read_answer(format, loop + call);
    CHECK(whole.calls.size() == 1);
    CHECK(whole.content.size() >= loop.size() - 1);
    CHECK(in_pieces(format, loop + call, [] { return size_t{7}; }) == whole);
  }
  CHECK(std::clock() - start < 5 * CLOCKS_PER_SEC);
}

TEST_CASE("Marks that a person speaks of are none of the template's") {
  const AnswerFormat format = sample_format("", "What do <think>, </think> and <tool_call> mean?");
  const std::string text =
      "<think> begins a thought, <tool_call>{\"name\": \"g\"}</tool_call> calls.";
  CHECK(read_answer(format, text) == Answer{text, "", {}});
}

TEST_CASE("Without tools nothing is a call") {
  const AnswerFormat format = sample_format("<tool_call><|python_tag|>", "", false);
  for (const std::string text : {"<tool_call>{\"name\": \"g\"}</tool_call>", "{\"name\": \"g\"}",
                                 "<|python_tag|>g.call()"}) {
    CHECK(read_answer(format, text).content == text);
  }
  const AnswerFormat harmony = sample_format("<|channel|><|message|><|start|>", "", false);
  const std::string call = "<|channel|>commentary to=functions.f<|message|>{}";
  CHECK(read_answer(harmony, call) == Answer{call, "", {}});
  const AnswerFormat recipients = sample_format(">>>${recipient}", ">>>", false);
  for (const std::string text : {"f\n{}", "f\n{}>>>g\n{}"})
    CHECK(read_answer(recipients, text) == Answer{text, "", {}});
  CHECK(read_answer(recipients, "all\nYes.") == Answer{"Yes.", "", {}});
}

TEST_CASE("What begins like a header and is none is shown before the end") {
  const AnswerFormat format = sample_format("<|channel|><|message|><|start|>");
  for (const std::string begin : {"to=", "<|channel|>", " <|start|>"}) {
    std::string text = begin;
    for (int i = 0; i < 20'000; ++i) text += begin[0] == 't' ? "round " : begin;
    CAPTURE(begin);
    const std::clock_t start = std::clock();
    Answer answer;
    AnswerReader reader(format);
    for (size_t at = 0; at < text.size(); at += 7) {
      reader.feed(std::string_view(text).substr(at, 7), &answer);
      REQUIRE(answer.content.size() + 600 >= at);
    }
    reader.finish(&answer);
    CHECK(answer == Answer{text, "", {}});
    CHECK(std::clock() - start < 5 * CLOCKS_PER_SEC);
  }
}
