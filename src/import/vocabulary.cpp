#include "import/vocabulary.h"

#include <algorithm>
#include <charconv>

#include "base/quote.h"
#include "gguf/value.h"

namespace issun::import {

namespace {

// Roles and how the keys of a GGUF file spell them.
constexpr struct {
  const char *role, *key;
} kRoles[] = {{"bos", "bos"},     {"eos", "eos"}, {"unk", "unknown"}, {"sep", "seperator"},
              {"pad", "padding"}, {"cls", "cls"}, {"mask", "mask"},   {"eot", "eot"}};

std::string content_of(const Json& entry) {
  if (entry.is_string()) return entry.text();
  return entry["content"].is_string() ? entry["content"].text() : "";
}

}  // namespace

int32_t Vocabulary::find(std::string_view text) const {
  const auto found = std::find(tokens.begin(), tokens.end(), text);
  return found == tokens.end() ? -1 : static_cast<int32_t>(found - tokens.begin());
}

// The tokens between which a chat's parts stand are shown, so that a program can read them.
Result<void> Vocabulary::keep_merges(std::string_view model_name) {
  if (merges.empty()) {
    return fail("tokenizer: expected a tokenizer.json with merges, found none");
  }
  model = model_name;
  pre.clear();
  std::fill(scores.begin(), scores.end(), 0.0f);
  for (const char* text : {"<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>",
                           "<|tool_response>", "<tool_response|>", "<|\"|>"}) {
    const int32_t id = find(text);
    if (id >= 0) kinds[static_cast<size_t>(id)] = TokenKind::UserDefined;
  }
  return {};
}

void Vocabulary::pad(int64_t size) {
  for (int64_t id = static_cast<int64_t>(tokens.size()); id < size; ++id) {
    tokens.push_back(fmt::format("[PAD{}]", id));
    kinds.push_back(TokenKind::Unused);
    if (!scores.empty()) scores.push_back(kAddedScore);
  }
}

Result<void> Vocabulary::put(int64_t id, std::string text, TokenKind kind, float score) {
  if (id < 0 || id >= kMostTokens) {
    return fail("token '{}': expected an id from 0 to {}, found {}", printable(text),
                kMostTokens - 1, id);
  }
  pad(id + 1);
  const auto at = static_cast<size_t>(id);
  tokens[at] = std::move(text);
  kinds[at] = kind;
  if (!scores.empty()) scores[at] = score;
  return {};
}

bool looks_special(std::string_view text) {
  const auto between = [&](std::string_view begin, std::string_view end) {
    return text.starts_with(begin) && text.ends_with(end);
  };
  return text == "<pad>" || text == "<mask>" || text == "<2mass>" || text == "[@BOS@]" ||
         between("<|", "|>") || between("<｜", "｜>") || between("<unused", ">");
}

Result<void> apply_tokenizer_config(const Json& config, std::string_view name, bool add_tokens,
                                    Vocabulary& vocabulary) {
  if (add_tokens) {
    for (const auto& [id_text, entry] : config["added_tokens_decoder"].members()) {
      int64_t id = -1;
      const auto [end, error] =
          std::from_chars(id_text.data(), id_text.data() + id_text.size(), id);
      if (error != std::errc() || end != id_text.data() + id_text.size() ||
          !entry["content"].is_string()) {
        return fail("{}: added_tokens_decoder: expected ids with a content, found '{}'", name,
                    printable(id_text));
      }
      const std::string& text = entry["content"].text();
      const bool steers = entry["special"].is_true() || looks_special(text);
      const bool unknown = id < static_cast<int64_t>(vocabulary.kinds.size()) && id >= 0 &&
                           vocabulary.kinds[static_cast<size_t>(id)] == TokenKind::Unknown;
      const Result<void> put = vocabulary.put(id, text,
                                              unknown  ? TokenKind::Unknown
                                              : steers ? TokenKind::Control
                                                       : TokenKind::UserDefined,
                                              kAddedScore);
      if (!put) return fail("{}: {}", name, put.error().message);
    }
  }
  for (const auto& [role, key] : kRoles) {
    const Json& adds = config[fmt::format("add_{}_token", role)];
    if (adds.is_bool()) vocabulary.adds[role] = adds.boolean();
    const std::string text = content_of(config[fmt::format("{}_token", role)]);
    const int32_t id = text.empty() ? -1 : vocabulary.find(text);
    if (id >= 0) vocabulary.ids[role] = id;
  }
  // Encoders begin and end with what they call otherwise.
  const auto stand_in = [&](const char* role, const char* other) {
    const auto found = vocabulary.ids.find(other);
    if (found != vocabulary.ids.end()) vocabulary.ids.emplace(role, found->second);
  };
  stand_in("bos", "cls");
  stand_in("eos", "sep");
  return {};
}

void set_vocabulary_keys(const Vocabulary& vocabulary, Keys& keys) {
  const auto set = [&](std::string_view key, gguf::Value value) {
    keys.set_general(fmt::format("tokenizer.ggml.{}", key), std::move(value));
  };
  const auto views = [&](const std::vector<std::string>& texts) {
    std::vector<std::string_view> all;
    for (const std::string& text : texts) all.push_back(keys.keep(text));
    return gguf::make_strings(std::move(all));
  };
  set("model", gguf::make_string(keys.keep(vocabulary.model)));
  if (!vocabulary.pre.empty()) set("pre", gguf::make_string(keys.keep(vocabulary.pre)));
  set("tokens", views(vocabulary.tokens));
  if (!vocabulary.scores.empty()) set("scores", gguf::make_f32s(vocabulary.scores));
  std::vector<int32_t> kinds;
  for (const TokenKind kind : vocabulary.kinds) kinds.push_back(static_cast<int32_t>(kind));
  set("token_type", gguf::make_i32s(kinds));
  if (vocabulary.model == "gpt2" || vocabulary.model == "gemma4")
    set("merges", views(vocabulary.merges));
  const auto flag = [&](std::string_view key, const std::optional<bool>& value) {
    if (value) set(key, gguf::make_bool(*value));
  };
  flag("add_space_prefix", vocabulary.add_space_prefix);
  flag("remove_extra_whitespaces", vocabulary.remove_extra_whitespaces);
  flag("normalizer.lowercase", vocabulary.lowercase);
  flag("normalizer.strip_accents", vocabulary.strip_accents);
  flag("normalizer.punctuation", vocabulary.punctuation);
  if (!vocabulary.charsmap.empty()) {
    set("precompiled_charsmap", gguf::make_u8s(vocabulary.charsmap));
  }
  for (const auto& [role, key] : kRoles) {
    const auto id = vocabulary.ids.find(role);
    if (id != vocabulary.ids.end()) {
      set(fmt::format("{}_token_id", key), gguf::make_u32(static_cast<uint32_t>(id->second)));
    }
    const auto adds = vocabulary.adds.find(role);
    const std::string add_key = fmt::format("add_{}_token", role);
    if (adds != vocabulary.adds.end() && !keys.find("tokenizer.ggml." + add_key)) {
      set(add_key, gguf::make_bool(adds->second));
    }
  }
}

}  // namespace issun::import
