#include "import/vocabulary.h"

#include <doctest/doctest.h>

#include <cctype>
#include <fstream>

#include "import/base64.h"
#include "import/word_splitter.h"
#include "shared_data.h"
#include "tokenizer/tokenizer.h"

namespace issun::import {
namespace {

constexpr const char* kPhi3 = "data/tokenizers/phi3/tokenizer.json";
constexpr const char* kMistral = "data/tokenizers/mistral";

std::string text_of(const std::string& relative) {
  const auto bytes = read_shared(relative);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json json_of(const std::string& relative) {
  auto json = Json::parse(text_of(relative));
  REQUIRE_MESSAGE(json.has_value(), json.error().message);
  return *std::move(json);
}

// A tokenizer that works as the imported vocabulary says.
struct MadeTokenizer {
  explicit MadeTokenizer(const Vocabulary& vocabulary, const char* name = "made") : keys("llama") {
    set_vocabulary_keys(vocabulary, keys);
    keys.set_general("general.name", gguf::Value());
    keys.set_general("general.name", [&] {
      gguf::Value value;
      value.type = gguf::ValueType::String;
      value.data = std::string_view(name);
      return value;
    }());
    metadata = keys.metadata();
    auto created = tokenizer::Tokenizer::create(metadata);
    REQUIRE_MESSAGE(created.has_value(), created.error().message);
    tokenizer = std::make_unique<tokenizer::Tokenizer>(*std::move(created));
  }
  std::vector<int32_t> encode(std::string_view text, bool special) const {
    return *tokenizer->encode(text, {.add_special = special, .parse_special = special});
  }
  Keys keys;
  gguf::Metadata metadata;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
};

std::vector<int32_t> ids_of(const Json& list) {
  std::vector<int32_t> ids;
  for (const Json& id : list.items()) ids.push_back(static_cast<int32_t>(id.integer()));
  return ids;
}

std::string error_of(std::string_view text) {
  const auto read = read_tokenizer_json(text, "f", "", false);
  return read ? "" : read.error().message;
}

}  // namespace

TEST_CASE("SentencePiece's BPE out of a tokenizer.json encodes as the reference does") {
  if (!have_shared(kPhi3)) return;
  const auto vocabulary = read_tokenizer_json(text_of(kPhi3), "phi3", "", false);
  REQUIRE_MESSAGE(vocabulary.has_value(), vocabulary.error().message);
  const MadeTokenizer made(*vocabulary, "Phi3");
  std::ifstream lines(shared_path("conformance/tokenizer/phi-3/golden.jsonl"));
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto golden = Json::parse(line);
    REQUIRE(golden.has_value());
    if (!(*golden)["text"].is_string()) continue;  // bytes that are no UTF-8
    const std::string& text = (*golden)["text"].text();
    CHECK_MESSAGE(made.encode(text, false) == ids_of((*golden)["plain"]), text);
    CHECK_MESSAGE(made.encode(text, true) == ids_of((*golden)["add_parse"]), text);
    ++compared;
  }
  CHECK(compared > 100);
}

TEST_CASE("BERT's words before a vocabulary with scores are read, and no part of them is guessed") {
  const auto file = [](std::string_view steps) {
    return fmt::format(
        R"({{"normalizer":{{"type":"Sequence","normalizers":[{}]}},)"
        R"("pre_tokenizer":{{"type":"Metaspace","prepend_scheme":"always"}},)"
        R"("model":{{"type":"Unigram","unk_id":0,"vocab":[["?",0],["▁a",-1],["▁!",-1]]}}}})",
        steps);
  };
  const auto replace = [](std::string_view text) {
    const std::string quoted =
        text == "\"" || text == "\\" ? fmt::format("\\{}", text) : std::string(text);
    return fmt::format(R"(,{{"type":"Replace","pattern":{{"String":"{0}"}},"content":" {0} "}})",
                       quoted);
  };
  const std::string bert = R"({"type":"BertNormalizer","lowercase":true})";
  std::string all = bert;
  for (char c = '!'; c <= '~'; ++c) {
    if (std::ispunct(static_cast<unsigned char>(c)) != 0) all += replace(std::string(1, c));
  }
  all += R"(,{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "},{"type":"Strip"})";
  const auto vocabulary = read_tokenizer_json(file(all), "f", "", false);
  REQUIRE_MESSAGE(vocabulary.has_value(), vocabulary.error().message);
  CHECK(MadeTokenizer(*vocabulary).encode(" A!  a\t", false) == std::vector<int32_t>{1, 2, 1});
  CHECK(read_tokenizer_json(file(bert), "f", "", false).has_value());
  CHECK(error_of(file(bert + replace("!"))).find("or none, found '!'") != std::string::npos);
  CHECK(error_of(file(R"({"type":"BertNormalizer","clean_text":false})")).find("clean_text") !=
        std::string::npos);
  CHECK(error_of(file(replace("!").substr(1))).find("found 'Replace'") != std::string::npos);
}

TEST_CASE("Mistral's SentencePiece model gives the published tokens of a conversation") {
  if (!have_shared(kMistral)) return;
  const auto bytes = read_shared(std::string(kMistral) + "/tokenizer.model.v1");
  const auto vocabulary = read_sentencepiece(bytes, "mistral");
  REQUIRE_MESSAGE(vocabulary.has_value(), vocabulary.error().message);
  CHECK(vocabulary->tokens.size() == 32000);
  const MadeTokenizer made(*vocabulary);
  const std::string where = std::string(kMistral) + "/tests/tests/data/samples/no_tools/";
  const Json conversation = json_of(where + "sample.json");
  std::vector<int32_t> ids = {made.tokenizer->bos()};
  for (const Json& message : conversation["messages"].items()) {
    const bool user = message["role"].is("user");
    const std::string& content = message["content"].text();
    const auto piece = made.encode(user ? "[INST] " + content + " [/INST]" : content, false);
    ids.insert(ids.end(), piece.begin(), piece.end());
    if (!user) ids.push_back(made.tokenizer->eos());
  }
  CHECK(ids == ids_of(json_of(where + "tokens_v1.json")["tokens"]));
}

