// Templates written to hurt: each ends as one error, within its limits.
#include <doctest/doctest.h>

#include <ctime>
#include <string>

#include "chat/jinja/eval.h"
#include "chat/jinja/parser.h"
#include "contains.h"

using namespace issun;
using namespace issun::chat::jinja;

namespace {

std::string error_of(const std::string& source, const Limits& limits = {}) {
  const auto body = parse(source);
  if (!body) return body.error().message;
  const auto text = Interpreter(limits, 0).render(*body, {});
  return text ? "rendered " + std::to_string(text->text.size()) + " bytes" : text.error().message;
}

std::string repeated(const char* piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

}  // namespace

TEST_CASE("loops without end run out of steps") {
  Limits limits;
  limits.steps = 100'000;
  CHECK(error_of("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                 limits) == "line 1: more than 100000 steps");
}

TEST_CASE("a range has an end") {
  CHECK(error_of("{{ range(1000000000000) }}") == "line 1: range: more than 100000 numbers");
  CHECK(error_of("{{ range(0, -9223372036854775807, -1) }}") ==
        "line 1: range: more than 100000 numbers");
  CHECK(error_of("{{ range(9223372036854775800, 9223372036854775807, 5) | list | length }}") ==
        "rendered 1 bytes");
  CHECK(error_of("{{ range(1, 2, 0) }}") == "line 1: range: step 0");
}

TEST_CASE("texts and lists that double run out of bytes") {
  const char* doubling[] = {
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor "
      "%}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor "
      "%}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x * 9 %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x.replace('a', n.x) %}"
      "{% endfor %}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = [n.x, n.x] | join(n.x) "
      "%}"
      "{% endfor %}",
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}"
      "{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
      "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}"
      "{{ n.x }}",
      "{{ 'a' * 99999999999 }}",
      "{{ [1] * 99999999999 }}",
      "{{ 'a'.center(99999999999) }}",
      "{{ 'a'.ljust(99999999999) }}",
      "{{ 'a' | center(99999999999) }}",
      "{{ [1] | batch(99999999999, 0) }}",
  };
  Limits limits;
  limits.bytes = int64_t{8} << 20;
  for (const char* source : doubling) {
    CAPTURE(source);
    const std::string error = error_of(source, limits);
    CAPTURE(error);
    CHECK((contains(error, "bytes of intermediate values") || contains(error, "nested deeper") ||
           contains(error, "steps")));
  }
  CHECK(error_of("{{ 'ab' * 9223372036854775807 }}") == "line 1: more than 2^63 items in *");
}

TEST_CASE("the widths of formats are bounded") {
  CHECK(error_of("{{ '%99999999999d' % 1 }}") == "line 1: format: a width above 10000");
  CHECK(error_of("{{ '{:99999999999}'.format(1) }}") ==
        "line 1: format: format: a width above 10000");
  CHECK(error_of("{{ '%.99999999999f' % 1.5 }}") == "line 1: format: a width above 10000");
  CHECK(error_of("{{ 'a' | indent(99999999) }}") == "line 1: indent: a width above 1000");
  CHECK(error_of("{{ [1] | tojson(indent=9999) }}") ==
        "line 1: tojson: expected an indent of 0 to 100, found 9999");
}

TEST_CASE("the output is bounded") {
  Limits limits;
  limits.output_bytes = 1000;
  CHECK(error_of("{% for i in range(2000) %}x{% endfor %}", limits) ==
        "line 1: more than 1000 bytes of output");
}

TEST_CASE("recursion has a bottom") {
  CHECK(
      contains(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "nested deeper than"));
  CHECK(contains(error_of("{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}"),
                 "nested deeper than"));
  CHECK(contains(error_of("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}"),
                 "nested deeper than"));
  CHECK(contains(error_of("{{ " + repeated("[", 100'000) + repeated("]", 100'000) + " }}"),
                 "nested deeper than"));
  CHECK(contains(error_of("{{ " + repeated("not ", 100'000) + "1 }}"), "nested deeper than"));
  CHECK(contains(error_of("{{ " + repeated("-", 100'000) + "1 }}"), "nested deeper than"));
  CHECK(contains(error_of("{{ 1" + repeated(" + 1", 100'000) + " }}"), "more than 200 levels"));
  CHECK(contains(error_of("{{ a" + repeated(".a", 100'000) + " }}"), "more than 200 levels"));
  CHECK(contains(error_of("{{ a" + repeated("|list", 100'000) + " }}"), "more than 200 levels"));
  CHECK(contains(error_of("{{ 1" + repeated(" if 1", 100'000) + " }}"), "more than 200 levels"));
  CHECK(
      contains(error_of("{{ 1" + repeated(" if 1 else 1", 100'000) + " }}"), "nested deeper than"));
  CHECK(contains(error_of(repeated("{% if 1 %}", 100'000)), "nested deeper than"));
  CHECK(contains(
      error_of("{% set " + repeated("(", 100'000) + "a" + repeated(")", 100'000) + " = 1 %}"),
      "nested deeper than"));
}

TEST_CASE("long but flat templates render") {
  CHECK(error_of("{{ 1" + repeated(" ~ 1", 10'000) + " }}") == "rendered 10001 bytes");
  CHECK(error_of("{% if 0 %}" + repeated("{% elif 0 %}", 10'000) + "{% else %}x{% endif %}") ==
        "rendered 1 bytes");
  CHECK(error_of("{{ 1" + repeated(" and 1", 10'000) + " }}") == "rendered 1 bytes");
}

TEST_CASE("values that hold themselves neither hang nor leak") {
  CHECK(contains(error_of("{% set a = [] %}{% do a.append(a) %}{{ a }}"), "nested deeper than"));
  CHECK(contains(error_of("{% set a = [] %}{% do a.append(a) %}{{ a | tojson }}"),
                 "nested deeper than"));
  CHECK(contains(error_of("{% set a = [] %}{% do a.append(a) %}{% set b = [] %}{% do b.append(b) %}"
                          "{{ a == b }}"),
                 "nested deeper than"));
  CHECK(error_of("{% set n = namespace() %}{% set n.n = n %}{% set n.f = {}.get %}x") ==
        "rendered 1 bytes");
  CHECK(error_of("{% set n = namespace(x=[]) %}{% for i in range(90000) %}{% set n.x = [n.x] %}"
                 "{% endfor %}x") == "rendered 1 bytes");
}

TEST_CASE("integers do not wrap around") {
  const char* const overflowing[] = {
      "9223372036854775807 + 1",          "-9223372036854775807 - 2",
      "9223372036854775807 * 2",          "2 ** 63",
      "-(-9223372036854775807 - 1)",      "(-9223372036854775807 - 1) // -1",
      "(-9223372036854775807 - 1) | abs", "[9223372036854775807, 1] | sum"};
  for (const char* expression : overflowing) {
    CAPTURE(expression);
    CHECK(contains(error_of("{{ " + std::string(expression) + " }}"), "integer overflow"));
  }
  CHECK(error_of("{{ (-9223372036854775807 - 1) % -1 }}") == "line 1: integer overflow in %");
  CHECK(error_of("{{ 1e300 | int }}") == "rendered 1 bytes");
  CHECK(error_of("{{ 'x'[9223372036854775807] }}{{ 'x'[-9223372036854775807 - 1] }}") ==
        "rendered 0 bytes");
  CHECK(error_of("{{ 'abc'[::9223372036854775807] }}{{ 'abc'[::-9223372036854775807] }}") ==
        "rendered 2 bytes");
  CHECK(error_of("{{ '%d' % 1e300 }}") == "line 1: format: 1e+300 is no integer of 64 bits");
}

TEST_CASE("a macro does not outlive the loop that defines it") {
  CHECK(error_of(
            "{% set n = namespace() %}{% for i in range(1) %}{% macro m() %}{{ i }}{% endmacro %}"
            "{% set n.m = m %}{% endfor %}{{ n.m() }}") ==
        "line 1: macro 'm' called outside of the block that defines it");
}

TEST_CASE("the worst a template may do takes seconds, not minutes") {
  const char* const slow[] = {
      "{% for i in range(99999) %}{% for i in range(99999) %}{% set x = i %}{% endfor %}{% endfor "
      "%}",
      "{% set s = 'a' * 9000000 %}{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}",
      "{% set s = 'a' * 9000000 %}{% for i in range(99999) %}{{ s | length }}{% endfor %}",
      "{% set s = 'a' * 9000000 %}{% for i in range(99999) %}{{ s.find('b') }}{% endfor %}",
      "{% set s = 'a' * 9000000 %}{% for i in range(99999) %}{{ s.split('b') | length }}{% endfor "
      "%}",
      "{% set l = range(99999) | list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
      "{% set l = range(99999) | list %}{% for i in l %}{{ l | sort | length }}{% endfor %}",
      "{% set l = range(99999) | list %}{% for i in l %}{{ l | unique | list | length }}{% endfor "
      "%}",
  };
  Limits limits;
  limits.steps /= 10;
  limits.bytes /= 4;
  for (const char* source : slow) {
    CAPTURE(source);
    const std::clock_t begin = std::clock();
    const std::string error = error_of(source, limits);
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    CAPTURE(error);
    CHECK((contains(error, "steps") || contains(error, "bytes of intermediate values")));
    CAPTURE(seconds);
    CHECK(seconds < 5);  // about a tenth on the reference machine; sanitizers multiply it
  }
}
