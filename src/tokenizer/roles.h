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
  bool add_separator = false;             // at its end: what BERT has for an end
  bool separates_pairs = false;           // one more separator between two texts (XLM-RoBERTa)
  std::vector<Token> ends = {};           // after which nothing more is generated; sorted

  // What ends an encoded text, or kNoToken.
  Token end() const { return add_eos ? eos : add_separator ? separator : kNoToken; }

  // `defaults` holds the ids and flags of the kind of vocabulary, where the file has none. Corrects
  // the kinds of tokens whose text shows that the file has them wrong. Error: an id that is no
  // token (-1 means none).
  static Result<Roles> read(const gguf::Metadata& metadata, const Roles& defaults,
                            Vocabulary& vocabulary, std::vector<std::string>& warnings);
};

}  // namespace issun::tokenizer
