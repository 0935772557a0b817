// A vocabulary on its way from the files of its authors into the keys of a GGUF file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "import/keys.h"
#include "tokenizer/vocabulary.h"

namespace issun::import {

using tokenizer::TokenKind;

struct Vocabulary {
  std::string model;  // tokenizer.ggml.model
  std::string pre;    // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<float> scores;  // empty: the model has none
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;  // of SentencePiece's: for keep_merges() alone
  std::optional<bool> add_space_prefix, remove_extra_whitespaces, lowercase, strip_accents;
  std::optional<bool> punctuation;     // of Unigram on BERT's words: ASCII's stands by itself
  std::vector<uint8_t> charsmap;       // of the normalisation of SentencePiece
  std::map<std::string, int32_t> ids;  // by role: "bos", "eos", "unk", "sep", "pad", "cls", "mask"
  std::map<std::string, bool> adds;    // "bos", "eos": around every text
  std::string end_of_text;  // what the fast tokenizer puts behind every text, if anything

  int32_t find(std::string_view text) const;  // -1: none
  // Makes it one whose merges count, not its scores. Error: it has none.
  Result<void> keep_merges(std::string_view model_name);
  // Makes room for `size` tokens, named as nobody else names one.
  void pad(int64_t size);
  // Another text and kind for a token, which may lie beyond the end. Error: an id that no
  // vocabulary has.
  Result<void> put(int64_t id, std::string text, TokenKind kind, float score);
};

// The score of tokens that were added after training.
constexpr float kAddedScore = -1000;

// More tokens than any vocabulary has: a bound for numbers out of files.
constexpr int64_t kMostTokens = int64_t{1} << 22;

// Some authors mark tokens as ordinary that steer: "<|user|>", "<pad>".
bool looks_special(std::string_view text);

// A tokenizer.json: byte-level BPE, BPE as SentencePiece has it, Unigram, WordPiece. `pre` chooses
// the splitter of words by name; empty: by the rules in the file. Error: anything that the result
// could not do as the file says.
Result<Vocabulary> read_tokenizer_json(std::string_view text, std::string_view name,
                                       std::string_view pre, bool cleans_spaces);
// A SentencePiece model: its protobuf.
Result<Vocabulary> read_sentencepiece(std::span<const std::byte> bytes, std::string_view name);
// A tokenizer.bin of llama2.c, with that many tokens.
Result<Vocabulary> read_llama2c_tokenizer(std::span<const std::byte> bytes, std::string_view name,
                                          int64_t count);

// The text of a tokenizer_config.json: which tokens begin and end, what is put around a text, and
// the tokens that were added.
Result<void> apply_tokenizer_config(const Json& config, std::string_view name, bool add_tokens,
                                    Vocabulary& vocabulary);

void set_vocabulary_keys(const Vocabulary& vocabulary, Keys& keys);

}  // namespace issun::import
