// Opens a directory of Model2Vec in place: a tokenizer and a row for each of its tokens.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "import/keys.h"
#include "model/static_table.h"
#include "safetensors/file.h"
#include "tokenizer/tokenizer.h"

namespace issun::import {

// What tokenizer and table see stands in the other members.
struct Model2Vec {
  Model2Vec() : keys("model2vec") {}
  std::string name;  // of the directory
  Keys keys;
  gguf::Metadata metadata;
  safetensors::SafetensorsFile file;
  std::optional<tokenizer::Tokenizer> tokenizer;
  model::StaticTable table;
  // Left out of a text; none where the vocabulary names no text for it, as those of Unigram: their
  // unknown token has a row like any other.
  tokenizer::Token dropped = tokenizer::kNoToken;
};

// Whether `path` is such a directory, or a file in one: a config.json of that kind, or a
// modules.json of Sentence Transformers that begins with a static embedding.
bool is_model2vec(const std::string& path);

// Error: files that are missing or malformed, a tokenizer that is not known here, a table without a
// row for each of its tokens.
Result<std::unique_ptr<Model2Vec>> open_model2vec(const std::string& path);

}  // namespace issun::import
