// Against Jinja2, whose answers are kept beside; and what must not work.
#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "chat/jinja/eval.h"
#include "chat/jinja/golden_clock.h"
#include "chat/jinja/json.h"
#include "chat/jinja/parser.h"

using namespace issun;
using namespace issun::chat::jinja;

namespace {

constexpr const char* kVariables = R"({
  "s": "  Hello, W\u00f6rld! \"quoted\" it's  ", "u": "\u65e5\u672c\u8a9e\u3000\u30c6\u30ad\u30b9\u30c8 ",
  "n": 7, "neg": -7, "f": 2.5, "big": 1e+20, "l": [3, 1, 2], "e": [],
  "d": {"b": 1, "a": 2, "C": [1, {"x": null}], "items": 5}, "t": true, "none": null,
  "ms": [{"role": "user", "content": "hi", "n": 2}, {"role": "assistant", "content": "Yo", "n": 1},
         {"role": "user", "content": "B", "n": 3}],
  "nested": {"a": {"b": [1, 2, {"c": "deep"}]}}, "tx": "a\nb\n\nc\n",
  "esc": "<b>&\"'\u0007\u007f\u00a0\u200b\u3000\ud83d\ude00"})";

struct SourceExample {
  const char* source;
  const char* expected;
};

constexpr SourceExample kExpressions[] = {
#include "chat/jinja/expressions_golden.inc"
};
constexpr SourceExample kStatements[] = {
#include "chat/jinja/statements_golden.inc"
};

Result<std::string> render(const std::string& source) {
  const Body body = TRY(parse(source));
  const Value variables = TRY(parse_json(kVariables));
  Globals globals;
  for (const auto& [name, value] : variables.entries().entries()) {
    globals.emplace_back(name.text(), value);
  }
  return TRY(Interpreter({}, kGoldenClock).render(body, globals)).text;
}

std::string rendered(const std::string& source) {
  const auto text = render(source);
  return text ? *text : "error: " + text.error().message;
}

std::string render_error(const std::string& source) {
  const auto text = render(source);
  return text ? "rendered: " + *text : text.error().message;
}

}  // namespace

TEST_CASE("expressions have the value that Jinja2 gives them") {
  for (const SourceExample& example : kExpressions) {
    CAPTURE(example.source);
    CHECK(rendered("{{ " + std::string(example.source) + " }}") == example.expected);
  }
}

TEST_CASE("templates render as in Jinja2") {
  for (const SourceExample& example : kStatements) {
    CAPTURE(example.source);
    CHECK(rendered(example.source) == example.expected);
  }
}

TEST_CASE("a text joins with what is no text, as templates in use expect of the reference engine") {
  CHECK(rendered("{{ 'a' + l }}{{ d.C + 'x' }}") == "a[3, 1, 2][1, {'x': None}]x");
  CHECK(render_error("{{ 'a' + zz }}") == "line 1: + does not go with str and undefined");
}

TEST_CASE("tags of the tools around models are understood") {
  CHECK(rendered("{% generation %}a{% endgeneration %}") == "a");
  CHECK(rendered("{{ '{\"a\": [1, 2.5, null]}' | from_json }}") == "{'a': [1, 2.5, None]}");
  CHECK(rendered("{{ ('{\"b\": 1, \"a\": 2}' | fromjson).a }}") == "2");
  CHECK(rendered("{{ strftime_now('%d %B %Y') }}") == "01 January 2026");
}

TEST_CASE("what a template changes is its own copy") {
  const Body body = parse("{% do l.append(4) %}{{ l }}").value();
  const Globals globals = {{"l", Value::list({1})}};
  CHECK(Interpreter({}, 0).render(body, globals).value().text == "[1, 4]");
  CHECK(Interpreter({}, 0).render(body, globals).value().text == "[1, 4]");
}

