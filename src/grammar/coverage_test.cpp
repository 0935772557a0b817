// Published grammars, and the suites of JSON Schema: what is compiled, what is refused and why, and
// that no invalid value is ever accepted. ISSUN_COVERAGE=full runs all of it and prints every
// refusal and missed value.
#include <cstdlib>
#include <map>
#include <optional>

#include "base/clock.h"
#include "gguf/reader.h"
#include "grammar/testing.h"
#include "shared_data.h"

using namespace issun;
using namespace issun::grammar;

namespace {

bool full() {
  const char* wish = std::getenv("ISSUN_COVERAGE");
  return wish != nullptr && std::string_view(wish) == "full";
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files = shared_names(folder, ".json");
  for (std::string& file : files) file = folder + "/" + file + ".json";
  return files;
}

// Of a path of files_in().
std::string stem(const std::string& path) {
  const size_t name = path.rfind('/') + 1;
  return path.substr(name, path.rfind('.') - name);
}

Json read_json(const std::string& relative) {
  const auto bytes = read_shared(relative);
  auto json = Json::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  REQUIRE_MESSAGE(json.has_value(), relative << ": " << json.error().message);
  return std::move(*json);
}

double part(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(share * static_cast<double>(values.size())))];
}

struct Coverage {
  int schemas = 0, compiled = 0, valid = 0, valid_accepted = 0, invalid = 0, invalid_accepted = 0;
  std::vector<double> compile_seconds;
  std::map<std::string, int> refusals;

  // `draft`: for schemas that do not name theirs.
  std::optional<Grammar> compile(const std::string& name, const Json& schema,
                                 const std::string& draft = "") {
    std::string text = to_text(schema);
    if (!draft.empty() && schema.is_object() && !schema.has("$schema")) {
      text.insert(1, "\"$schema\": \"" + draft + "\"" + (schema.members().empty() ? "" : ", "));
    }
    ++schemas;
    const double start = seconds_now();
    auto grammar = Grammar::from_json_schema(text);
    compile_seconds.push_back(seconds_now() - start);
    if (!grammar) {
      const std::string& message = grammar.error().message;
      const size_t colon = std::min(message.find(": "), message.size());
      const std::string path = message.substr(0, colon);
      ++refusals[path.substr(path.rfind('/') + 1) + message.substr(colon).substr(0, 60)];
      if (full()) MESSAGE("refused: " << name << ": " << message);
      return std::nullopt;
    }
    ++compiled;
    return std::move(*grammar);
  }

  void check(const std::string& name, const Grammar& grammar, const Json& value, bool is_valid) {
    bool accepted = accepts(grammar, to_text(value, {.points = true})) ||
                    accepts(grammar, to_text(value, {.reversed = true, .points = true}));
    // The same number may be written so that it is allowed.
    if (is_valid && !accepted) accepted = accepts(grammar, to_text(value));
    ++(is_valid ? valid : invalid);
    if (!is_valid) {
      CHECK_MESSAGE(!accepted,
                    "invalid, but accepted: " << name << ": " << to_text(value).substr(0, 300));
      invalid_accepted += accepted;
    } else {
      valid_accepted += accepted;
      if (!accepted && full()) MESSAGE("missed: " << name << ": " << to_text(value).substr(0, 300));
    }
  }

  void print(const char* what) {
    std::string reasons;
    for (const auto& [reason, count] : refusals)
      reasons += fmt::format("\n    {:4} {}", count, reason);
    const std::string report = fmt::format(
        "{}: {} of {} schemas compiled; {} of {} valid values accepted; {} of {} invalid ones "
        "rejected; compile median {:.2f} ms, 99 % {:.2f} ms, longest {:.1f} ms; refused:{}",
        what, compiled, schemas, valid_accepted, valid, invalid - invalid_accepted, invalid,
        part(compile_seconds, 0.5) * 1e3, part(compile_seconds, 0.99) * 1e3,
        part(compile_seconds, 1) * 1e3, reasons);
    MESSAGE(report);
  }
};

