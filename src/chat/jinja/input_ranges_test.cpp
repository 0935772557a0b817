#include "chat/jinja/input_ranges.h"

#include <doctest/doctest.h>

#include "chat/jinja/eval.h"
#include "chat/jinja/json.h"
#include "chat/jinja/parser.h"

using namespace issun;
using namespace issun::chat::jinja;

namespace {

// What the template makes of the variables u, d and m, with what they brought in between « and ».
std::string marked(const std::string& source) {
  const auto body = parse(source);
  REQUIRE_MESSAGE(body.has_value(), body.error().message);
  const Globals input = {
      {"u", " ab<x>c "},
      {"d", *parse_json(R"({"k": "v", "list": ["p", "q"], "json": "{\"a\": \"b\"}"})")},
      {"m", *parse_json(R"([{"role": "user", "content": "hi"}])")}};
  const auto made = Interpreter({}, 0).render(*body, {{"own", "O"}}, input);
  REQUIRE_MESSAGE(made.has_value(), made.error().message);
  std::string text = made->text;
  for (size_t i = made->input.ranges().size(); i-- > 0;) {
    text.insert(made->input.ranges()[i].end, "»");
    text.insert(made->input.ranges()[i].begin, "«");
  }
  return text;
}

}  // namespace

TEST_CASE("What came from outside stays known through every way to join and cut texts") {
  CHECK(marked("a{{ u }}b") == "a« ab<x>c »b");
  CHECK(marked("{{ 'a' + u + 'b' ~ own }}") == "a« ab<x>c »bO");
  CHECK(marked("{{ ('[' + u|trim + ']').strip('[') }}") == "«ab<x>c»]");
  CHECK(marked("{{ u.strip().split('<')[0] }}|{{ u.split('<')[-1] }}") == "«ab»|«x>c »");
  CHECK(marked("{{ ('<<' + u)[1:5] }}|{{ u[::-1] }}") == "<« ab»|« c>x<ba »");
  CHECK(marked("{{ u.replace('<x>', '<y>') }}") == "« ab»<y>«c »");
  CHECK(marked("{{ '_x_'.replace('x', u) }}{{ '_' | replace('_', u) }}") ==
        "_« ab<x>c »_« ab<x>c »");
  CHECK(marked("{{ d.list | join('-') }}|{{ '+'.join(d.list) }}") == "«p»-«q»|«p»+«q»");
  CHECK(marked("{% for c in 'x' + d.k %}{{ c }}.{% endfor %}") == "x.«v».");
  CHECK(marked("{{ ('x' + d.k) * 2 }}") == "x«v»x«v»");
  CHECK(marked("{% set t %}<{{ u }}>{% endset %}{{ t }}") == "<« ab<x>c »>");
  CHECK(marked("{% macro f(a) %}({{ a }}){% endmacro %}{{ f(d.k) }}") == "(«v»)");
  CHECK(marked("{{ d.k.center(3) }}{{ 'a\n' | indent(1) }}{{ ('a\n' + d.k) | indent(1) }}") ==
        " «v» a\na\n «v»");
}

TEST_CASE("What was made of a text as a whole is all from outside where a part of it is") {
  CHECK(marked("{{ ('a' + d.k) | upper }}{{ own | lower }}") == "«AV»o");
  CHECK(marked("{{ '<%s>' % d.k }}{{ '<{}>'.format(d.k) }}") == "<«v»><«v»>");
  CHECK(marked("{{ d.list | tojson }}{{ [own, d.k] }}") == "[«\"p\"», «\"q\"»]['O', «'v'»]");
  CHECK(marked("{{ (d.json | fromjson).a }}") == "«b»");
  CHECK(marked("{{ d.list | map('upper') | first }}|{{ d | dictsort | first | first }}") ==
        "«P»|«json»");
}

TEST_CASE("A role belongs to the template, which builds markup of it") {
  CHECK(marked("<|{{ m[0].role }}|>{{ m[0].content }}") == "<|user|>«hi»");
}
