// The vocabulary of a model for one of random weights: from a file of its authors.
#pragma once

#include <string>

#include "import/vocabulary.h"

namespace issun::measure {

// A SentencePiece model or a tokenizer.json, told apart by what it begins with. Error: as
// import::read_sentencepiece and import::read_tokenizer_json.
Result<import::Vocabulary> read_vocabulary(const std::string& path);

// Unused tokens behind the others, up to `size`. Error: more tokens than that.
Result<import::Vocabulary> fitted_vocabulary(import::Vocabulary vocabulary, int size);

}  // namespace issun::measure
