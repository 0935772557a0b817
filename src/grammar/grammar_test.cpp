#include "grammar/grammar.h"

#include <doctest/doctest.h>

#include <ctime>

#include "grammar/testing.h"
#include "tokenizer/made_up_vocabulary.h"

using namespace issun;
using namespace issun::grammar;

namespace {

Grammar gbnf(std::string_view text) {
  auto grammar = Grammar::from_gbnf(text);
  REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
  return std::move(*grammar);
}
Grammar schema(std::string_view text) {
  auto grammar = Grammar::from_json_schema(text);
  REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
  return std::move(*grammar);
}
std::string refusal(std::string_view schema_text) {
  const auto grammar = Grammar::from_json_schema(schema_text);
  return grammar ? "" : grammar.error().message;
}

bool has(std::span<const uint64_t> mask, Token token) {
  return (mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

}  // namespace

TEST_CASE("GBNF: literals, classes, groups, repetition and rules") {
  const Grammar sums =
      gbnf("root ::= term ([-+] term)* # sums\nterm ::= [0-9]{1,3} | \"(\" root \")\"\n");
  for (const char* text : {"1", "12+345", "(1-2)+3", "((7))"}) CHECK(accepts(sums, text));
  for (const char* text : {"", "1234", "1+", "(1", "1*2"}) CHECK_FALSE(accepts(sums, text));
  const Grammar japanese = gbnf("root ::= [ぁ-ゟ]+ \"。\" [^a-z]? .?");
  CHECK(accepts(japanese, "ひらがな。😀x"));
  CHECK_FALSE(accepts(japanese, "カ。"));
  CHECK_FALSE(accepts(japanese, "ひ。\xF0\x9F"));
  CHECK(accepts(gbnf("root ::=\n  \"a\" |\n  \"\\x41\\u3042\" # two\n"), "Aあ"));
}

TEST_CASE("GBNF: what is wrong is told with its place") {
  const auto message = [](std::string_view text) {
    const auto grammar = Grammar::from_gbnf(text);
    return grammar ? "" : grammar.error().message;
  };
  CHECK(message("root ::= a\nb ::= \"x") ==
        "grammar: line 2, column 9: expected '\"' at the end of a literal, found the end");
  CHECK(message("root ::= \"a\" none").find("line 1, column 14: there is no rule 'none'") !=
        std::string::npos);
  CHECK(message("a ::= \"x\"") == "grammar: expected a rule named 'root'");
  CHECK(message("root ::= x\nx ::= y? x \"a\"\ny ::= \"b\"").find("left recursion") !=
        std::string::npos);
  CHECK(message("root ::= \"a\" root").find("no text satisfies") != std::string::npos);
  CHECK(message("root ::= [a-z]{1,100000}{100}").find("too large") != std::string::npos);
  std::string many = "root ::= a0";
  for (int i = 0; i < 5000; ++i) many += fmt::format(" | a{}", i);
  for (int i = 0; i < 5000; ++i) many += fmt::format("\na{} ::= \"x\"", i);
  CHECK(message(many).find("too many") != std::string::npos);
  CHECK(message("root ::= <think>").find("tokens can be named only") != std::string::npos);
}

TEST_CASE("schemas: properties come in any order, once, and the required ones come") {
  const Grammar object = schema(R"({"type": "object", "properties": {"a": {"type": "integer"},
      "ab": {"type": "boolean"}}, "required": ["a"], "additionalProperties": false})");
  for (const char* text :
       {R"({"a":1})", R"({"ab":true,"a":-3})", R"({"a": 1, "ab": false})", "{\n  \"a\": 1\n}"}) {
    CHECK(accepts(object, text));
  }
  for (const char* text : {"{}", R"({"ab":true})", R"({"a":1,"a":2})", R"({"a":1.5})",
                           R"({"a":1,"b":2})", R"({"a":1,})"}) {
    CHECK_FALSE(accepts(object, text));
  }
}

TEST_CASE("schemas: counted names without a list must differ") {
  const Grammar object = schema(R"({"type": "object", "minProperties": 2})");
  CHECK(accepts(object, R"({"x":1,"y":2})"));
  CHECK_FALSE(accepts(object, R"({"x":1,"x":2})"));
  CHECK_FALSE(accepts(object, R"({"x":1,"\u0078":2})"));
}