TEST_CASE("a unigram vocabulary is the same out of SentencePiece's file and of a tokenizer.json") {
  const std::string folder = "data/tokenizers/llm-jp";
  if (!have_shared(folder)) return;
  const auto proto =
      read_sentencepiece(read_shared(folder + "/code10K_en20K_ja30K.ver2.2.model"), "llm-jp");
  REQUIRE_MESSAGE(proto.has_value(), proto.error().message);
  CHECK(proto->model == "t5");
  CHECK(proto->tokens.size() == proto->scores.size());
  const auto fast = read_tokenizer_json(
      text_of(folder + "/ver2.2/code10K_en20K_ja30K.ver2.2_hf_fast.b4/tokenizer.json"), "llm-jp",
      "", false);
  REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
  CHECK(fast->model == "t5");
  CHECK(fast->add_space_prefix == true);
  CHECK(fast->adds.at("eos"));
  CHECK(fast->tokens[static_cast<size_t>(fast->ids.at("eos"))] == "<EOD|LLM-jp>");
  std::map<std::string, float> scores;
  for (size_t i = 0; i < fast->tokens.size(); ++i) scores[fast->tokens[i]] = fast->scores[i];
  int common = 0, equal = 0;
  for (size_t i = 0; i < proto->tokens.size(); ++i) {
    const auto found = scores.find(proto->tokens[i]);
    if (found == scores.end() || proto->kinds[i] != TokenKind::Normal) continue;
    ++common;
    equal += found->second == proto->scores[i];
  }
  CHECK(common > 40000);
  CHECK(equal == common);
}

TEST_CASE("a tokenizer.json that would be read wrongly is refused by name") {
  const auto bpe = [](const char* more) {
    return fmt::format(R"({{"model":{{"type":"BPE","vocab":{{"a":0,"b":1,"ab":2}},)"
                       R"("merges":["a b"]}}{}}})",
                       more);
  };
  CHECK(error_of(bpe("")).find("pre_tokenizer: expected Sequence, Split") != std::string::npos);
  CHECK(error_of(bpe(R"(,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"x+"},)"
                     R"("behavior":"Isolated"})"))
            .find("chooses one): x+") != std::string::npos);
  CHECK(error_of(bpe(R"(,"pre_tokenizer":{"type":"ByteLevel"},"normalizer":{"type":"NFKC"})"))
            .find("found 'NFKC'") != std::string::npos);
  CHECK(error_of(bpe(R"(,"pre_tokenizer":{"type":"ByteLevel"})")) == "");
  CHECK(error_of(bpe(R"(,"pre_tokenizer":{"type":"ByteLevel"},)"
                     R"("added_tokens":[{"id":4000000000,"content":"x"}])"))
            .find("ids next to the vocabulary of 3") != std::string::npos);
  CHECK(error_of(R"({"model":{"type":"BPE","vocab":{"a":1000000000},"merges":[]}})")
            .find("without large gaps") != std::string::npos);
  CHECK(error_of(R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})") != "");
  CHECK(error_of(R"({"model":{"type":"Words","vocab":{"a":0}}})").find("found 'Words'") !=
        std::string::npos);
  CHECK(error_of(R"({"model":{"type":"Unigram","vocab":[["a",0],["b"]]}})")
            .find("expected a score") != std::string::npos);
  CHECK(error_of("{}").find("expected a vocab") != std::string::npos);
}

TEST_CASE("a SentencePiece model cut short or of another kind is refused") {
  if (!have_shared(kMistral)) return;
  auto bytes = read_shared(std::string(kMistral) + "/tokenizer.model.v1");
  for (const size_t length : {size_t{0}, size_t{1}, size_t{7}, bytes.size() / 2}) {
    CHECK(!read_sentencepiece(std::span(bytes).first(length), "f").has_value());
  }
  bytes[0] = std::byte{0x0b};  // a wire type that went out of use
  CHECK(!read_sentencepiece(bytes, "f").has_value());
}

TEST_CASE("the tokenizers of a llama2.c model agree") {
  const std::string folder = "data/weights/stories260K";
  if (!have_shared(folder)) return;
  const auto bin = read_llama2c_tokenizer(read_shared(folder + "/tok512.bin"), "bin", 512);
  const auto proto = read_sentencepiece(read_shared(folder + "/tok512.model"), "model");
  REQUIRE_MESSAGE(bin.has_value(), bin.error().message);
  REQUIRE_MESSAGE(proto.has_value(), proto.error().message);
  CHECK(bin->tokens == proto->tokens);
  CHECK(bin->kinds == proto->kinds);
  CHECK(bin->scores == proto->scores);
  CHECK(!read_llama2c_tokenizer(read_shared(folder + "/tok512.bin"), "bin", 513).has_value());
  CHECK(!read_llama2c_tokenizer(read_shared(folder + "/tok512.bin"), "bin", 511).has_value());
}

TEST_CASE("base64 is read with and without padding, and nothing else") {
  const auto bytes = [](std::string_view text) {
    const auto read = from_base64(text);
    return read ? std::string(read->begin(), read->end()) : "none";
  };
  CHECK(bytes("") == "");
  CHECK(bytes("Zg==") == "f");
  CHECK(bytes("Zm8") == "fo");
  CHECK(bytes("Zm9vYmFy") == "foobar");
  CHECK(bytes("Zm9v!") == "none");
  CHECK(bytes("Z") == "none");
}

}  // namespace issun::import
