// Which of the known splitters of words (tokenizer.ggml.pre) does what a tokenizer.json describes.
#pragma once

#include <string>

#include "base/json.h"

namespace issun::import {

struct SplitterFacts {
  const Json& pre_tokenizer;
  bool whole_words = false;    // "ignore_merges": a word that is a token is not merged
  bool cleans_spaces = false;  // "clean_up_tokenization_spaces"
};

// Its name. Error: none does, or a stage that is not known; what was found is named.
Result<std::string> find_splitter(const SplitterFacts& facts);

}  // namespace issun::import
