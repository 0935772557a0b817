#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/fnv.h"
#include "engine/common_tokens.h"

namespace issun::engine {

namespace {
// A state is kept so many tokens before the end of a prompt: the next prompt of a talk often
// differs in how the turn after it begins (an answer without its reasoning), and not earlier.
constexpr int kKeptBeforeEnd = 16;
// A request waits for one that is reading the same prompt if that spares it so many tokens.
constexpr int kWorthWaiting = 32;
// Rows of a prompt that a batch takes at least, whatever waits.
constexpr int kLeastPromptRows = 32;
}  // namespace

struct Engine::Session {
  Session(Request asked, int vocabulary_size, cache::PageTable empty,
          std::shared_ptr<const SequenceBreakers> breakers, std::optional<Constraint> bound)
      : request(std::move(asked)),
        history(request.prompt),
        table(std::move(empty)),
        sampler(request.sampling, vocabulary_size, std::move(breakers)),
        constraint(std::move(bound)),
        text(request.stop, request.drop_leading_space) {}

  // Tokens of the history that the cache does not hold yet.
  int pending() const { return static_cast<int>(history.size()) - table.length; }
  bool generating() const { return statistics.generated_tokens > 0; }
  // By which KeptPrefixes tells apart what adapters made of the same tokens. 0: all count by 1.
  uint64_t variant() const {
    const auto& scales = request.adapter_scales;
    const bool plain =
        std::all_of(scales.begin(), scales.end(), [](float scale) { return scale == 1; });
    return plain ? 0 : fnv1a(std::as_bytes(std::span(scales)));
  }
  int keep_at() const { return statistics.prompt_tokens - kKeptBeforeEnd; }

  RequestId id = 0;
  Request request;
  std::vector<int32_t> history;  // prompt, then answer
  cache::PageTable table;
  Sampler sampler;
  std::optional<Constraint> constraint;
  TextStream text;
  RequestStatistics statistics;
  bool begun = false;   // has been part of a batch
  bool waited = false;  // for one that reads the same prompt
  int computed = 0;     // positions of the table before the batch that is being planned
  DraftState draft;
  std::vector<int32_t> guesses;  // behind the history, in the batch; none between batches
  bool finished = false;
};

const char* name(Finish finish) {
  switch (finish) {
    case Finish::Running:
      return "running";
    case Finish::EndToken:
      return "end";
    case Finish::StopText:
      return "stop";
    case Finish::MaxTokens:
      return "length";
    case Finish::ContextFull:
      return "context";
    case Finish::Cancelled:
      return "cancelled";
    case Finish::BrokenLogits:
      return "broken";
    case Finish::Failed:
      return "failed";
    case Finish::TooCostly:
      return "costly";
  }
  return "";
}

double tokens_a_step(const RequestStatistics& s) {
  return s.steps > 0 ? static_cast<double>(s.generated_tokens) / s.steps : 0;
}

Engine::Engine(model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, cache::PagedKv cache,
               const EngineOptions& options)
    : decoder_(decoder),
      tokenizer_(tokenizer),
      cache_(std::move(cache)),
      options_(options),
      speculation_(options.speculation, decoder),
      kept_(cache_) {
  CHECK_THAT(options_.prompt_rows >= 1 && decoder.max_rows() >= 1);
  CHECK_THAT(decoder.max_outputs() >= decoder.max_sequences());
  CHECK_THAT(!speculation_.on() || !cache_.has_states());
  adapter_scales_.assign(static_cast<size_t>(decoder.adapters()), 1);
  options_.context = std::min(options_.context, decoder.context());
  options_.prompt_rows = std::min(options_.prompt_rows, decoder.max_rows());
  tokens_.reserve(static_cast<size_t>(decoder.max_rows()));
}

Engine::~Engine() = default;

Result<void> Engine::check(const Request& request) const {
  const int64_t length = static_cast<int64_t>(request.prompt.size());
  if (length == 0) return fail("prompt: expected at least one token");
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= decoder_.vocabulary_size()) {
      return fail("prompt: expected tokens from 0 to {}, found {}", decoder_.vocabulary_size() - 1,
                  token);
    }
  }
  if (length >= options_.context) {
    return fail("prompt: {} tokens leave no room for an answer in a context of {}", length,
                options_.context);
  }
  for (const std::string& text : request.stop) {
    if (text.empty()) return fail("stop: expected a text that is not empty");
  }
  const size_t scales = request.adapter_scales.size();
  if (scales != 0 && scales != static_cast<size_t>(decoder_.adapters())) {
    return fail("adapter_scales: expected {}, one for each adapter, found {}", decoder_.adapters(),
                scales);
  }
  TRY(engine::check(request.sampling));
  for (const LogitBias& bias : request.sampling.logit_bias) {
    if (bias.token >= decoder_.vocabulary_size()) {
      return fail("logit_bias: expected tokens from 0 to {}, found {}",
                  decoder_.vocabulary_size() - 1, bias.token);
    }
  }
  return {};
}

