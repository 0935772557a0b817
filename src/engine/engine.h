// Tokens in, tokens out, for many sequences: submit() requests, step() all of them one batch at a
// time, read the events. One thread owns an Engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/paged_kv.h"
#include "engine/constraint.h"
#include "engine/kept_prefixes.h"
#include "engine/sampler.h"
#include "engine/snapshot_shelf.h"
#include "engine/speculation.h"
#include "engine/text_stream.h"
#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

namespace issun::engine {

using RequestId = int64_t;

struct Request {
  std::vector<int32_t> prompt;  // at least one token
  int max_tokens = -1;          // to generate; -1: until an end or the context is full
  SamplerOptions sampling;
  std::vector<std::string> stop;  // texts that end the answer and are not shown
  bool ignore_end = false;        // end tokens are shown as nothing and do not end
  // What the answer must follow: no other token is chosen, and it ends only where it is complete,
  // then whatever ignore_end says. nullptr: it is free.
  std::shared_ptr<const grammar::Grammar> grammar;
  // By what each adapter of the weights counts; empty: 1 each.
  // Requests that run at once agree in it, and a prefix is shared only where they do.
  std::vector<float> adapter_scales;
  bool drop_leading_space = false;
  std::vector<int32_t> shown_tokens;  // control tokens that belong to the text
};

enum class Finish {
  Running,
  EndToken,
  StopText,
  MaxTokens,
  ContextFull,
  Cancelled,
  BrokenLogits,
  Failed,     // the weights could not be read
  TooCostly,  // what the grammar allows takes too much work to find out
};
const char* name(Finish finish);

struct RequestStatistics {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, found in the cache
  int generated_tokens = 0;
  int steps = 0;            // batches that tokens were chosen from
  int drafted_tokens = 0;   // guesses that the model looked at
  int accepted_tokens = 0;  // of those generated, that were guessed
  // Whole steps, choosing the token and making it text included.
  double prompt_seconds = 0, generation_seconds = 0;
};

// Of an answer; the step that ends the prompt gives a token too.
double tokens_a_step(const RequestStatistics& statistics);

// What one step did to one request: one token of it, and the others in events behind this one.
struct Event {
  RequestId request = 0;
  int32_t token = -1;           // generated in this step; -1: none
  std::string text;             // to show
  Probabilities probabilities;  // of this token's choice, where n_probs asks for them
  Finish finish = Finish::Running;
  std::string error;             // of Finish::Failed and TooCostly: why
  RequestStatistics statistics;  // of the request so far
};

struct EngineOptions {
  int64_t context = 4096;  // longest sequence, prompt and answer together
  int prompt_rows = 512;   // prompt tokens that one batch takes at most
  // While answers are written, batches take so much prompt as is expected to keep them waiting no
  // longer than this, but 32 tokens at least. 0: no such limit.
  double most_gap_seconds = 0;
  SpeculationOptions speculation = {};
};

class Engine {
 public:
  // The decoder and the tokenizer must outlive the engine. The cache is the engine's from now on.
  Engine(model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, cache::PagedKv cache,
         const EngineOptions& options);
  ~Engine();

  // What submit() would say of this request alone. Reads nothing that changes: any thread may ask.
  Result<void> check(const Request& request) const;
  // Whether the request may run beside those that run: its adapters count as theirs do.
  bool may_join(const Request& request) const;
  // Error: an empty prompt, a token outside the vocabulary, a prompt that leaves no room in the
  // context (both numbers named), too many requests at once, a sampling number out of range. The
  // first request with DRY looks through the vocabulary for its breakers, some 20 ms.
  Result<RequestId> submit(Request request);
  // Ends a request; what it computed stays in the cache for a later one that begins alike. The
  // event holds what was not shown yet. A request that is not running is left alone: a Running
  // event.
  Event cancel(RequestId request);
  bool idle() const { return running_.empty(); }
  int running() const { return static_cast<int>(running_.size()); }
  const cache::PagedKv& cache() const { return cache_; }
  const KeptPrefixes& kept() const { return kept_; }
  // What ended requests left, the latest first. Error: there are not so many.
  Result<ShelfReport> forget_kept(int latest);

  // From now on prompts are looked for in files as well. Error: as SnapshotShelf::open.
  Result<void> open_shelf(ShelfOptions options);
  bool has_shelf() const { return shelf_ != nullptr; }
  // To files: all that is kept, or one of those under a name. Error: no shelf; as
  // SnapshotShelf::save.
  void save_kept();
  Result<ShelfReport> save_kept(int latest, const std::string& name);
  Result<ShelfReport> restore_kept(const std::string& name);

  // Runs one batch: a token for every request that is generating, and further ones that were
  // guessed right; and a piece of prompt for those that are not generating yet. The events are
  // valid until the next call.
  std::span<const Event> step();

  // Of a running request; when it ends, its last event has them.
  RequestStatistics statistics(RequestId request) const;
  // FNV-1a of the bits of the logits that the latest token was chosen from: equal hashes mean equal
  // arithmetic.
  uint64_t last_logits_hash() const;
  int64_t context() const { return options_.context; }

 private:
  struct Session;
  void plan_batch();
  void plan_guesses(bool crowded);
  void plan_rows(Session& session, int most_rows);
  bool add_rows(Session& session, int rows);
  void add_guesses(Session& session);
  void take_results(const Matrix<const float>& logits);
  void fail_batch(const Error& error);
  void take_result(Session& session, std::span<const float> logits);
  void take_back_guesses(Session& session);
  void finish(Session& session, Finish reason, Event& event);
  void adopt_prefix(Session& session);
  bool waits_for_prefix(Session& session);
  const Session* running_alike(const Session& session, int* longest) const;
  void learn_speed(double seconds);
  int rows_of_a_batch() const;
  Result<std::shared_ptr<const SequenceBreakers>> breakers_of(const SamplerOptions& sampling);
  Session* find(RequestId request) const;
  std::optional<Constraint> constraint(const Request& request);

  model::Decoder& decoder_;
  const tokenizer::Tokenizer& tokenizer_;
  cache::PagedKv cache_;
  EngineOptions options_;
  Speculation speculation_;
  std::shared_ptr<const grammar::TokenIndex> token_index_;  // once a request has a grammar
  std::vector<float> adapter_scales_;                       // of those that run, or ran last
  RequestId next_id_ = 1;
  std::vector<std::unique_ptr<Session>> running_;
  KeptPrefixes kept_;                     // of requests that ended
  std::unique_ptr<SnapshotShelf> shelf_;  // nullptr: no files
  std::vector<Event> events_;
  std::span<const float> last_logits_;  // inside the decoder, until its next run
  // Of the latest request with DRY, for the next one that has the same.
  std::vector<std::string> breaker_texts_;
  std::shared_ptr<const SequenceBreakers> breakers_;
  // The batch being built.
  std::vector<int32_t> tokens_, outputs_;
  std::vector<model::SequenceRows> sequences_;
  std::vector<Session*> planned_;  // one a sequence of the batch
  std::vector<DraftState*> drafts_;
  size_t turn_ = 0;              // who comes first, so that everybody does
  int most_rows_ = 0;            // of this batch
  double guessing_seconds_ = 0;  // of this batch, before it was computed
  int company_ = 0;              // of this batch, as Batch::company
  double row_seconds_ = 0;       // what a row of a prompt takes, of late; 0: not known yet
};

}  // namespace issun::engine