TEST_CASE("schemas: bounds and steps of numbers are exact") {
  const Grammar numbers =
      schema(R"({"type": "number", "minimum": -2.5, "exclusiveMaximum": 10, "multipleOf": 0.05})");
  for (const char* text : {"-2.5", "-2.50", "0", "-0.0", "9.95", "3"})
    CHECK(accepts(numbers, text));
  for (const char* text : {"-2.55", "10", "10.0", "9.96", "1e0", "01", "-"}) {
    CHECK_FALSE(accepts(numbers, text));
  }
}

TEST_CASE("schemas: oneOf, not and if leave out what they must") {
  const Grammar one = schema(R"({"oneOf": [{"type": "integer"}, {"minimum": 5}]})");
  CHECK(accepts(one, "4"));
  CHECK(accepts(one, "5.5"));
  CHECK(accepts(one, "\"x\""));  // the second holds for all that are no numbers
  CHECK_FALSE(accepts(one, "5"));
  CHECK_FALSE(accepts(one, "4.5"));
  const Grammar choice = schema(
      R"({"type": "object", "properties": {"k": {"enum": ["n", "s"]}}, "required": ["k", "v"],
      "if": {"properties": {"k": {"const": "n"}}}, "then": {"properties": {"v": {"type": "number"}}},
      "else": {"properties": {"v": {"type": "string"}}}})");
  CHECK(accepts(choice, R"({"k":"n","v":1})"));
  CHECK(accepts(choice, R"({"v":"x","k":"s"})"));
  CHECK_FALSE(accepts(choice, R"({"k":"n","v":"x"})"));
  CHECK_FALSE(accepts(choice, R"({"v":1,"k":"s"})"));
}

TEST_CASE("schemas: escapes in strings count as the characters they are") {
  const Grammar text = schema(R"({"type": "string", "pattern": "^[é\\u{1F600}\\n]{2}$"})");
  CHECK(accepts(text, "\"é😀\""));
  CHECK(accepts(text, R"("\u00e9\uD83D\ude00")"));
  CHECK(accepts(text, R"("\n\u000A")"));
  CHECK_FALSE(accepts(text, R"("\u00e8\n")"));
  CHECK_FALSE(accepts(text, "\"é\n\""));
  CHECK(accepts(schema(R"({"maxLength": 1})"), R"("\ud83d\ude00")"));
}

