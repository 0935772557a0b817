#include "train/tokenizer_file.h"

#include <algorithm>

#include "gguf/value.h"
#include "gguf/writer.h"

namespace issun::train {

using tokenizer::kNoToken;
using tokenizer::Token;

namespace {

std::vector<std::string_view> views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace

Token TrainedVocabulary::add(std::string text, tokenizer::TokenKind kind, float score) {
  tokens.push_back(std::move(text));
  kinds.push_back(kind);
  scores.push_back(score);
  return static_cast<Token>(tokens.size()) - 1;
}

Token TrainedVocabulary::find(std::string_view text) const {
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  return found == tokens.end() ? kNoToken : static_cast<Token>(found - tokens.begin());
}

Result<void> write_vocabulary(const TrainedVocabulary& vocabulary, const std::string& path) {
  auto writer = TRY(gguf::GgufWriter::create(path));
  TRY(writer.set("general.architecture", gguf::make_string("llama")));
  const auto set = [&](const char* key, gguf::Value value) {
    return writer.set(std::string("tokenizer.ggml.") + key, value);
  };
  const auto set_id = [&](const char* key, Token token) -> Result<void> {
    if (token == kNoToken) return {};
    return set(key, gguf::make_u32(static_cast<uint32_t>(token)));
  };
  TRY(set("model", gguf::make_string(vocabulary.model)));
  TRY(set("pre", gguf::make_string(vocabulary.pre)));
  TRY(set("tokens", gguf::make_strings(views(vocabulary.tokens))));
  std::vector<int32_t> kinds;
  for (const auto kind : vocabulary.kinds) kinds.push_back(static_cast<int32_t>(kind));
  TRY(set("token_type", gguf::make_i32s(kinds)));
  if (vocabulary.model == "gpt2") {
    TRY(set("merges", gguf::make_strings(views(vocabulary.merges))));
  } else {
    TRY(set("scores", gguf::make_f32s(vocabulary.scores)));
    TRY(set("remove_extra_whitespaces", gguf::make_bool(false)));
  }
  if (!vocabulary.charsmap.empty()) {
    TRY(set("precompiled_charsmap", gguf::make_u8s(vocabulary.charsmap)));
  }
  TRY(set_id("bos_token_id", vocabulary.bos));
  TRY(set_id("eos_token_id", vocabulary.eos));
  TRY(set_id("eot_token_id", vocabulary.eot));
  TRY(set_id("unknown_token_id", vocabulary.unknown));
  TRY(set("add_bos_token", gguf::make_bool(true)));
  TRY(set("add_eos_token", gguf::make_bool(false)));
  TRY(set("add_space_prefix", gguf::make_bool(false)));
  return writer.finish();
}

}  // namespace issun::train
