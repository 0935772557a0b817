#include "engine/embedder.h"

#include <algorithm>
#include <numeric>

#include "engine/pooling.h"

namespace issun::engine {

namespace {

using model::Pooling;
using tokenizer::Token;

constexpr int kBatchRows = 512;  // of short texts together
constexpr int kBatchTexts = 64;

constexpr struct {
  const char* name;
  Pooling pooling;
} kPoolings[] = {{"none", Pooling::None},
                 {"mean", Pooling::Mean},
                 {"cls", Pooling::First},
                 {"last", Pooling::Last},
                 {"rank", Pooling::Rank}};

std::string with(std::string text, std::string_view what, const std::string& value) {
  const size_t at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), value);
}

}  // namespace

const char* name(Pooling pooling) {
  for (const auto& known : kPoolings) {
    if (known.pooling == pooling) return known.name;
  }
  return nullptr;
}

std::optional<Pooling> pooling_from_name(std::string_view name) {
  for (const auto& known : kPoolings) {
    if (known.name == name) return known.pooling;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Embedder>> Embedder::create(std::unique_ptr<model::Model> model,
                                                   const EmbedderOptions& options) {
  std::unique_ptr<Embedder> embedder(new Embedder());
  embedder->options_ = options;
  const model::ModelConfig& config = model->config;
  if (options.context < 0 || options.context > config.context_length) {
    return fail("context: expected up to {} tokens, as the model was trained with, found {}",
                config.context_length, options.context);
  }
  if (options.context == 0) embedder->options_.context = config.context_length;
  embedder->pooling_ = options.pooling.value_or(config.reading.pooling);
  const bool ranks = embedder->pooling_ == Pooling::Rank;
  if (ranks && config.reading.pooling != Pooling::Rank) {
    return fail("pooling: expected a model with a classifier for rank, found one without");
  }
  embedder->kernels_ = TRY(kernels::choose_kernels());
  embedder->workers_ =
      TRY(Workers::create(options.threads > 0 ? options.threads : default_thread_count()));
  embedder->head_ = TRY(
      model::Head::create(config, model->weights, *embedder->kernels_, *embedder->workers_, ranks));
  embedder->pair_template_ = std::string(TRY(model->file.metadata().value_or<std::string_view>(
      "tokenizer.chat_template.rerank", std::string_view())));
  embedder->model_ = std::move(model);
  return embedder;
}

Result<void> Embedder::check_length(size_t text, int64_t tokens) const {
  if (tokens == 0) return fail("text {}: expected at least one token, found none", text + 1);
  if (tokens <= options_.context) return {};
  return fail("text {}: expected at most {} tokens, found {}; --long split reads it in windows",
              text + 1, options_.context, tokens);
}

// The pieces of a text: one, or windows of it.
Result<std::vector<Embedder::Piece>> Embedder::cut(size_t text,
                                                   std::span<const Token> plain) const {
  const tokenizer::Tokenizer& tokenizer = model_->tokenizer;
  const int64_t around = static_cast<int64_t>(tokenizer.framed({}).size());
  const int64_t room = options_.context - around;
  const bool fits = static_cast<int64_t>(plain.size()) <= room;
  if (!options_.split || fits || room < 1) {
    TRY(check_length(text, static_cast<int64_t>(plain.size()) + around));
    return std::vector<Piece>{{text, tokenizer.framed(plain)}};
  }
  std::vector<Piece> pieces;
  while (!plain.empty()) {
    const auto window = plain.first(std::min(plain.size(), static_cast<size_t>(room)));
    pieces.push_back({text, tokenizer.framed(window)});
    plain = plain.subspan(window.size());
  }
  return pieces;
}

// A query and a document in one piece, or with windows of the document.
Result<std::vector<Embedder::Piece>> Embedder::cut_pair(size_t text, const std::string& query,
                                                        const std::string& document) const {
  const tokenizer::Tokenizer& tokenizer = model_->tokenizer;
  if (!pair_template_.empty()) {
    const std::string prompt = with(with(pair_template_, "{query}", query), "{document}", document);
    Piece piece{text, TRY(tokenizer.encode(prompt, {.add_special = false}))};
    TRY(check_length(text, static_cast<int64_t>(piece.tokens.size())));
    return std::vector<Piece>{std::move(piece)};
  }
  constexpr tokenizer::EncodeOptions kPlain{.add_special = false, .parse_special = false};
  const std::vector<Token> first = TRY(tokenizer.encode(query, kPlain));
  const std::vector<Token> second = TRY(tokenizer.encode(document, kPlain));
  const int64_t around = static_cast<int64_t>(tokenizer.framed_pair(first, {}).size());
  const int64_t room = options_.context - around;
  if (!options_.split || room < 1) {
    TRY(check_length(text, around + static_cast<int64_t>(second.size())));
  }
  std::vector<Piece> pieces;
  std::span<const Token> rest = second;
  do {
    const auto window = rest.first(std::min(rest.size(), static_cast<size_t>(room)));
    pieces.push_back({text, tokenizer.framed_pair(first, window)});
    rest = rest.subspan(window.size());
  } while (!rest.empty());
  return pieces;
}

// Reads the pieces in as few batches as they fit into, and hands the last layer's rows of each to
// take(piece, rows).
template <class Take>
Result<void> Embedder::read(std::span<const Piece> pieces, const Take& take) {
  if (pieces.empty()) return {};
  size_t longest = 0, all = 0;
  for (const Piece& piece : pieces) {
    longest = std::max(longest, piece.tokens.size());
    all += piece.tokens.size();
  }
  const size_t most_rows = std::max(longest, std::min<size_t>(all, kBatchRows));
  const size_t most_texts = std::min<size_t>(pieces.size(), kBatchTexts);
  const model::ModelConfig& config = model_->config;
  const int rows = static_cast<int>(most_rows);
  const model::ForwardOptions options{.adapters = model_->weights.adapter_sizes,
                                      .max_rows = rows,
                                      .max_sequences = static_cast<int>(most_texts),
                                      .max_outputs = rows,
                                      .context = static_cast<int64_t>(longest),
                                      .exact = options_.exact,
                                      .hidden = true};
  auto forward =
      TRY(model::Forward::create(config, model_->weights, *kernels_, *workers_, options));
  auto cache =
      TRY(cache::PagedKv::create(config.kv_shape(DType::F32, DType::F32),
                                 rows + static_cast<int64_t>(most_texts) * cache::kPageTokens));
  std::vector<int32_t> outputs(most_rows);
  std::iota(outputs.begin(), outputs.end(), 0);
  for (size_t begin = 0; begin < pieces.size();) {
    std::vector<int32_t> tokens;
    std::vector<cache::PageTable> tables;
    std::vector<model::SequenceRows> sequences;
    size_t end = begin;
    for (; end < pieces.size() && end - begin < most_texts; ++end) {
      const auto& next = pieces[end].tokens;
      if (tokens.size() + next.size() > most_rows) break;
      tokens.insert(tokens.end(), next.begin(), next.end());
      tables.push_back(cache.new_table());
      CHECK_THAT(cache.extend(tables.back(), static_cast<int>(next.size())));
    }
    for (cache::PageTable& table : tables) sequences.push_back({&table, table.length});
    const auto hidden =
        TRY(forward->run({tokens, sequences, std::span(outputs).first(tokens.size())}, cache));
    TRY(model_->file.still_whole());
    int64_t row = 0;
    for (; begin < end; ++begin) {
      const int64_t count = static_cast<int64_t>(pieces[begin].tokens.size());
      take(pieces[begin],
           Matrix<const float>{hidden.row(row), count, hidden.columns, hidden.stride});
      row += count;
    }
    for (cache::PageTable& table : tables) cache.truncate(table, 0);
  }
  return {};
}

Result<void> Embedder::check_embeds() const {
  if (pooling_ != Pooling::Rank) return {};
  return fail(
      "{}: expected a model that embeds, found one that judges pairs: see issun rerank, or choose "
      "a --pooling",
      model_->config.architecture);
}

Result<std::vector<TextEmbedding>> Embedder::embed(std::span<const std::string> texts) {
  TRY(check_embeds());
  std::vector<Piece> pieces;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto plain = TRY(model_->tokenizer.encode(texts[i], {.add_special = false}));
    auto cut_text = TRY(cut(i, plain));
    std::move(cut_text.begin(), cut_text.end(), std::back_inserter(pieces));
  }
  return embed_pieces(pieces, texts.size());
}

Result<TextEmbedding> Embedder::embed_tokens(std::span<const Token> tokens) {
  TRY(check_embeds());
  for (const Token token : tokens) {
    if (token < 0 || token >= model_->config.vocabulary_size) {
      return fail("tokens: expected ids from 0 to {}, found {}", model_->config.vocabulary_size - 1,
                  token);
    }
  }
  TRY(check_length(0, static_cast<int64_t>(tokens.size())));
  const Piece piece{0, {tokens.begin(), tokens.end()}};
  return std::move(TRY(embed_pieces({&piece, 1}, 1))[0]);
}

Result<std::vector<TextEmbedding>> Embedder::embed_pieces(std::span<const Piece> pieces,
                                                          size_t texts) {
  std::vector<TextEmbedding> embeddings(texts);
  TRY(read(pieces, [&](const Piece& piece, const Matrix<const float>& rows) {
    TextEmbedding& embedding = embeddings[piece.text];
    embedding.tokens += static_cast<int>(rows.rows);
    ++embedding.windows;
    if (pooling_ == Pooling::None) {
      for (int64_t t = 0; t < rows.rows; ++t) {
        const auto vector = head_->run({rows.row(t), static_cast<size_t>(rows.columns)});
        embedding.vectors.emplace_back(vector.begin(), vector.end());
      }
      return;
    }
    const auto vector = head_->run(pool(pooling_, rows));
    if (embedding.vectors.empty()) embedding.vectors.emplace_back(vector.size());
    add_scaled(vector, static_cast<float>(rows.rows), embedding.vectors[0]);
  }));
  for (TextEmbedding& embedding : embeddings) {
    for (std::vector<float>& vector : embedding.vectors) {
      if (pooling_ != Pooling::None) divide(vector, static_cast<float>(embedding.tokens));
      if (options_.normalise) normalise(vector);
    }
  }
  return embeddings;
}

Result<std::vector<float>> Embedder::rank(const std::string& query,
                                          std::span<const std::string> documents) {
  if (pooling_ != Pooling::Rank) {
    return fail("{}: expected a model that judges pairs, found one that embeds: see issun embed",
                model_->config.architecture);
  }
  std::vector<Piece> pieces;
  for (size_t i = 0; i < documents.size(); ++i) {
    auto cut_text = TRY(cut_pair(i, query, documents[i]));
    std::move(cut_text.begin(), cut_text.end(), std::back_inserter(pieces));
  }
  std::vector<std::optional<float>> best(documents.size());
  TRY(read(pieces, [&](const Piece& piece, const Matrix<const float>& rows) {
    const float score = head_->run(pool(model_->config.reading.ranked, rows))[0];
    std::optional<float>& so_far = best[piece.text];
    so_far = so_far ? std::max(*so_far, score) : score;
  }));
  std::vector<float> scores;
  for (const auto& score : best) scores.push_back(score.value_or(0));
  return scores;
}

}  // namespace issun::engine