TEST_CASE("schemas: what is not supported is refused by name and path") {
  CHECK(refusal(R"({"properties": {"a": {"uniqueItems": true}}})") ==
        "#/properties/a/uniqueItems: this keyword is not supported");
  CHECK(refusal(R"({"unevaluatedProperties": false})").find("#/unevaluatedProperties") == 0);
  CHECK(refusal(R"({"pattern": "(a)\\1"})").find("#/pattern") == 0);
  CHECK(refusal(R"({"format": "regex"})").find("#/format") == 0);
  CHECK(refusal(R"({"$ref": "https://example.com/a.json"})").find("#/$ref") == 0);
  CHECK(refusal(R"({"$ref": "#"})").find("refers to itself") != std::string::npos);
  CHECK(refusal(R"({"type": "strin"})").find("#/type") == 0);
  CHECK(refusal(R"({"type": "string", "minLength": 3, "maxLength": 2})") ==
        "schema: no value satisfies it");
  CHECK(refusal(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})") ==
        "schema: no value satisfies it");
  CHECK(refusal("{").find("schema: ") == 0);
}

TEST_CASE(
    "tokens: the mask is what can be completed, and ends are in it when the text is complete") {
  const auto vocabulary = tokenizer::made_up_bpe();
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  const auto tokens = std::make_shared<const TokenIndex>(*tokenizer);
  const auto grammar =
      std::make_shared<const Grammar>(schema(R"({"enum": ["hello", "help", 7], "maxLength": 5})"));
  GrammarState state(grammar, tokens);
  const Token end = tokenizer->eos();
  CHECK_FALSE(has(state.allowed(), end));
  CHECK_FALSE(state.accept(end));
  REQUIRE(state.accept(tokenizer->find("\"")));
  CHECK(has(state.allowed(), tokenizer->find("hello")));
  CHECK(has(state.allowed(), tokenizer->find("he")));
  CHECK_FALSE(has(state.allowed(), tokenizer->find("ll")));
  GrammarState other = state.clone();
  REQUIRE(other.accept(tokenizer->find("hello")));
  REQUIRE(other.accept(tokenizer->find("\"")));
  CHECK(other.can_end());
  CHECK(has(other.allowed(), end));
  CHECK(other.accept(end));
  CHECK_FALSE(state.can_end());
  CHECK(state.accept_text("help\""));
}

// What masks are tried on: kinds of texts and keys, and places in them.
constexpr const char* kMaskSchemas[] = {
    R"({"type": "string", "maxLength": 6})",
    R"({"type": "string", "pattern": "^h?[a-l ]*$"})",
    R"({"type": "string", "minLength": 4})",
    R"({"type": "string", "minLength": 17, "maxLength": 19})",
    R"({"type": "string", "format": "uri-reference"})",
    R"({"type": "string", "pattern": "^[^日/]{2,5}/?$"})",
    R"({"enum": ["he", "hello", "he日", 12]})",
    R"({"type": "object", "properties": {"hello": {}}})",
    R"({"type": "object", "minProperties": 2})",
    R"({"patternProperties": {"^h": {"type": "number"}, "o$": {"type": "string"}}})",
    R"({"properties": {"hello": {}, "he": {"type": "string"}}, "additionalProperties": false})",
    R"({"properties": {"he": {}}, "maxProperties": 2,
        "additionalProperties": {"type": "number"}})",
    R"({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "array"},
                  {"type": "string", "pattern": "^l"}]})",
    R"({"anyOf": [{"properties": {"he": {}}, "required": ["he"]},
                  {"properties": {"hello": {"type": "number"}}, "additionalProperties": false}]})",
    "true"};
constexpr const char* kMaskStarts[] = {"",
                                       "\"",
                                       "\"he",
                                       "\"l",
                                       "\"he/",
                                       "\"\\u0",
                                       "\"日",
                                       "{",
                                       "{\"",
                                       "{\"he",
                                       "{\"hell",
                                       "{\"hello\": 1,",
                                       "{\"he\": 1,\"",
                                       "{\"he\":1, \"h",
                                       "{\"hello\": [",
                                       "\"\xE3"};
constexpr const char* kMaskTokens[] = {"\"",
                                       "\",",
                                       "lo\"",
                                       "hello\":",
                                       "\"he",
                                       "\\",
                                       "\\\"",
                                       "\\n",
                                       "a\\u00",
                                       "lo\\",
                                       "\":\"",
                                       "\"}",
                                       "], \"",
                                       "\n  \"",
                                       "日",
                                       "日本",
                                       "日本\"",
                                       "he日",
                                       "%4",
                                       "hello/he",
                                       "12",
                                       "1.5",
                                       "\":1,\"he\":",
                                       "hello hello hello h",
                                       "hello hello hello he",
                                       "he hello hello hello he"};

namespace {

// After each of the starts that the grammar accepts, every token is in the mask exactly when its
// bytes are accepted.
void check_masks(const std::shared_ptr<const Grammar>& grammar,
                 const std::shared_ptr<const TokenIndex>& tokens, int vocabulary_size) {
  for (const char* start : kMaskStarts) {
    GrammarState state(grammar, tokens);
    if (!state.accept_text(start)) continue;
    CAPTURE(start);
    const std::vector<uint64_t> mask(state.allowed().begin(), state.allowed().end());
    for (Token token = 0; token < vocabulary_size; ++token) {
      GrammarState next = state.clone();
      CHECK(has(mask, token) == next.accept(token));
    }
  }
}

}  // namespace

TEST_CASE("tokens: a mask holds a token exactly when its bytes are accepted") {
  auto vocabulary = tokenizer::made_up_spm();
  for (const char* text : kMaskTokens) vocabulary.add(text);
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  const auto tokens = std::make_shared<const TokenIndex>(*tokenizer);
  for (const char* text : kMaskSchemas) {
    const auto grammar = std::make_shared<const Grammar>(schema(text));
    CAPTURE(text);
    check_masks(grammar, tokens, tokenizer->vocabulary_size());
  }
}

