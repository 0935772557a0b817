// Roles: which tokens begin a text, end it, or end a turn, from the metadata where it says so and
// from their texts where files are known to leave it out.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/metadata.h"
#include "tokenizer/vocabulary.h"

namespace issun::tokenizer {

struct Roles {
  Token bos = kNoToken, eos = kNoToken;  // begin and end of a text
  Token eot = kNoToken, eom = kNoToken;  // end of turn, of message
  Token unknown = kNoToken, separator = kNoToken;
  bool add_bos = false, add_eos = false;  // around an encoded text
  std::vector<Token> ends;                // after which nothing more is generated; sorted

  // The ids of Llama's vocabularies stand in for absent ones when `llama_ids`; `add_bos` is what
  // holds when the file does not say. Corrects the kinds of tokens whose text shows that the file
  // has them wrong. Error: an id that is no token (-1 means none).
  static Result<Roles> read(const gguf::Metadata& metadata, bool llama_ids, bool add_bos,
                            Vocabulary& vocabulary, std::vector<std::string>& warnings);
};

}  // namespace issun::tokenizer
