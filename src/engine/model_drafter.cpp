#include "engine/model_drafter.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/quote.h"
#include "engine/common_tokens.h"
#include "engine/sampler.h"
#include "engine/speculation.h"

namespace issun::engine {

namespace {

double probability(std::span<const float> logits, int32_t token) {
  const float chosen = logits[static_cast<size_t>(token)];
  float total = 0;
  for (const float logit : logits) total += std::exp(logit - chosen);
  return 1 / double{total};
}

}  // namespace

ModelDrafter::ModelDrafter(std::shared_ptr<model::Decoder> decoder, cache::PagedKv cache,
                           const ModelDrafterOptions& options)
    : decoder_(std::move(decoder)), cache_(std::move(cache)), options_(options) {
  CHECK_THAT(!cache_.has_states());
  CHECK_THAT(decoder_->max_sequences() >= options.texts && decoder_->max_rows() >= options.texts);
}

void ModelDrafter::forget(int64_t id) {
  for (const auto& text : texts_) {
    if (text->id == id) text->ended = true;
  }
}

// A new text takes over what an ended one knows: of several the one that is the most alike.
ModelDrafter::Text* ModelDrafter::text_of(const Guess& guess) {
  Text* best = nullptr;
  int longest = -1;
  for (const auto& text : texts_) {
    if (!text->ended && text->id == guess.text) return text.get();
    const int common = text->ended ? common_tokens(text->known, guess.history) : -1;
    if (common > longest) {
      longest = common;
      best = text.get();
    }
  }
  if (longest <= 0 && static_cast<int>(texts_.size()) < options_.texts) {
    texts_.push_back(std::make_unique<Text>());
    best = texts_.back().get();
    best->table = cache_.new_table();
  }
  if (best == nullptr) return nullptr;
  best->id = guess.text;
  best->ended = false;
  return best;
}

void ModelDrafter::go_back(Text& text, std::span<const int32_t> history) {
  // The last token is read again, if need be, for what follows it.
  const int common =
      std::min(common_tokens(text.known, history), static_cast<int>(history.size()) - 1);
  cache_.truncate(text.table, common);
  text.known.resize(static_cast<size_t>(common));
}

void ModelDrafter::add_rows(Text& text, std::span<const int32_t> tokens) {
  CHECK_THAT(cache_.extend(text.table, static_cast<int>(tokens.size())));
  text.known.insert(text.known.end(), tokens.begin(), tokens.end());
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  rows_.push_back({&text.table, static_cast<int>(tokens.size())});
}

// Without asking for logits. false: it could not be computed.
bool ModelDrafter::read(Text& text, std::span<const int32_t> tokens) {
  const auto most = static_cast<size_t>(decoder_->max_rows());
  for (; !tokens.empty(); tokens = tokens.subspan(std::min(most, tokens.size()))) {
    tokens_.clear();
    rows_.clear();
    add_rows(text, tokens.first(std::min(most, tokens.size())));
    if (!decoder_->run({tokens_, rows_, {}}, cache_)) return false;
  }
  return true;
}

void ModelDrafter::guess(std::span<Guess* const> guesses) {
  guessed_.clear();
  for (Guess* guess : guesses) {
    guess->tokens.clear();
    guess->kind = 0;
    Text* text = text_of(*guess);
    guessed_.push_back(text);
    if (text != nullptr) go_back(*text, guess->history);
  }
  // Prompts first, one by one; then a batch for the next token of all.
  const size_t each = static_cast<size_t>(decoder_->max_rows()) / guesses.size();
  for (size_t i = 0; i < guesses.size(); ++i) {
    if (guessed_[i] == nullptr) continue;
    const auto unread = guesses[i]->history.subspan(guessed_[i]->known.size());
    if (unread.size() > each && !read(*guessed_[i], unread.first(unread.size() - 1)))
      return give_up();
  }
  open_.assign(guesses.size(), true);
  while (guess_once(guesses)) {}
}

// One token more of each guess that goes on. false: none does.
bool ModelDrafter::guess_once(std::span<Guess* const> guesses) {
  tokens_.clear();
  outputs_.clear();
  rows_.clear();
  for (size_t i = 0; i < guesses.size(); ++i) {
    const Guess& guess = *guesses[i];
    open_[i] =
        open_[i] && guessed_[i] != nullptr && static_cast<int>(guess.tokens.size()) < guess.most;
    if (!open_[i]) continue;
    if (guess.tokens.empty()) {
      add_rows(*guessed_[i], guess.history.subspan(guessed_[i]->known.size()));
    } else {
      add_rows(*guessed_[i], {&guess.tokens.back(), 1});
    }
    outputs_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  }
  if (tokens_.empty()) return false;
  const auto logits = decoder_->run({tokens_, rows_, outputs_}, cache_);
  if (!logits) {
    for (Guess* guess : guesses) guess->tokens.clear();
    give_up();
    return false;
  }
  int64_t row = 0;
  for (size_t i = 0; i < guesses.size(); ++i) {
    if (!open_[i]) continue;
    const std::span<const float> own(logits->row(row++), static_cast<size_t>(logits->columns));
    const int32_t token = most_likely(own);
    // A number that is none is never more than another.
    open_[i] = probability(own, token) >= options_.least_probability;
    if (open_[i]) guesses[i]->tokens.push_back(token);
  }
  return true;
}

// What the latest batches were to write is not in the cache.
void ModelDrafter::give_up() {
  for (Text* text : guessed_) {
    if (text == nullptr) continue;
    cache_.truncate(text->table, 0);
    text->known.clear();
  }
}

Result<void> check_same_vocabulary(const tokenizer::Tokenizer& model,
                                   const tokenizer::Tokenizer& draft) {
  if (model.vocabulary_size() != draft.vocabulary_size()) {
    return fail("draft model: expected the same vocabulary of {} tokens, found one of {}",
                model.vocabulary_size(), draft.vocabulary_size());
  }
  for (tokenizer::Token token = 0; token < model.vocabulary_size(); ++token) {
    if (model.token_text(token) == draft.token_text(token)) continue;
    return fail("draft model: expected the same vocabulary, with '{}' as token {}, found '{}'",
                printable(model.token_text(token)), token, printable(draft.token_text(token)));
  }
  return {};
}

Result<std::shared_ptr<Drafter>> start_draft_model(std::unique_ptr<model::Model> draft,
                                                   Runtime& runtime, double least_probability) {
  if (!draft->config.causal)
    return fail("draft model: expected one that continues text, found one that only reads it");
  if (runtime.may_stream()) {
    return fail(
        "draft model: expected a model that has all its weights in memory; those of this one come "
        "and go, and the memory it may have is divided without a second model");
  }
  TRY(check_same_vocabulary(runtime.model().tokenizer, draft->tokenizer));
  TRY(check_speculation(draft->config));
  const RuntimeOptions& o = runtime.options();
  model::ForwardOptions options;
  options.max_rows = std::max(o.max_rows, o.max_sequences);
  options.max_sequences = options.max_outputs = o.max_sequences;
  options.context = o.context;
  options.exact = o.exact;
  options.rotate_keys = o.rotates_keys();
  options.rotate_values = o.rotates_values();
  options.adapters = draft->weights.adapter_sizes;
  struct Own {
    std::unique_ptr<model::Model> model;
    std::unique_ptr<model::Forward> forward;
  };
  auto own = std::make_shared<Own>();
  own->forward = TRY(model::Forward::create(draft->config, draft->weights, runtime.kernels(),
                                            runtime.workers(), options));
  auto cache = TRY(cache::PagedKv::create(draft->config.kv_shape(o.key_type, o.value_type),
                                          round_up(o.context, cache::kPageTokens) * o.max_sequences,
                                          o.max_sequences));
  own->model = std::move(draft);
  return std::make_shared<ModelDrafter>(
      std::shared_ptr<model::Decoder>(own, own->forward.get()), std::move(cache),
      ModelDrafterOptions{.texts = o.max_sequences, .least_probability = least_probability});
}

}  // namespace issun::engine
