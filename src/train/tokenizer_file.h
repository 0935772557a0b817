// A trained vocabulary, and the GGUF file that holds it and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tokenizer/vocabulary.h"

namespace issun::train {

struct TrainedVocabulary {
  std::string model;  // tokenizer.ggml.model: gpt2 (byte-level BPE) or t5 (Unigram)
  std::string pre;    // tokenizer.ggml.pre
  std::vector<std::string> tokens;
  std::vector<tokenizer::TokenKind> kinds;
  std::vector<float> scores;        // Unigram's: logarithms of probabilities
  std::vector<std::string> merges;  // BPE's: "left right"
  std::vector<uint8_t> charsmap;    // Unigram's normalisation; empty: none
  tokenizer::Token unknown = tokenizer::kNoToken, bos = tokenizer::kNoToken,
                   eos = tokenizer::kNoToken, eot = tokenizer::kNoToken;

  tokenizer::Token add(std::string text, tokenizer::TokenKind kind, float score = 0);
  // -1: there is no such token.
  tokenizer::Token find(std::string_view text) const;
};

// A text begins with bos and gets no eos; no space is put before it and none is taken away, so that
// decoding gives back what was encoded. general.architecture says llama, since readers want one of
// those they know; there are no tensors and no other keys. Error: the disk.
Result<void> write_vocabulary(const TrainedVocabulary& vocabulary, const std::string& path);

}  // namespace issun::train