TEST_CASE("tokens: what is kept in mind is bounded, and the text goes on as before") {
  const auto vocabulary = tokenizer::made_up_spm();
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  const auto tokens = std::make_shared<const TokenIndex>(*tokenizer);
  const auto grammar =
      std::make_shared<const Grammar>(schema(R"({"type": "object", "minProperties": 3000})"));
  GrammarState state(grammar, tokens);
  REQUIRE(state.accept_text("{\"k\": 1"));
  size_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(state.accept_text(fmt::format(", \"key {}\": 1", i)));
    most = std::max(most, state.kept_words());
  }
  CHECK(most > 500'000);
  CHECK(most < 1'100'000);
  CHECK_FALSE(state.clone().accept_text(", \"key 77\": 1"));  // it was there before
  CHECK(state.accept_text(", \"key 2001\": 1"));
}

TEST_CASE("tokens: whole tokens are read where a grammar names them") {
  const auto vocabulary = tokenizer::made_up_bpe();
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  auto grammar = Grammar::from_gbnf("root ::= <|begin|> \"h\"", &*tokenizer);
  REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
  GrammarState state(std::make_shared<const Grammar>(std::move(*grammar)),
                     std::make_shared<const TokenIndex>(*tokenizer));
  CHECK(has(state.allowed(), tokenizer->bos()));
  CHECK_FALSE(state.accept(tokenizer->find("h")));
  REQUIRE(state.accept(tokenizer->bos()));
  REQUIRE(state.accept(tokenizer->find("h")));
  CHECK(state.can_end());
}

TEST_CASE("GBNF with schemas: each name is a JSON value of its own schema") {
  const NamedSchema schemas[] = {
      {"point", R"({"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}},
                    "required": ["x"], "additionalProperties": false,
                    "$defs": {"n": {"type": "integer"}}})",
       "tools[0]"},
      {"words", R"({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1})", "tools[1]"}};
  const auto mixed = [&](std::string_view text) {
    auto grammar = Grammar::from_gbnf(text, nullptr, schemas);
    REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
    return std::move(*grammar);
  };
  const Grammar calls = mixed("root ::= \"<\" (\"p:\" point | \"w:\" words) (\",\" words)* \">\"");
  for (const char* text : {R"(<p:{"x": 12}>)", R"(<w:["a","b"]>)", R"(<p:{"x": 1},["b"],["a"]>)"})
    CHECK(accepts(calls, text));
  for (const char* text : {R"(<p:{"x": "a"}>)", R"(<p:["a"]>)", R"(<w:[]>)", R"(<w:["c"]>)",
                           R"(<p: {"x": 1}>)", R"(<p:{"x": 1}, ["a"]>)", R"(<p:{"y": 1}>)"})
    CHECK_FALSE(accepts(calls, text));
  const NamedSchema broken[] = {{"a", R"({"type": "nothing"})", "tools[7].parameters"}};
  const auto refused = Grammar::from_gbnf("root ::= a", nullptr, broken);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.starts_with("tools[7].parameters: "));
}

TEST_CASE("GBNF with schemas: a mask holds a token exactly when its bytes are accepted") {
  auto vocabulary = tokenizer::made_up_spm();
  for (const char* text : kMaskTokens) vocabulary.add(text);
  for (const char* text : {"\">", "\">>", "\"}>", ">"}) vocabulary.add(text);
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  const auto tokens = std::make_shared<const TokenIndex>(*tokenizer);
  for (const char* text : kMaskSchemas) {
    const NamedSchema schemas[] = {{"other", R"({"type": "string", "maxLength": 3})", "other"},
                                   {"value", text, "value"}};
    auto made = Grammar::from_gbnf("root ::= (value | other) \">\"+", nullptr, schemas);
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    const auto grammar = std::make_shared<const Grammar>(std::move(*made));
    CAPTURE(text);
    check_masks(grammar, tokens, tokenizer->vocabulary_size());
  }
}