Result<RequestId> Engine::submit(Request request) {
  TRY(check(request));
  if (static_cast<int>(running_.size()) >= decoder_.max_sequences()) {
    return fail("requests: expected at most {} at once", decoder_.max_sequences());
  }
  if (request.adapter_scales.empty()) {
    request.adapter_scales.assign(static_cast<size_t>(decoder_.adapters()), 1);
  }
  if (!may_join(request)) {
    return fail("adapter_scales: expected those of the requests that run");
  }
  if (request.adapter_scales != adapter_scales_) {
    adapter_scales_ = request.adapter_scales;
    decoder_.scale_adapters(adapter_scales_);
  }
  auto breakers = TRY(breakers_of(request.sampling));
  std::optional<Constraint> bound = constraint(request);
  auto session =
      std::make_unique<Session>(std::move(request), decoder_.vocabulary_size(), cache_.new_table(),
                                std::move(breakers), std::move(bound));
  session->id = next_id_++;
  session->statistics.prompt_tokens = static_cast<int>(session->request.prompt.size());
  last_logits_ = {};
  adopt_prefix(*session);
  running_.push_back(std::move(session));
  return running_.back()->id;
}

bool Engine::may_join(const Request& request) const {
  if (running_.empty()) return true;
  if (!request.adapter_scales.empty()) return request.adapter_scales == adapter_scales_;
  return std::all_of(adapter_scales_.begin(), adapter_scales_.end(),
                     [](float scale) { return scale == 1; });
}

Result<std::shared_ptr<const SequenceBreakers>> Engine::breakers_of(
    const SamplerOptions& sampling) {
  if (sampling.dry_multiplier == 0) return nullptr;
  if (breakers_ == nullptr || breaker_texts_ != sampling.dry_sequence_breakers) {
    breakers_ = std::make_shared<const SequenceBreakers>(
        TRY(SequenceBreakers::create(tokenizer_, sampling.dry_sequence_breakers)));
    breaker_texts_ = sampling.dry_sequence_breakers;
  }
  return breakers_;
}

// Begins with what a finished request left in the cache, or in a file, as far as both are alike:
// what is equal needs no computing.
void Engine::adopt_prefix(Session& session) {
  const uint64_t variant = session.variant();
  if (shelf_ != nullptr) {
    int known = kept_.longest(session.history, variant);
    running_alike(session, &known);
    shelf_->fetch({session.history, variant, known}, cache_, kept_);
  }
  session.statistics.cached_tokens = kept_.adopt(session.history, session.table, variant);
}

// Which of those that run and came before begins alike for longer than `longest`, and how long.
const Engine::Session* Engine::running_alike(const Session& session, int* longest) const {
  const Session* best = nullptr;
  for (const auto& other : running_) {
    if (other.get() == &session || (!other->begun && other->id > session.id)) continue;
    const std::span<const int32_t> history(session.history);
    const int common = common_tokens(history.first(history.size() - 1), other->history);
    if (common > *longest) {
      *longest = common;
      best = other.get();
    }
  }
  return best;
}

