#include "import/tokenizer_file.h"

#include "base/json_reader.h"

namespace issun::import {

namespace {

Result<void> read_vocab(JsonReader& json, TokenizerFile& file) {
  if (json.peek() == JsonReader::Kind::Object) {
    return json.object([&](std::string& text) -> Result<void> {
      const JsonNumber id = TRY(json.number());
      file.pieces.emplace_back(std::move(text), id.whole ? id.integer : -1);
      return {};
    });
  }
  return json.array([&]() -> Result<void> {
    int part = 0;
    return json.array([&]() -> Result<void> {
      if (part++ == 0) {
        file.pieces.emplace_back(TRY(json.string()), static_cast<int64_t>(file.pieces.size()));
        return {};
      }
      if (file.scores.size() + 1 != file.pieces.size()) return fail("vocab: expected one score");
      file.scores.push_back(static_cast<float>(TRY(json.number()).value));
      return {};
    });
  });
}

// "a b" in older files, ["a", "b"] in newer ones.
Result<void> read_merge(JsonReader& json, TokenizerFile& file) {
  std::vector<std::string> sides;
  if (json.peek() == JsonReader::Kind::String) {
    const std::string both = TRY(json.string());
    const size_t space = both.find(' ', 1);
    if (space == std::string::npos) return fail("merges: expected two texts, found one");
    sides = {both.substr(0, space), both.substr(space + 1)};
  } else {
    TRY(json.array([&]() -> Result<void> {
      sides.push_back(TRY(json.string()));
      return {};
    }));
  }
  if (sides.size() != 2) return fail("merges: expected two texts, found {}", sides.size());
  file.merges.emplace_back(std::move(sides[0]), std::move(sides[1]));
  return {};
}

Result<void> read_model(JsonReader& json, TokenizerFile& file) {
  return json.object([&](const std::string& key) -> Result<void> {
    const auto kind = json.peek();
    if (key == "vocab") return read_vocab(json, file);
    if (key == "merges") return json.array([&] { return read_merge(json, file); });
    if (kind == JsonReader::Kind::Null) return json.null();
    if (key == "type") {
      file.type = TRY(json.string());
    } else if (key == "unk_token") {
      file.unknown = TRY(json.string());
    } else if (key == "unk_id") {
      file.unknown_id = TRY(json.number()).integer;
    } else if (key == "byte_fallback") {
      file.byte_fallback = TRY(json.boolean());
    } else if (key == "ignore_merges") {
      file.ignore_merges = TRY(json.boolean());
    } else if (key == "continuing_subword_prefix") {
      file.continuing_prefix = TRY(json.string());
    } else {
      return json.skip();
    }
    return {};
  });
}

}  // namespace

Result<TokenizerFile> read_tokenizer_file(std::string_view text) {
  TokenizerFile file;
  JsonReader json(text);
  TRY(json.object([&](const std::string& key) -> Result<void> {
    if (key == "model") return read_model(json, file);
    Json* part = key == "added_tokens"     ? &file.added
                 : key == "normalizer"     ? &file.normalizer
                 : key == "pre_tokenizer"  ? &file.pre_tokenizer
                 : key == "post_processor" ? &file.post_processor
                                           : nullptr;
    if (part == nullptr) return json.skip();
    *part = TRY(Json::read(json));
    return {};
  }));
  TRY(json.end());
  if (file.pieces.empty()) return fail("model: expected a vocab, found none");
  if (file.type.empty()) file.type = file.merges.empty() ? "WordPiece" : "BPE";
  return file;
}

}  // namespace issun::import