// Some seconds; ten times as many under sanitizers.
constexpr std::clock_t kSoon = 100 * CLOCKS_PER_SEC;

TEST_CASE("A grammar that takes too long to be made ready is refused, soon") {
  std::string chain = "root ::= r0";
  constexpr int kRules = 20'000;
  for (int i = 1; i < kRules; ++i)
    chain += fmt::format("\nr{} ::= \"a\" r{}", kRules - i, kRules - i - 1);
  chain += fmt::format("\nr0 ::= \"b\" | r{} \"c\"", kRules - 1);
  const std::clock_t start = std::clock();
  for (const std::string& text : {std::string("root ::= (\"x\"?){90000}"), chain}) {
    const auto grammar = Grammar::from_gbnf(text);
    REQUIRE_FALSE(grammar.has_value());
    CHECK(grammar.error().message.find("too large: it takes more than") != std::string::npos);
  }
  // Hundreds of patterns whose every combination is another class of names.
  std::string patterns = "{\"type\": \"object\", \"patternProperties\": {";
  for (int i = 0; i < 300; ++i)
    patterns += fmt::format("{}\"a.{{{}}}b$\": {{}}", i > 0 ? ", " : "", i);
  CHECK_FALSE(refusal(patterns + "}}").empty());
  std::string either = "{\"oneOf\": [";
  for (int i = 0; i < 400; ++i)
    either += fmt::format("{}{{\"pattern\": \"[a-{}].{{{}}}x\"}}", i > 0 ? ", " : "",
                          static_cast<char>('b' + i % 20), i % 37);
  CHECK_FALSE(refusal(either + "]}").empty());
  CHECK(std::clock() - start < kSoon);
}

TEST_CASE("Schemas that are each no work to speak of may be too much together") {
  std::string schema = "{\"type\": \"object\", \"patternProperties\": {";
  for (int i = 0; i < 10; ++i)
    schema += fmt::format("{}\"a.{{{}}}b$\": {{}}", i > 0 ? ", " : "", i);
  schema += "}}";
  std::vector<NamedSchema> schemas;
  std::string text = "root ::= s0";
  for (int i = 0; i < 400; ++i) {
    schemas.push_back({fmt::format("s{}", i), schema, fmt::format("tools[{}]", i)});
    if (i > 0) text += fmt::format(" | s{}", i);
  }
  const auto few = Grammar::from_gbnf("root ::= s0 | s1", nullptr, std::span(schemas).first(2));
  REQUIRE_MESSAGE(few.has_value(), few.error().message);
  const std::clock_t start = std::clock();
  const auto all = Grammar::from_gbnf(text, nullptr, schemas);
  REQUIRE_FALSE(all.has_value());
  CHECK(all.error().message.starts_with("tools["));
  CHECK(all.error().message.find("too large: it takes more than") != std::string::npos);
  CHECK(std::clock() - start < kSoon);
}

TEST_CASE("tokens: a grammar that asks for much at each token is given up, soon") {
  auto vocabulary = tokenizer::made_up_spm();
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) {
      const std::string pair = {a, b};
      const auto& texts = vocabulary.texts;
      if (std::find(texts.begin(), texts.end(), pair) == texts.end()) vocabulary.add(pair);
    }
  }
  const auto tokenizer = tokenizer::Tokenizer::create(vocabulary.metadata());
  REQUIRE(tokenizer.has_value());
  std::string text = "root ::= r0";
  constexpr int kWays = 4000;
  for (int i = 1; i < kWays; ++i) text += fmt::format(" | r{}", i);
  for (int i = 0; i < kWays; ++i) text += fmt::format("\nr{} ::= [a-z]{{70}} \"!\"", i);
  GrammarState state(std::make_shared<const Grammar>(gbnf(text)),
                     std::make_shared<const TokenIndex>(*tokenizer));
  const std::clock_t start = std::clock();
  int tokens = 0;
  while (!state.too_costly() && tokens < 34) {
    (void)state.allowed();
    if (state.too_costly()) break;
    REQUIRE((state.accept(tokenizer->find("ab")) || state.too_costly()));
    ++tokens;
  }
  CHECK(state.too_costly());
  CHECK(tokens > 1);
  CHECK(std::clock() - start < kSoon);
}