// Of a session that has computed nothing yet. Where a running one begins alike for longer than what
// was found so far: true while that one has not come to the end of what they share; then its pages
// are shared.
bool Engine::waits_for_prefix(Session& session) {
  if (session.begun) return false;
  int longest = session.table.length + kWorthWaiting - 1;
  const Session* best = running_alike(session, &longest);
  if (best == nullptr) {
    // Who was waited for has ended: what it read is kept.
    if (std::exchange(session.waited, false)) {
      cache_.truncate(session.table, 0);
      session.statistics.cached_tokens = 0;
      adopt_prefix(session);
    }
    return false;
  }
  // A state is known where the prompt nearly ends, and nowhere before.
  if (cache_.has_states() && longest < best->keep_at()) return false;
  if (best->computed < std::min(longest, static_cast<int>(best->history.size()) - 1)) {
    session.waited = true;
    return true;
  }
  session.waited = false;
  const int shared = cache_.resumable(best->table, std::min(longest, best->computed));
  if (shared <= session.table.length) return false;
  cache::PageTable table = cache_.new_table();
  bool forked = cache_.fork(best->table, shared, table);
  while (!forked && kept_.give_up()) forked = cache_.fork(best->table, shared, table);
  if (!forked) return false;
  cache_.truncate(session.table, 0);
  session.table = std::move(table);
  session.statistics.cached_tokens = shared;
  return false;
}

std::optional<Constraint> Engine::constraint(const Request& request) {
  if (request.grammar == nullptr) return std::nullopt;
  if (token_index_ == nullptr) {
    token_index_ = std::make_shared<const grammar::TokenIndex>(tokenizer_);
  }
  return Constraint(request.grammar, token_index_, decoder_.vocabulary_size());
}

Engine::Session* Engine::find(RequestId request) const {
  for (const auto& session : running_) {
    if (session->id == request) return session.get();
  }
  return nullptr;
}

Event Engine::cancel(RequestId request) {
  Event event;
  event.request = request;
  if (Session* session = find(request)) {
    finish(*session, Finish::Cancelled, event);
    event.statistics = session->statistics;
    std::erase_if(running_, [](const auto& s) { return s->finished; });
  }
  return event;
}

std::span<const Event> Engine::step() {
  events_.clear();
  const double start = options_.speculation.clock();
  plan_batch();
  if (!planned_.empty()) {
    const auto logits = decoder_.run({tokens_, sequences_, outputs_, company_}, cache_);
    if (logits) {
      const bool reads_prompts = outputs_.size() < tokens_.size();
      take_results(*logits);
      const double seconds = options_.speculation.clock() - start;
      learn_speed(seconds);
      if (!reads_prompts)
        speculation_.learn(static_cast<int>(tokens_.size()), company_, seconds - guessing_seconds_);
    } else {
      fail_batch(logits.error());
    }
  }
  const double seconds = options_.speculation.clock() - start;
  for (Session* session : planned_) {
    RequestStatistics& statistics = session->statistics;
    // The first token is chosen in the step that ends the prompt.
    (statistics.generated_tokens > 1 ? statistics.generation_seconds : statistics.prompt_seconds) +=
        seconds;
  }
  for (Event& event : events_) {
    const int generated = event.statistics.generated_tokens;
    event.statistics = find(event.request)->statistics;
    if (event.token >= 0) event.statistics.generated_tokens = generated;
  }
  std::erase_if(running_, [](const auto& s) { return s->finished; });
  return events_;
}

void Engine::take_results(const Matrix<const float>& logits) {
  int64_t output = 0;
  for (Session* session : planned_) {
    // A hint for later requests: without a free slot they compute more.
    if (session->table.length == session->keep_at()) cache_.keep_state(session->table);
    if (session->pending() > 0) continue;
    ++session->statistics.steps;
    const std::vector<int32_t>& guesses = session->guesses;
    const int64_t next_output = output + 1 + static_cast<int64_t>(guesses.size());
    // A row counts where the tokens before it are those that were chosen.
    for (size_t right = 0;; ++right) {
      take_result(*session, {logits.row(output++), static_cast<size_t>(logits.columns)});
      if (session->finished || right == guesses.size() ||
          session->history.back() != guesses[right]) {
        break;
      }
    }
    if (!session->finished) take_back_guesses(*session);
    output = next_output;
  }
}

// The cache forgets the guesses of the batch that did not come true.
void Engine::take_back_guesses(Session& session) {
  std::vector<int32_t>& guesses = session.guesses;
  if (guesses.empty()) return;
  const size_t first = static_cast<size_t>(session.table.length) - guesses.size();
  const auto came = std::span<const int32_t>(session.history).subspan(first);
  const int right = common_tokens(came, guesses);
  cache_.truncate(session.table, static_cast<int>(first) + right);
  session.statistics.drafted_tokens += static_cast<int>(guesses.size());
  session.statistics.accepted_tokens += right;
  speculation_.judged(session.draft, right, static_cast<size_t>(right) < came.size());
  guesses.clear();
}

