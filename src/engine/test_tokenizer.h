// A tiny vocabulary for tests: <unk>, <s>, </s>, then one token for each of the characters a to z.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "gguf/metadata.h"
#include "tokenizer/tokenizer.h"

namespace issun::engine {

constexpr int kTestVocabulary = 29;
constexpr int32_t kTestEnd = 2;

inline tokenizer::Tokenizer test_tokenizer() {
  using gguf::Value;
  using gguf::ValueType;
  static const std::string letters = "abcdefghijklmnopqrstuvwxyz";
  std::vector<std::string_view> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<int64_t> types = {2, 3, 3};
  std::vector<double> scores = {0, 0, 0};
  for (size_t i = 0; i < letters.size(); ++i) {
    tokens.push_back(std::string_view(letters).substr(i, 1));
    types.push_back(1);
    scores.push_back(-1);
  }
  gguf::Metadata metadata;
  const auto add = [&](std::string_view key, Value value) {
    CHECK_THAT(metadata.add(key, std::move(value)).has_value());
  };
  add("tokenizer.ggml.model", {ValueType::String, ValueType::U8, std::string_view("llama")});
  add("tokenizer.ggml.tokens", {ValueType::Array, ValueType::String, tokens});
  add("tokenizer.ggml.token_type", {ValueType::Array, ValueType::I32, types});
  add("tokenizer.ggml.scores", {ValueType::Array, ValueType::F32, scores});
  add("tokenizer.ggml.bos_token_id", {ValueType::U32, ValueType::U8, uint64_t{1}});
  add("tokenizer.ggml.eos_token_id", {ValueType::U32, ValueType::U8, uint64_t{2}});
  auto tokenizer = tokenizer::Tokenizer::create(metadata);
  CHECK_THAT(tokenizer.has_value());
  return std::move(*tokenizer);
}

}  // namespace issun::engine