TEST_CASE("errors name the line and the thing") {
  CHECK(render_error("a\n{{ zz.b }}") == "line 2: 'zz' is undefined");
  CHECK(render_error("{{ n }}\n\n{{ d.zz.b }}") == "line 3: 'd'.zz is undefined");
  CHECK(render_error("{{ nothing() }}") == "line 1: 'nothing' is undefined");
  CHECK(render_error("{{ n() }}") == "line 1: 'n' is no function");
  CHECK(render_error("{{ n | shout }}") == "line 1: no filter named 'shout'");
  CHECK(render_error("{{ n is loud }}") == "line 1: no test named 'loud'");
  CHECK(render_error("{{ 1 / 0 }}") == "line 1: division by zero");
  CHECK(render_error("{{ none + 'a' }}") == "line 1: + does not go with None and str");
  CHECK(render_error("{{ 1 < 'a' }}") == "line 1: no order between int and str");
  CHECK(render_error("{{ s.replace('a') }}") == "line 1: replace: expected an argument 'new'");
  CHECK(render_error("{{ s.upper(1) }}") == "line 1: upper: expected at most 0 arguments, found 1");
  CHECK(render_error("{{ l | join(x=1) }}") == "line 1: join: no argument named 'x'");
  CHECK(render_error("{% set n.x = 1 %}") == "line 1: cannot assign to n.x: n is no namespace");
  CHECK(render_error("{% for a, b in [[1]] %}{% endfor %}") ==
        "line 1: expected 2 values to unpack, found 1");
  CHECK(render_error("{{ raise_exception('no\nsuch') }}") == "line 1: raise_exception: no\nsuch");
  CHECK(render_error("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}") ==
        "line 1: macro 'm': expected at most 1 arguments, found 2");
}

TEST_CASE("what is no template does not parse") {
  CHECK(render_error("{% if t %}") == "line 1: expected 'endif', found the end of the template");
  CHECK(render_error("a\n{% endif %}") == "line 2: 'endif' without its beginning");
  CHECK(render_error("{% for x in l %}{% endif %}") == "line 1: expected 'endfor', found 'endif'");
  CHECK(render_error("\n\n{% include 'x' %}") ==
        "line 3: no tag named 'include' in chat templates");
  CHECK(render_error("{{ 1 + }}") == "line 1: expected an expression, found '}}'");
  CHECK(render_error("{{ a b }}") == "line 1: expected '}}', found 'b'");
  CHECK(render_error("{{ (1 }}") == "line 1: unexpected '}'");
  CHECK(render_error("{{ 'abc }}") == "line 1: a string without end");
  CHECK(render_error("{# abc") == "line 1: a comment without end");
  CHECK(render_error("{% raw %}abc") == "line 1: raw without endraw");
  CHECK(render_error("{{ 1") == "line 1: a tag without end");
  CHECK(render_error("{{ 99999999999999999999 }}") ==
        "line 1: '99999999999999999999' is no integer of 64 bits");
  CHECK(render_error("{{ n $ 1 }}") == "line 1: unexpected character '$'");
  CHECK(render_error("{% break %}") == "line 1: break outside of a loop");
  CHECK(render_error("{{ '\\ud800' }}") ==
        "line 1: \\u expects 4 hexadecimal digits of a character");
}

TEST_CASE("JSON that is none is refused with its place") {
  const auto error = [](const char* text) {
    const auto value = parse_json(text);
    return value ? std::string("parsed") : value.error().message;
  };
  CHECK(error("[1, 2") == "JSON: expected ',' or ']' at byte 5");
  CHECK(error("{\"a\" 1}") == "JSON: expected ':' at byte 5");
  CHECK(error("{a: 1}") == "JSON: expected a key at byte 1");
  CHECK(error("\"abc") == "JSON: a string without end");
  CHECK(error("[1] 2") == "JSON: unexpected text at byte 4");
  CHECK(error("") == "JSON: expected a value, found the end");
  CHECK(error("nul") == "JSON: unexpected character at byte 0");
  CHECK(error("1e999") == "JSON: number out of range at byte 0");
  CHECK(error("\"\\ud83d\\u0041\"") == "JSON: half a surrogate pair at byte 13");
  CHECK(error(std::string(300, '[').c_str()) == "JSON: nested deeper than 200 levels");
  CHECK(parse_json("[-0.5e3, 12345678901234567890]").has_value());
}