// Nothing was computed for those of this batch: they end, and what they had before it is kept.
void Engine::fail_batch(const Error& error) {
  last_logits_ = {};
  for (Session* session : planned_) {
    session->guesses.clear();
    cache_.truncate(session->table, cache_.has_states() ? 0 : session->computed);
    Event event;
    event.request = session->id;
    event.error = error.message;
    finish(*session, Finish::Failed, event);
    events_.push_back(std::move(event));
  }
}

// What a row costs in batches that are mostly prompt.
void Engine::learn_speed(double seconds) {
  const size_t rows = tokens_.size();
  if (rows < kLeastPromptRows || rows < 2 * sequences_.size()) return;
  const double now = seconds / static_cast<double>(rows);
  row_seconds_ = row_seconds_ == 0 ? now : 0.7 * row_seconds_ + 0.3 * now;
}

// What a batch may take: as much as keeps those who write waiting no longer than they may.
int Engine::rows_of_a_batch() const {
  const auto writing = static_cast<int>(std::count_if(
      running_.begin(), running_.end(), [](const auto& session) { return session->generating(); }));
  const int all = options_.prompt_rows;
  if (options_.most_gap_seconds == 0 || writing == 0) return all;
  const double rows = row_seconds_ > 0 ? options_.most_gap_seconds / row_seconds_ : 0;
  const int wished = static_cast<int>(std::min<double>(rows, all));
  return std::min(all, writing + std::max(kLeastPromptRows, wished - writing));
}

// Requests that generate come first, one row each, and prompts share the rows that are left; unless
// there are more requests than rows: then whose turn it is counts alone.
void Engine::plan_batch() {
  tokens_.clear();
  outputs_.clear();
  sequences_.clear();
  planned_.clear();
  const size_t count = running_.size();
  const bool crowded = count > static_cast<size_t>(options_.prompt_rows);
  ++turn_;
  for (const auto& session : running_) session->computed = session->table.length;
  most_rows_ = rows_of_a_batch();
  plan_guesses(crowded);
  for (const bool generating : {true, false}) {
    for (size_t i = 0; i < count; ++i) {
      Session& session = *running_[(turn_ + i) % count];
      if (crowded ? generating : session.generating() != generating) continue;
      if (waits_for_prefix(session)) continue;
      session.computed = session.table.length;  // it may have begun with another's pages
      plan_rows(session, crowded ? 1 : most_rows_);
    }
  }
}

// Guesses where a batch has a row for each answer and reads no prompt: one that does is long, and
// its rows are computed with other bits.
void Engine::plan_guesses(bool crowded) {
  guessing_seconds_ = 0;
  company_ = 0;
  for (const auto& session : running_) session->draft.guess.tokens.clear();
  const bool all_generate = std::all_of(running_.begin(), running_.end(),
                                        [](const auto& session) { return session->generating(); });
  if (!speculation_.on() || crowded || !all_generate) return;
  drafts_.clear();
  for (const auto& session : running_) {
    const int64_t context = options_.context - static_cast<int64_t>(session->history.size());
    const int64_t asked = session->request.max_tokens < 0
                              ? context
                              : session->request.max_tokens - session->statistics.generated_tokens;
    Guess& guess = session->draft.guess;
    guess.text = session->id;
    guess.history = session->history;
    guess.most = static_cast<int>(std::min(asked, context)) - 1;  // the last token is no guess
    drafts_.push_back(&session->draft);
  }
  if (drafts_.empty()) return;
  const int texts = static_cast<int>(drafts_.size());
  guessing_seconds_ = speculation_.guess(drafts_, most_rows_ - texts);
  company_ = speculation_.company(texts);
}

void Engine::plan_rows(Session& session, int most_rows) {
  const int room = most_rows_ - static_cast<int>(tokens_.size());
  int rows = std::min({session.pending(), room, most_rows});
  const int before_kept = session.keep_at() - session.table.length;
  if (cache_.has_states() && before_kept > 0) rows = std::min(rows, before_kept);
  if (rows <= 0 || add_rows(session, rows)) return;
  Event event;
  event.request = session.id;
  finish(session, Finish::ContextFull, event);
  events_.push_back(std::move(event));
}

