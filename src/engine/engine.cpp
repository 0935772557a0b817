#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/clock.h"

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
  bool finished = false;
};

struct Engine::Kept {
  std::vector<int32_t> history;
  cache::PageTable table;
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
  }
  return "";
}

Engine::Engine(model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, cache::PagedKv cache,
               const EngineOptions& options)
    : decoder_(decoder), tokenizer_(tokenizer), cache_(std::move(cache)), options_(options) {
  CHECK_THAT(options_.prompt_rows >= 1 && decoder.max_rows() >= 1);
  CHECK_THAT(decoder.max_outputs() >= decoder.max_sequences());
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

// Begins with what a finished request left in the cache, as far as both are alike: what is equal
// needs no computing.
void Engine::adopt_prefix(Session& session) {
  size_t best = kept_.size();
  int longest = 0;
  for (size_t i = 0; i < kept_.size(); ++i) {
    // One token at least has to be computed, for its logits.
    const size_t most =
        std::min(session.history.size() - 1, static_cast<size_t>(kept_[i].table.length));
    const auto end = std::mismatch(session.history.begin(),
                                   session.history.begin() + static_cast<std::ptrdiff_t>(most),
                                   kept_[i].history.begin());
    const int common =
        cache_.resumable(kept_[i].table, static_cast<int>(end.first - session.history.begin()));
    if (common > longest) {
      longest = common;
      best = i;
    }
  }
  if (best == kept_.size()) return;
  Kept& kept = kept_[best];
  // Where the other goes on differently both live on, as long as there is room.
  const bool continued = longest == kept.table.length;
  if (continued || !cache_.fork(kept.table, longest, session.table)) {
    longest = cache_.cuttable(kept.table, longest);
    session.table = std::move(kept.table);
    cache_.truncate(session.table, longest);
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(best));
  }
  session.statistics.cached_tokens = longest;
}

// Of a session that has computed nothing yet. Where a running one begins alike for longer than what
// was found so far: true while that one has not come to the end of what they share; then its pages
// are shared.
bool Engine::waits_for_prefix(Session& session) {
  if (session.begun) return false;
  const Session* best = nullptr;
  int longest = session.table.length + kWorthWaiting - 1;
  for (const auto& other : running_) {
    if (other.get() == &session || (!other->begun && other->id > session.id)) continue;
    const size_t most = std::min(session.history.size() - 1, other->history.size());
    const auto end = std::mismatch(session.history.begin(),
                                   session.history.begin() + static_cast<std::ptrdiff_t>(most),
                                   other->history.begin());
    const int common = static_cast<int>(end.first - session.history.begin());
    if (common > longest) {
      longest = common;
      best = other.get();
    }
  }
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
  while (!forked && forget_oldest()) forked = cache_.fork(best->table, shared, table);
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
  const double start = seconds_now();
  plan_batch();
  if (!planned_.empty()) {
    const Matrix<const float> logits = decoder_.run({tokens_, sequences_, outputs_}, cache_);
    int64_t output = 0;
    for (Session* session : planned_) {
      // A hint for later requests: without a free slot they compute more.
      if (session->table.length == session->keep_at()) cache_.keep_state(session->table);
      if (session->pending() > 0) continue;
      take_result(*session, {logits.row(output++), static_cast<size_t>(logits.columns)});
    }
  }
  const double seconds = seconds_now() - start;
  learn_speed(seconds);
  for (Session* session : planned_) {
    RequestStatistics& statistics = session->statistics;
    // The first token is chosen in the step that ends the prompt.
    (statistics.generated_tokens > 1 ? statistics.generation_seconds : statistics.prompt_seconds) +=
        seconds;
  }
  for (Event& event : events_) event.statistics = find(event.request)->statistics;
  std::erase_if(running_, [](const auto& s) { return s->finished; });
  return events_;
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
  for (const bool generating : {true, false}) {
    for (size_t i = 0; i < count; ++i) {
      Session& session = *running_[(turn_ + i) % count];
      if (crowded ? generating : session.generating() != generating) continue;
      if (waits_for_prefix(session)) continue;
      plan_rows(session, crowded ? 1 : most_rows_);
    }
  }
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
    if (!forget_oldest()) return false;
  }
  const size_t first = static_cast<size_t>(session.table.length - rows);
  tokens_.insert(tokens_.end(), session.history.begin() + static_cast<std::ptrdiff_t>(first),
                 session.history.begin() + session.table.length);
  sequences_.push_back({&session.table, rows});
  planned_.push_back(&session);
  session.begun = true;
  if (session.pending() == 0) outputs_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  return true;
}

// Gives up what the oldest finished request left behind. false: there is none.
bool Engine::forget_oldest() {
  if (kept_.empty()) return false;
  cache_.truncate(kept_.front().table, 0);
  kept_.erase(kept_.begin());
  return true;
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
  if (session.table.length > 0) {
    kept_.push_back({std::move(session.history), std::move(session.table)});
  }
}

RequestStatistics Engine::statistics(RequestId request) const {
  const Session* session = find(request);
  return session != nullptr ? session->statistics : RequestStatistics();
}

uint64_t Engine::last_logits_hash() const {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : std::as_bytes(last_logits_)) {
    hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace issun::engine