void run_suite(Coverage& coverage, const std::string& folder, const std::string& draft = "") {
  for (const std::string& file : files_in(folder)) {
    const Json groups = read_json(file);
    for (const Json& group : groups.items()) {
      const std::string name = stem(file) + ": " + group["description"].text();
      const auto grammar = coverage.compile(name, group["schema"], draft);
      if (!grammar) continue;
      for (const Json& test : group["tests"].items()) {
        coverage.check(name + ": " + test["description"].text(), *grammar, test["data"],
                       test["valid"].is_true());
      }
    }
  }
}

// Every token by itself, byte by byte: the truth about a mask.
std::vector<uint64_t> slow_mask(const Grammar& grammar, const TokenIndex& tokens,
                                const std::string& before) {
  Configurations configurations(grammar.automaton());
  Configuration at = Configurations::kFirst;
  for (const char byte : before) at = configurations.step(at, static_cast<uint8_t>(byte));
  std::vector<uint64_t> mask(tokens.mask_words());
  for (Token token = 0; token < tokens.vocabulary_size(); ++token) {
    Configuration next = tokens.bytes(token).empty() ? Configurations::kRefused : at;
    for (const char byte : tokens.bytes(token)) {
      next = configurations.step(next, static_cast<uint8_t>(byte));
    }
    if (next == Configurations::kRefused) continue;
    mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (token % 64);
  }
  if (!configurations.complete(at)) return mask;
  for (const Token end : tokens.ends()) {
    mask[static_cast<size_t>(end) / 64] |= uint64_t{1} << (end % 64);
  }
  return mask;
}

}  // namespace

TEST_CASE("the suite of JSON Schema 2020-12: nothing invalid is accepted") {
  const std::string folder = "data/conformance/json-schema-suite/tests/draft2020-12";
  if (!have_shared(folder)) return;
  Coverage core, formats;
  run_suite(core, folder);
  run_suite(formats, folder + "/optional/format");
  core.print("draft 2020-12");
  formats.print("its formats");
  CHECK(core.compiled > 200);
}

TEST_CASE("the suite of JSON Schema draft 7: nothing invalid is accepted") {
  const std::string folder = "data/conformance/json-schema-suite/tests/draft7";
  if (!have_shared(folder)) return;
  Coverage coverage;
  run_suite(coverage, folder, "http://json-schema.org/draft-07/schema#");
  coverage.print("draft 7");
}

TEST_CASE("the cases of the conformance data: all accepted and rejected as they say") {
  if (!have_shared("conformance/schema/cases.json")) return;
  const Json cases = read_json("conformance/schema/cases.json");
  for (const Json& entry : cases["cases"].items()) {
    const std::string schema = to_text(entry["schema"]);
    CAPTURE(schema);
    const auto grammar = Grammar::from_json_schema(schema);
    REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
    for (const Json& value : entry["accept"].items()) {
      CHECK_MESSAGE(accepts(*grammar, value["text"].text()), value["text"].text());
      CHECK_MESSAGE(accepts(*grammar, value["text_spaced"].text()), value["text_spaced"].text());
    }
    for (const Json& value : entry["reject"].items()) {
      CHECK_MESSAGE(!accepts(*grammar, value["text"].text()), value["text"].text());
    }
  }
}