bool Engine::add_rows(Session& session, int rows) {
  while (!cache_.extend(session.table, rows)) {
    if (!kept_.give_up()) return false;
  }
  const size_t first = static_cast<size_t>(session.table.length - rows);
  tokens_.insert(tokens_.end(), session.history.begin() + static_cast<std::ptrdiff_t>(first),
                 session.history.begin() + session.table.length);
  sequences_.push_back({&session.table, rows});
  planned_.push_back(&session);
  session.begun = true;
  if (session.pending() == 0) outputs_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  add_guesses(session);
  return true;
}

// A guess is no reason to forget what others left in the cache, and takes no page that the row of
// another request may need in this batch.
void Engine::add_guesses(Session& session) {
  std::vector<int32_t>& guesses = session.draft.guess.tokens;
  const int count = static_cast<int>(guesses.size());
  if (count == 0 || session.pending() != 0) return;
  const int before = cache_.free_pages();
  if (!cache_.extend(session.table, count)) return;
  const int to_come = static_cast<int>(running_.size() - planned_.size());
  if (cache_.free_pages() < std::min(before, to_come)) {
    cache_.truncate(session.table, session.table.length - count);
    return;
  }
  session.guesses.swap(guesses);
  sequences_.back().rows += count;
  for (const int32_t token : session.guesses) {
    tokens_.push_back(token);
    outputs_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  }
}

void Engine::take_result(Session& session, std::span<const float> logits) {
  Event event;
  event.request = session.id;
  last_logits_ = logits;
  if (session.request.max_tokens == 0) {
    finish(session, Finish::MaxTokens, event);
    events_.push_back(std::move(event));
    return;
  }
  if (session.constraint) logits = session.constraint->apply(logits);
  if (session.constraint && session.constraint->too_costly()) {
    event.error = fmt::format(
        "grammar: finding out which tokens it allows takes more than {} steps for a token",
        grammar::GrammarState::kMostWork);
    finish(session, Finish::TooCostly, event);
    events_.push_back(std::move(event));
    return;
  }
  if (logits.empty()) {
    finish(session, Finish::EndToken, event);
    events_.push_back(std::move(event));
    return;
  }
  const int32_t token = session.sampler.sample(logits, session.history);
  if (!std::isfinite(logits[static_cast<size_t>(token)])) {
    finish(session, Finish::BrokenLogits, event);
    events_.push_back(std::move(event));
    return;
  }
  const bool end = tokenizer_.is_end(token) && (!session.request.ignore_end || session.constraint);
  if (session.constraint) session.constraint->accept(token);
  RequestStatistics& statistics = session.statistics;
  ++statistics.generated_tokens;
  event.token = token;
  event.statistics.generated_tokens = statistics.generated_tokens;
  event.probabilities = session.sampler.probabilities();
  if (end) {
    finish(session, Finish::EndToken, event);
  } else {
    session.history.push_back(token);
    std::string piece;
    const auto& shown = session.request.shown_tokens;
    const bool show = std::find(shown.begin(), shown.end(), token) != shown.end();
    tokenizer_.append_piece(token, show, piece);
    if (session.text.feed(piece, event.text)) {
      finish(session, Finish::StopText, event);
    } else if (statistics.generated_tokens == session.request.max_tokens) {
      finish(session, Finish::MaxTokens, event);
    } else if (static_cast<int64_t>(session.history.size()) >= options_.context) {
      finish(session, Finish::ContextFull, event);
    }
  }
  events_.push_back(std::move(event));
}

void Engine::finish(Session& session, Finish reason, Event& event) {
  if (reason != Finish::StopText) session.text.finish(event.text);
  event.finish = reason;
  session.finished = true;
  take_back_guesses(session);
  speculation_.forget(session.id);
  kept_.keep(std::move(session.history), std::move(session.table), session.statistics.cached_tokens,
             session.variant());
}

RequestStatistics Engine::statistics(RequestId request) const {
  const Session* session = find(request);
  return session != nullptr ? session->statistics : RequestStatistics();
}

uint64_t Engine::last_logits_hash() const { return fnv1a(std::as_bytes(last_logits_)); }

}  // namespace issun::engine
