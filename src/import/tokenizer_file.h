// What a tokenizer.json says, read once from front to back.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace issun::import {

struct TokenizerFile {
  std::string type, unknown;  // of the model
  std::vector<std::pair<std::string, int64_t>> pieces;
  std::vector<float> scores;  // Unigram
  std::vector<std::pair<std::string, std::string>> merges;
  int64_t unknown_id = -1;
  bool byte_fallback = false, ignore_merges = false;
  std::string continuing_prefix = "##";
  Json added, normalizer, pre_tokenizer, post_processor;
};

// Error: not JSON, or no vocabulary in it. Whether ids and scores make sense is for the reader.
Result<TokenizerFile> read_tokenizer_file(std::string_view text);

}  // namespace issun::import
