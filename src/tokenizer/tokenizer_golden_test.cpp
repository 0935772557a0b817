// Against the token lists of the reference engine: vocabularies of real models, the same with every
// known word splitter, and the small vocabularies of the model files.

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "gguf/reader.h"
#include "shared_data.h"
#include "tokenizer/testing.h"
#include "tokenizer/tokenizer.h"

using namespace issun;
using namespace issun::tokenizer;
using nlohmann::json;

namespace {

json parse_json(const std::string& relative) {
  const auto bytes = read_shared(relative);
  return json::parse(reinterpret_cast<const char*>(bytes.data()),
                     reinterpret_cast<const char*>(bytes.data()) + bytes.size());
}

std::vector<json> parse_lines(const std::string& relative) {
  const auto bytes = read_shared(relative);
  std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::vector<json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

gguf::GgufFile open_file(const std::string& relative) {
  auto file = gguf::GgufFile::open(shared_path(relative));
  REQUIRE_MESSAGE(file.has_value(), file.error().message);
  return std::move(*file);
}

std::vector<Token> encode(const Tokenizer& tokenizer, const std::string& text, bool add,
                          bool parse) {
  return tokenizer.encode(text, {.add_special = add, .parse_special = parse}).value();
}

// {"hex": ...} stands for bytes that JSON cannot hold.
std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  const auto hex = value.at("hex").get<std::string>();
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

gguf::Metadata with_pre(const gguf::Metadata& metadata, std::string_view pre) {
  gguf::Metadata changed;
  for (const auto& entry : metadata.entries()) {
    if (entry.key == "tokenizer.ggml.pre") continue;
    REQUIRE(changed.add(entry.key, entry.value).has_value());
  }
  if (!pre.empty()) {
    gguf::Value value;
    value.type = gguf::ValueType::String;
    value.data = pre;
    REQUIRE(changed.add("tokenizer.ggml.pre", value).has_value());
  }
  return changed;
}

const std::string kFolder = "conformance/tokenizer/";

}  // namespace

TEST_CASE("the vocabularies of real models give the reference's tokens and texts") {
  if (!have_shared(kFolder)) return;
  for (const char* name : {"gpt-2", "llama-spm", "phi-3", "baichuan", "starcoder", "deepseek-coder",
                           "deepseek-llm", "gpt-neox", "bert-bge"}) {
    CAPTURE(name);
    const auto file = open_file(kFolder + name + "/vocab.gguf");
    const Tokenizer tokenizer = create(file.metadata());
    const json info = parse_json(kFolder + name + "/info.json");
    CHECK(tokenizer.vocabulary_size() == info.at("n_tokens"));
    CHECK(tokenizer.bos() == info.at("bos"));
    CHECK(tokenizer.eos() == info.at("eos"));
    CHECK(tokenizer.adds_bos() == (info.at("add_bos") == 1));
    CHECK(tokenizer.adds_eos() == (info.at("add_eos") == 1));
    const int eot = info.at("eot");
    CHECK((eot == -1 || tokenizer.is_end(eot)));
    int cases = 0;
    for (const json& line : parse_lines(kFolder + name + "/golden.jsonl")) {
      CAPTURE(line.at("i"));
      const std::string text = text_of(line.at("text"));
      const std::vector<Token> add_parse = line.at("add_parse");
      const std::vector<Token> plain = line.at("plain");
      CHECK(encode(tokenizer, text, false, false) == plain);
      CHECK(encode(tokenizer, text, true, false) == line.at("add").get<std::vector<Token>>());
      CHECK(encode(tokenizer, text, false, true) == line.at("parse").get<std::vector<Token>>());
      CHECK(encode(tokenizer, text, true, true) == add_parse);
      CHECK(tokenizer.decode(plain, true) == text_of(line.at("detok_plain")));
      CHECK(tokenizer.decode(add_parse, true) == text_of(line.at("detok_add_parse")));
      CHECK(tokenizer.decode(add_parse, false) == text_of(line.at("detok_clean")));
      ++cases;
    }
    CHECK(cases == info.at("cases"));
  }
}

TEST_CASE("every word splitter gives the reference's tokens on two vocabularies") {
  if (!have_shared(kFolder)) return;
  for (const std::string base : {"gpt-2", "deepseek-llm"}) {
    const auto file = open_file(kFolder + base + "/vocab.gguf");
    const auto golden = parse_lines(kFolder + base + "/golden.jsonl");
    const json overrides = parse_json(kFolder + "pre-override/" + base + ".json").at("pre");
    // Names of the same preset are encoded once, but each is held against its own entry.
    std::map<const Preset*, std::vector<std::vector<Token>>> results;
    for (const auto& [pre, entry] : overrides.items()) {
      CAPTURE(base);
      const auto& which = pre;
      CAPTURE(which);
      const auto metadata = with_pre(file.metadata(), pre);
      if (entry.contains("error")) {
        CHECK(create(metadata).pre() == "default");
        continue;
      }
      const Preset* preset = find_preset(pre.empty() ? "default" : pre);
      REQUIRE(preset != nullptr);
      auto& tokens = results[preset];
      if (tokens.empty()) {
        const Tokenizer tokenizer = create(metadata);
        if (entry.contains("add_bos")) {
          CHECK(tokenizer.adds_bos() == (entry.at("add_bos") == 1));
          CHECK(tokenizer.adds_eos() == (entry.at("add_eos") == 1));
        }
        for (const json& line : golden) {
          tokens.push_back(encode(tokenizer, text_of(line.at("text")), false, false));
        }
      }
      const json* expected = &entry;
      while (expected->contains("same_as")) expected = &overrides.at(expected->at("same_as"));
      for (size_t i = 0; i < golden.size(); ++i) {
        const auto index = std::to_string(golden[i].at("i").get<int>());
        CAPTURE(index);
        const json& differs = expected->at("differs");
        const json& plain = differs.contains(index) ? differs.at(index) : golden[i].at("plain");
        CHECK(tokens[i] == plain.get<std::vector<Token>>());
      }
    }
  }
}

TEST_CASE("the older test files of the reference give its tokens") {
  if (!have_shared(kFolder)) return;
  for (const std::string name :
       {"gpt-2", "llama-spm", "phi-3", "starcoder", "deepseek-coder", "deepseek-llm", "bert-bge"}) {
    CAPTURE(name);
    const auto file = open_file(kFolder + name + "/vocab.gguf");
    const Tokenizer tokenizer = create(file.metadata());
    const auto bytes = read_shared(kFolder + name + "/peer.inp");
    const std::string input(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto lines = read_shared(kFolder + name + "/peer.out");
    std::istringstream output(
        std::string(reinterpret_cast<const char*>(lines.data()), lines.size()));
    const std::string separator = "\n__ggml_vocab_test__\n";
    int cases = 0;
    std::string line;
    for (size_t at = 0, end; (end = input.find(separator, at)) != std::string::npos;
         at = end + separator.size()) {
      CAPTURE(cases);
      REQUIRE(std::getline(output, line));
      std::istringstream ids(line);
      std::vector<Token> expected;
      for (Token id; ids >> id;) expected.push_back(id);
      CHECK(encode(tokenizer, input.substr(at, end - at), false, false) == expected);
      ++cases;
    }
    CHECK(cases == 46);
  }
}

TEST_CASE("the vocabularies of the model files give the reference's tokens and texts") {
  if (!have_shared("conformance/arch")) return;
  int models = 0;
  std::set<std::string> kinds;
  for (const std::string& name : shared_names("conformance/arch", ".json")) {
    CAPTURE(name);
    const json golden = parse_json("conformance/arch/" + name + ".json").at("tokenizer");
    const auto file = open_file("conformance/arch/" + name + ".gguf");
    const Tokenizer tokenizer = create(file.metadata());
    CHECK(tokenizer.bos() == golden.at("bos"));
    CHECK(tokenizer.eos() == golden.at("eos"));
    for (const json& line : golden.at("cases")) {
      const std::string text = text_of(line.at("text"));
      CAPTURE(text);
      const std::vector<Token> plain = line.at("plain");
      CHECK(encode(tokenizer, text, false, false) == plain);
      CHECK(encode(tokenizer, text, true, true) == line.at("add_parse").get<std::vector<Token>>());
      CHECK(tokenizer.decode(plain, true) == text_of(line.at("detok_plain")));
    }
    kinds.insert(std::string(tokenizer.model()));
    ++models;
  }
  CHECK(models > 40);
  CHECK(kinds == std::set<std::string>{"bert", "gemma4", "gpt2", "llama", "t5"});
}
