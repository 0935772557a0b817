// Embedder: texts in, vectors or scores out. Reads whole texts, several in one batch; keeps nothing
// between calls.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/threads.h"
#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/head.h"
#include "model/model.h"

namespace issun::engine {

struct EmbedderOptions {
  int threads = 0;                        // 0: one for each physical core
  int64_t context = 0;                    // tokens of a text; 0: as many as the model knows
  std::optional<model::Pooling> pooling;  // none: what the file says
  bool normalise = true;                  // to length 1
  bool split = false;                     // texts longer than the context, instead of refusing them
  bool exact = false;                     // F32 activations everywhere
};

struct TextEmbedding {
  std::vector<std::vector<float>> vectors;  // one; with Pooling::None one for each token
  int tokens = 0;                           // of the text and around it, in all windows
  int windows = 0;
};

class Embedder {
 public:
  // Error: options out of range, a classifier's pooling without a classifier.
  static Result<std::unique_ptr<Embedder>> create(std::unique_ptr<model::Model> model,
                                                  const EmbedderOptions& options);

  // One for each text, in order. A text in several windows is the mean of theirs by tokens. Error:
  // a text that is too long (unless split), a model that judges pairs, memory.
  Result<std::vector<TextEmbedding>> embed(std::span<const std::string> texts);

  // The same of one text that is tokens already, those around it included. Error: also an id that
  // is no token.
  Result<TextEmbedding> embed_tokens(std::span<const tokenizer::Token> tokens);

  // How well each document answers the query: the classifier's first score, of the best window
  // where a document is split. Error: as embed(); a model that judges nothing.
  Result<std::vector<float>> rank(const std::string& query, std::span<const std::string> documents);

  const model::Model& model() const { return *model_; }
  model::Pooling pooling() const { return pooling_; }

 private:
  // What one pass reads: a text, or a window of it.
  struct Piece {
    size_t text = 0;
    std::vector<tokenizer::Token> tokens;
  };
  Embedder() = default;
  Result<std::vector<Piece>> cut(size_t text, std::span<const tokenizer::Token> plain) const;
  Result<std::vector<Piece>> cut_pair(size_t text, const std::string& query,
                                      const std::string& document) const;
  Result<void> check_length(size_t text, int64_t tokens) const;
  Result<void> check_embeds() const;
  Result<std::vector<TextEmbedding>> embed_pieces(std::span<const Piece> pieces, size_t texts);
  template <class Take>
  Result<void> read(std::span<const Piece> pieces, const Take& take);

  std::unique_ptr<model::Model> model_;
  std::unique_ptr<Workers> workers_;
  const kernels::KernelTable* kernels_ = nullptr;
  std::optional<model::Head> head_;
  EmbedderOptions options_;
  model::Pooling pooling_ = model::Pooling::Mean;
  std::string pair_template_;  // with {query} and {document}; empty: tokens between the two
};

// "mean", "cls", ... as people write it; nullptr or nullopt for what is none.
const char* name(model::Pooling pooling);
std::optional<model::Pooling> pooling_from_name(std::string_view name);

}  // namespace issun::engine