TEST_CASE("the grammars that people know: texts of each, and texts of none") {
  if (!have_shared("data/conformance/gbnf")) return;
  struct Case {
    const char* file;
    std::vector<std::string> accept, reject;
  };
  const std::vector<Case> cases = {
      {"arithmetic", {"x=1\n", "(a +b2) *3=y_1 \n"}, {"", "x=\n", "2a=1\n", "x=1"}},
      {"c", {"", "int main(){return 0;}"}, {"int main()", "int 1(){}"}},
      {"chess",
       {"1. e4 e5\n2. Nf3 Nc6\n", "1. e4 e5\n2. O-O-O bxa8=Q+\n"},
       {"1. e4 e5\n", "1. e9 e5\n2. Nf3 Nc6\n", "2. e4 e5\n3. Nf3 Nc6\n"}},
      {"english", {"Hello, world!", "a\tb"}, {"", "naïve", "two  spaces"}},
      {"japanese", {"日本語、カタカナ。 ひらがな"}, {"", "abc", "日本  語"}},
      {"json",
       {R"({"a": [1, -2.5e3, null, "\u00e9\n"]})", "{}"},
       {"", "[1]", "{\"a\" 1}", "{'a': 1}"}},
      {"json_arr", {"[\n1,\n{\"a\": true}]", "[\n]"}, {"[1]", "{}", "[\n1]\n"}},
      {"list", {"- one\n", "- eins\n- zwei, 三\n"}, {"", "- \n", "one\n", "- a\u2028b\n"}},
  };
  for (const Case& example : cases) {
    CAPTURE(example.file);
    const auto bytes = read_shared(std::string("data/conformance/gbnf/") + example.file + ".gbnf");
    const auto grammar =
        Grammar::from_gbnf({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message);
    for (const std::string& text : example.accept) CHECK_MESSAGE(accepts(*grammar, text), text);
    for (const std::string& text : example.reject) {
      CHECK_MESSAGE(!accepts(*grammar, text), text);
    }
  }
}

TEST_CASE("real schemas: nothing invalid is accepted, and masks are found in time") {
  const std::string folder = "data/conformance/jsonschemabench/maskbench";
  const std::string vocabulary = "conformance/tokenizer/deepseek-llm/vocab.gguf";
  if (!have_shared(folder) || !have_shared(vocabulary)) return;
  auto file = gguf::GgufFile::open(shared_path(vocabulary));
  REQUIRE(file.has_value());
  auto tokenizer = tokenizer::Tokenizer::create(file->metadata());
  REQUIRE(tokenizer.has_value());
  const double start = seconds_now();
  const auto tokens = std::make_shared<const TokenIndex>(*tokenizer);
  MESSAGE("index of " << tokens->vocabulary_size() << " tokens: " << (seconds_now() - start) * 1e3
                      << " ms");
  Coverage coverage;
  std::vector<double> mask_seconds;
  int compared = 0;
  const auto files = files_in(folder);
  for (size_t i = 0; i < files.size(); i += full() ? 1 : 10) {
    const Json entry = read_json(files[i]);
    const std::string name = stem(files[i]);
    auto compiled = coverage.compile(name, entry["schema"]);
    if (!compiled) continue;
    const auto grammar = std::make_shared<const Grammar>(std::move(*compiled));
    for (const Json& test : entry["tests"].items()) {
      const bool valid = test["valid"].is_true();
      coverage.check(name, *grammar, test["data"], valid);
      if (!valid || !accepts(*grammar, to_text(test["data"]))) continue;
      const auto ids =
          tokenizer->encode(to_text(test["data"]), {.add_special = false, .parse_special = false});
      REQUIRE(ids.has_value());
      GrammarState state(grammar, tokens);
      std::string written;
      for (const Token token : *ids) {
        const double before = seconds_now();
        const auto mask = state.allowed();
        mask_seconds.push_back(seconds_now() - before);
        REQUIRE((mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1) == 1);
        if (mask_seconds.size() % 499 == 0) {
          CAPTURE(name);
          CAPTURE(written);
          CHECK(std::ranges::equal(mask, slow_mask(*grammar, *tokens, written)));
          ++compared;
        }
        written += tokens->bytes(token);
        REQUIRE(state.accept(token));
      }
      CHECK(state.can_end());
    }
  }
  CHECK(compared > 0);
  coverage.print("jsonschemabench");
  const std::string report = fmt::format(
      "masks: {}, of which {} are as token by token; median {:.1f} us, 99 % {:.1f} us, 99.9 % "
      "{:.1f} us, longest {:.1f} us",
      mask_seconds.size(), compared, part(mask_seconds, 0.5) * 1e6, part(mask_seconds, 0.99) * 1e6,
      part(mask_seconds, 0.999) * 1e6, part(mask_seconds, 1) * 1e6);
  MESSAGE(report);
}
