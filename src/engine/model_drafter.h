// Guesses by a smaller model with the same vocabulary, which reads what the larger one reads.
// Source: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding"
// (2023); what is guessed is the likeliest token, and it counts where the larger model draws the
// same.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "cache/paged_kv.h"
#include "engine/drafter.h"
#include "engine/runtime.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace issun::engine {

struct ModelDrafterOptions {
  int texts = 1;  // at once; the decoder takes as many sequences and outputs
  // Where the smaller model is less sure than this, it guesses no further.
  double least_probability = 0.5;
};

class ModelDrafter final : public Drafter {
 public:
  // A cache with room for as many texts of any length the guesses may have; not of recurrent
  // layers.
  ModelDrafter(std::shared_ptr<model::Decoder> decoder, cache::PagedKv cache,
               const ModelDrafterOptions& options);
  bool free() const override { return false; }
  // Weights that cannot be read are no guess.
  void guess(std::span<Guess* const> guesses) override;
  void forget(int64_t text) override;

 private:
  struct Text {
    int64_t id = 0;
    bool ended = false;          // what it knows may serve another that begins alike
    std::vector<int32_t> known;  // what the cache holds
    cache::PageTable table;
  };
  Text* text_of(const Guess& guess);
  void go_back(Text& text, std::span<const int32_t> history);
  bool read(Text& text, std::span<const int32_t> tokens);
  void add_rows(Text& text, std::span<const int32_t> tokens);
  bool guess_once(std::span<Guess* const> guesses);
  void give_up();

  std::shared_ptr<model::Decoder> decoder_;
  cache::PagedKv cache_;
  ModelDrafterOptions options_;
  std::vector<std::unique_ptr<Text>> texts_;
  // Of one call: the text of each guess, and those that go on.
  std::vector<Text*> guessed_;
  std::vector<bool> open_;
  // Of one batch.
  std::vector<int32_t> tokens_, outputs_;
  std::vector<model::SequenceRows> rows_;
};

// Error: the number of tokens, or the first token, in which they differ.
Result<void> check_same_vocabulary(const tokenizer::Tokenizer& model,
                                   const tokenizer::Tokenizer& draft);

// The drafter for what `runtime` runs, with its workers, and a cache as long and of the same types.
// The runtime outlives it. Error: another vocabulary, recurrent layers, memory;
// a runtime whose weights come and go, as its plan has no place for a second model.
Result<std::shared_ptr<Drafter>> start_draft_model(std::unique_ptr<model::Model> draft,
                                                   Runtime& runtime, double least_probability);

}  // namespace issun::engine
