// How much of the prompts of a trace the engine finds in its cache, for several sizes of the cache:
// the engine itself runs, over a network that needs no weights. Usage: bench_cache_replay BLOCK
// TRACE.jsonl... One line of JSON for each trace and size.
//
// A line of a trace is a request, "hash_ids" its prompt in blocks: equal numbers are equal texts
// with an equal past (the form of Mooncake's traces, there 512 tokens each). BLOCK is how many
// tokens stand for one of them here: 64, a page, is quick; fewer show what cut pages cost. Answers
// have no tokens: what they say is in the prompts of the requests that follow.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "engine/engine.h"
#include "engine/test_tokenizer.h"
#include "model/fake.h"

using namespace issun;

namespace {

constexpr int kVocabulary = 1 << 16;
constexpr int kRows = 4096;
constexpr double kSizes[] = {0.05, 0.1, 0.25, 0.5, 1};

using Trace = std::vector<std::vector<int64_t>>;

Result<Trace> read_trace(const std::string& path) {
  const std::string text = TRY(read_text(path));
  Trace trace;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    JsonReader reader(std::string_view(text).substr(at, end - at));
    std::vector<int64_t> blocks;
    TRY(reader.object([&](const std::string& key) -> Result<void> {
      if (key != "hash_ids") return reader.skip();
      return reader.array([&]() -> Result<void> {
        blocks.push_back(TRY(reader.number()).integer);
        return {};
      });
    }));
    if (!blocks.empty()) trace.push_back(std::move(blocks));
    at = end + 1;
  }
  if (trace.empty()) return fail("{}: expected requests with hash_ids", path);
  return trace;
}

// Blocks differ from their first tokens on.
std::vector<int32_t> prompt_of(const std::vector<int64_t>& blocks, int block_tokens) {
  std::vector<int32_t> tokens;
  for (const int64_t block : blocks) {
    for (int t = 0; t < block_tokens; ++t)
      tokens.push_back(static_cast<int32_t>((t % 2 == 0 ? block : block >> 16) % kVocabulary));
  }
  return tokens;
}

struct Outcome {
  int64_t prompt_tokens = 0, cached_tokens = 0;
  int pages_used = 0;
  double seconds = 0;
};

Outcome replay(const Trace& trace, int block_tokens, int64_t pages) {
  model::FakeDecoder decoder(kVocabulary, kRows, 1);
  const tokenizer::Tokenizer tokenizer = engine::test_tokenizer();
  auto cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), pages * cache::kPageTokens);
  CHECK_THAT(cache.has_value());
  engine::Engine engine(decoder, tokenizer, std::move(*cache),
                        {.context = decoder.context(), .prompt_rows = kRows});
  Outcome outcome;
  const double start = seconds_now();
  for (const auto& blocks : trace) {
    engine::Request request;
    request.prompt = prompt_of(blocks, block_tokens);
    request.max_tokens = 0;
    CHECK_THAT(engine.submit(std::move(request)).has_value());
    while (!engine.idle()) {
      for (const engine::Event& event : engine.step()) {
        CHECK_THAT(event.finish == engine::Finish::MaxTokens);
        outcome.prompt_tokens += event.statistics.prompt_tokens;
        outcome.cached_tokens += event.statistics.cached_tokens;
      }
    }
  }
  outcome.seconds = seconds_now() - start;
  outcome.pages_used = engine.cache().page_count() - engine.cache().free_pages();
  return outcome;
}

// Tokens that a cache would find which knows the future: what is wanted last goes first (Belady
// 1966).
int64_t optimum(const Trace& trace, int block_tokens, int64_t pages) {
  const auto capacity = static_cast<size_t>(pages * cache::kPageTokens / block_tokens);
  std::unordered_map<int64_t, std::vector<size_t>> uses;  // the next one last
  for (size_t i = trace.size(); i-- > 0;) {
    for (const int64_t block : trace[i]) uses[block].push_back(i);
  }
  struct Entry {
    size_t next, depth;
    int64_t block;
    bool operator<(const Entry& other) const {
      return next != other.next ? next < other.next : depth < other.depth;
    }
  };
  std::unordered_map<int64_t, size_t> held;  // and when it is wanted next
  std::priority_queue<Entry> queue;
  int64_t hits = 0;
  for (const auto& blocks : trace) {
    bool known = true;
    for (size_t depth = 0; depth < blocks.size(); ++depth) {
      const int64_t block = blocks[depth];
      known = known && held.count(block) > 0;
      hits += known ? 1 : 0;
      auto& rest = uses[block];
      rest.pop_back();
      held[block] = rest.empty() ? trace.size() : rest.back();
      queue.push({held[block], depth, block});
    }
    while (held.size() > capacity) {
      const Entry last = queue.top();
      queue.pop();
      const auto found = held.find(last.block);
      if (found != held.end() && found->second == last.next) held.erase(found);
    }
  }
  return hits * block_tokens;
}

Result<void> report(const std::string& path, int block_tokens) {
  const Trace trace = TRY(read_trace(path));
  int64_t all = 1, longest = 0;
  for (const auto& blocks : trace) {
    const auto pages = static_cast<int64_t>(blocks.size()) * block_tokens / cache::kPageTokens + 2;
    all += pages;
    longest = std::max(longest, pages);
  }
  const Outcome unlimited = replay(trace, block_tokens, all);
  for (const double size : kSizes) {
    const auto pages = static_cast<int64_t>(unlimited.pages_used * size);
    if (pages < longest) continue;
    const Outcome outcome = replay(trace, block_tokens, pages);
    const auto share = [&](int64_t tokens) {
      return static_cast<double>(tokens) / static_cast<double>(unlimited.cached_tokens);
    };
    fmt::print(
        "{{\"trace\": \"{}\", \"requests\": {}, \"block_tokens\": {}, \"prompt_tokens\": {}, "
        "\"memory\": {}, \"pages\": {}, \"cached_tokens\": {}, \"unlimited_cached_tokens\": {}, "
        "\"of_unlimited\": {:.4f}, \"optimum_of_unlimited\": {:.4f}, \"seconds\": {:.1f}}}\n",
        path.substr(path.rfind('/') + 1), trace.size(), block_tokens, outcome.prompt_tokens, size,
        pages, outcome.cached_tokens, unlimited.cached_tokens, share(outcome.cached_tokens),
        share(optimum(trace, block_tokens, pages)), outcome.seconds);
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  int block_tokens = 0;
  if (count > 2)
    std::from_chars(arguments[1], arguments[1] + std::strlen(arguments[1]), block_tokens);
  if (block_tokens < 1 || block_tokens > 4096) {
    fmt::print(stderr, "usage: bench_cache_replay BLOCK TRACE.jsonl...; BLOCK: 1 to 4096 tokens\n");
    return 2;
  }
  for (int i = 2; i < count; ++i) {
    if (const auto done = report(arguments[i], block_tokens); !done) {
      fmt::print(stderr, "{}\n", done.error().message);
      return 1;
    }
  }
  return 0;
}
