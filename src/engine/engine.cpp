#include "engine/engine.h"

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"

namespace issun::engine {

struct Engine::Session {
  Session(Request asked, int vocabulary_size, cache::PageTable empty)
      : request(std::move(asked)),
        history(request.prompt),
        table(std::move(empty)),
        sampler(request.sampling, vocabulary_size),
        text(request.stop, request.drop_leading_space) {}

  // Tokens of the history that the cache does not hold yet.
  int pending() const { return static_cast<int>(history.size()) - table.length; }
  bool generating() const { return statistics.generated_tokens > 0; }

  RequestId id = 0;
  Request request;
  std::vector<int32_t> history;  // prompt, then answer
  cache::PageTable table;
  Sampler sampler;
  TextStream text;
  RequestStatistics statistics;
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
  }
  return "";
}

Engine::Engine(model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, cache::PagedKv cache,
               const EngineOptions& options)
    : decoder_(decoder), tokenizer_(tokenizer), cache_(std::move(cache)), options_(options) {
  options_.prompt_rows = std::min(options_.prompt_rows, decoder.max_rows());
  tokens_.reserve(static_cast<size_t>(decoder.max_rows()));
}

Engine::~Engine() = default;

Result<RequestId> Engine::submit(Request request) {
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
  if (static_cast<int>(running_.size()) >= decoder_.max_sequences()) {
    return fail("requests: expected at most {} at once", decoder_.max_sequences());
  }
  for (const std::string& text : request.stop) {
    if (text.empty()) return fail("stop: expected a text that is not empty");
  }
  TRY(check(request.sampling));
  auto session =
      std::make_unique<Session>(std::move(request), decoder_.vocabulary_size(), cache_.new_table());
  session->id = next_id_++;
  session->statistics.prompt_tokens = static_cast<int>(length);
  adopt_prefix(*session);
  running_.push_back(std::move(session));
  return running_.back()->id;
}

// Takes over the cache of a finished request that begins alike: what is equal needs no computing.
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
    const int common = static_cast<int>(end.first - session.history.begin());
    if (common > longest) {
      longest = common;
      best = i;
    }
  }
  if (best == kept_.size()) return;
  session.table = std::move(kept_[best].table);
  cache_.truncate(session.table, longest);
  session.statistics.cached_tokens = longest;
  kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(best));
}

Engine::Session* Engine::find(RequestId request) const {
  for (const auto& session : running_) {
    if (session->id == request) return session.get();
  }
  return nullptr;
}

void Engine::cancel(RequestId request) {
  if (Session* session = find(request)) {
    Event event{request, -1, "", Finish::Running};
    finish(*session, Finish::Cancelled, event);
    std::erase_if(running_, [](const auto& s) { return s->finished; });
  }
}

std::span<const Event> Engine::step() {
  events_.clear();
  plan_batch();
  if (!planned_.empty()) {
    const double start = seconds_now();
    const Matrix<const float> logits = decoder_.run({tokens_, sequences_, outputs_}, cache_);
    const double seconds = seconds_now() - start;
    int64_t output = 0;
    for (Session* session : planned_) {
      (session->generating() ? session->statistics.generation_seconds
                             : session->statistics.prompt_seconds) += seconds;
      if (session->pending() > 0) continue;
      take_result(*session, {logits.row(output++), static_cast<size_t>(logits.columns)});
    }
  }
  std::erase_if(running_, [](const auto& s) { return s->finished; });
  return events_;
}

// Requests that generate come first, one row each; prompts share the rows that are left.
void Engine::plan_batch() {
  tokens_.clear();
  outputs_.clear();
  sequences_.clear();
  planned_.clear();
  for (const bool generating : {true, false}) {
    for (const auto& session : running_) {
      if (session->generating() != generating) continue;
      const int room = options_.prompt_rows - static_cast<int>(tokens_.size());
      const int rows = std::min(session->pending(), room);
      if (rows > 0 && !add_rows(*session, rows)) {
        Event event{session->id, -1, "", Finish::Running};
        finish(*session, Finish::ContextFull, event);
        events_.push_back(std::move(event));
      }
    }
  }
}

bool Engine::add_rows(Session& session, int rows) {
  while (!cache_.extend(session.table, rows)) {
    if (!free_a_page()) return false;
  }
  const size_t first = static_cast<size_t>(session.table.length - rows);
  tokens_.insert(tokens_.end(), session.history.begin() + static_cast<std::ptrdiff_t>(first),
                 session.history.begin() + session.table.length);
  sequences_.push_back({&session.table, rows});
  planned_.push_back(&session);
  if (session.pending() == 0) outputs_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
  return true;
}

// Gives up what the oldest finished request left behind. false: there is none.
bool Engine::free_a_page() {
  if (kept_.empty()) return false;
  cache_.truncate(kept_.front().table, 0);
  kept_.erase(kept_.begin());
  return true;
}

void Engine::take_result(Session& session, std::span<const float> logits) {
  Event event{session.id, -1, "", Finish::Running};
  last_logits_ = logits;
  if (session.request.max_tokens == 0) {
    finish(session, Finish::MaxTokens, event);
    events_.push_back(std::move(event));
    return;
  }
  const int32_t token = session.sampler.sample(logits, session.history);
  const bool end = tokenizer_.is_end(token) && !session.request.ignore_end;
  RequestStatistics& statistics = session.statistics;
  ++statistics.generated_tokens;
  event.token = token;
  if (end) {
    finish(session, Finish::EndToken, event);
  } else {
    session.history.push_back(token);
    std::string piece;
    tokenizer_.append_piece(token, false, piece);
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
  finished_statistics_ = session.statistics;
  kept_.push_back({std::move(session.history), std::move(session.table)});
}

RequestStatistics Engine::statistics(RequestId request) const {
  const Session* session = find(request);
  return session != nullptr ? session->statistics : finished_statistics_;
}

uint64_t Engine::last_logits_hash() const {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : std::as_bytes(last_logits_)) {
    hash = (hash ^ static_cast<uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace issun::engine
