// Texts to vectors by a table of tokens: no layers, no batches, no kernels.
#pragma once

#include "base/threads.h"
#include "engine/embedder.h"
#include "model/static_table.h"
#include "tokenizer/tokenizer.h"

namespace issun::engine {

class StaticEmbedder {
 public:
  // Both must outlive the result. `dropped`: a token that counts as not there, or kNoToken. Of the
  // options `exact` changes nothing, as all is F32. Error: a pooling other than mean and none,
  // threads that the system refuses.
  static Result<StaticEmbedder> create(const tokenizer::Tokenizer& tokenizer,
                                       const model::StaticTable& table, tokenizer::Token dropped,
                                       const EmbedderOptions& options);

  // One for each text, in order; of zeros where it has no tokens. Error: a text that is too long
  // (unless split), or whose single vectors are more than 1 GiB.
  Result<std::vector<TextEmbedding>> embed(std::span<const std::string> texts);
  // The same of one text that is tokens already. Error: also an id that is no token.
  Result<TextEmbedding> embed_tokens(std::span<const tokenizer::Token> tokens) const;

  model::Pooling pooling() const { return pooling_; }

 private:
  StaticEmbedder(const tokenizer::Tokenizer& tokenizer, const model::StaticTable& table)
      : tokenizer_(&tokenizer), table_(&table) {}
  std::vector<float> mean_of(std::span<const tokenizer::Token> tokens) const;
  Result<TextEmbedding> embed_text(size_t text, const std::string& content) const;
  Result<TextEmbedding> vectors_of(size_t text, std::vector<tokenizer::Token> tokens) const;

  const tokenizer::Tokenizer* tokenizer_;
  const model::StaticTable* table_;
  tokenizer::Token dropped_ = tokenizer::kNoToken;
  EmbedderOptions options_;
  model::Pooling pooling_ = model::Pooling::Mean;
  std::unique_ptr<Workers> workers_;
};

}  // namespace issun::engine
