#include "engine/static_embedder.h"

#include <algorithm>

#include "engine/pooling.h"

namespace issun::engine {

using model::Pooling;
using tokenizer::Token;

namespace {

// That the vectors of one text may have together.
constexpr int64_t kMostNumbers = int64_t{1} << 28;

}  // namespace

Result<StaticEmbedder> StaticEmbedder::create(const tokenizer::Tokenizer& tokenizer,
                                              const model::StaticTable& table, Token dropped,
                                              const EmbedderOptions& options) {
  StaticEmbedder embedder(tokenizer, table);
  embedder.pooling_ = options.pooling.value_or(Pooling::Mean);
  if (embedder.pooling_ != Pooling::Mean && embedder.pooling_ != Pooling::None) {
    return fail("pooling: expected mean or none of a model without layers, found {}",
                name(embedder.pooling_));
  }
  embedder.dropped_ = dropped;
  embedder.options_ = options;
  embedder.workers_ =
      TRY(Workers::create(options.threads > 0 ? options.threads : default_thread_count()));
  return embedder;
}

Result<std::vector<TextEmbedding>> StaticEmbedder::embed(std::span<const std::string> texts) {
  std::vector<Result<TextEmbedding>> made(texts.size());
  workers_->for_each(static_cast<int64_t>(texts.size()), 1, [&](int64_t i, int64_t, int) {
    const auto at = static_cast<size_t>(i);
    made[at] = embed_text(at, texts[at]);
  });
  std::vector<TextEmbedding> embeddings;
  for (Result<TextEmbedding>& embedding : made) embeddings.push_back(TRY(std::move(embedding)));
  return embeddings;
}

Result<TextEmbedding> StaticEmbedder::embed_text(size_t text, const std::string& content) const {
  return vectors_of(text, TRY(tokenizer_->encode(content, {.add_special = false})));
}

Result<TextEmbedding> StaticEmbedder::embed_tokens(std::span<const Token> tokens) const {
  for (const Token token : tokens) {
    if (token < 0 || token >= table_->tokens()) {
      return fail("tokens: expected ids from 0 to {}, found {}", table_->tokens() - 1, token);
    }
  }
  return vectors_of(0, {tokens.begin(), tokens.end()});
}

// Of zeros if there are none. The memory it takes does not grow with the text.
std::vector<float> StaticEmbedder::mean_of(std::span<const Token> tokens) const {
  std::vector<float> row(static_cast<size_t>(table_->width()));
  if (tokens.empty()) return row;
  std::vector<double> sums(row.size());
  for (const Token token : tokens) {
    table_->read(token, row);
    for (size_t c = 0; c < row.size(); ++c) sums[c] += row[c];
  }
  for (size_t c = 0; c < row.size(); ++c)
    row[c] = static_cast<float>(sums[c] / static_cast<double>(tokens.size()));
  return row;
}

Result<TextEmbedding> StaticEmbedder::vectors_of(size_t text, std::vector<Token> tokens) const {
  std::erase(tokens, dropped_);
  const int64_t count = static_cast<int64_t>(tokens.size());
  const int64_t context = options_.context == 0 ? std::max<int64_t>(count, 1) : options_.context;
  if (count > context && !options_.split) {
    return fail("text {}: expected at most {} tokens, found {}; --long split reads it in windows",
                text + 1, context, count);
  }
  TextEmbedding embedding;
  embedding.tokens = static_cast<int>(count);
  // The mean of windows by their tokens is that of the text.
  embedding.windows = static_cast<int>(std::max<int64_t>(1, (count + context - 1) / context));
  const int64_t width = table_->width();
  if (pooling_ == Pooling::Mean) {
    embedding.vectors.push_back(mean_of(tokens));
  } else if (count > kMostNumbers / width) {
    return fail("text {}: expected at most {} tokens, a vector of {} numbers each, found {}",
                text + 1, kMostNumbers / width, width, count);
  } else {
    for (const Token token : tokens)
      table_->read(token, embedding.vectors.emplace_back(static_cast<size_t>(width)));
  }
  if (options_.normalise) {
    for (std::vector<float>& vector : embedding.vectors) normalise(vector);
  }
  return embedding;
}

}  // namespace issun::engine
