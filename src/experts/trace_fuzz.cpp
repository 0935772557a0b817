// libFuzzer target: any bytes are refused as a routing trace, or all its numbers are within what
// its header says, it is the same when written and read again, and it can be replayed.
#include <cstdint>
#include <string_view>

#include "experts/replay.h"

namespace {

using namespace issun::experts;

void expect_within(const Trace& trace) {
  for (const TraceBatch& batch : trace.batches) {
    for (int l = 0; l < trace.header.mixture_layers(); ++l) {
      for (int r = 0; r < batch.rows; ++r) {
        for (const int32_t id : batch.chosen(trace.header, l, r)) {
          if (id < 0 || id >= trace.header.experts[static_cast<size_t>(l)]) __builtin_trap();
        }
      }
    }
  }
}

void expect_same_again(const Trace& trace) {
  std::string text = to_line(trace.header);
  for (const TraceBatch& batch : trace.batches) text += to_line(trace.header, batch);
  const auto again = Trace::parse(text, "again");
  if (!again || again->batches.size() != trace.batches.size()) __builtin_trap();
  for (size_t i = 0; i < trace.batches.size(); ++i) {
    if (again->batches[i].experts != trace.batches[i].experts ||
        again->batches[i].guesses != trace.batches[i].guesses)
      __builtin_trap();
  }
}

void replay_all(const Trace& trace) {
  int64_t units = 0;
  for (const int experts : trace.header.experts) units += experts;
  if (units > 4096) return;  // scans of all experts a batch: slow, not wrong
  const Visits visits = Visits::of(trace);
  const std::vector<int> slots(trace.header.layers.size(), 1);
  const std::vector<uint8_t> counted = count_all(trace);
  int64_t best = -1;
  for (const Contender contender : {Contender::Belady, Contender::Lru, Contender::Lfu,
                                    Contender::Lfru, Contender::S3Fifo, Contender::Static}) {
    const int64_t hits = replay(visits, contender, {slots, counted}).hits();
    if (best < 0) best = hits;
    if (hits > best) __builtin_trap();
  }
  (void)recall_of_guesses(trace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto trace =
      Trace::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!trace) return 0;
  expect_within(*trace);
  expect_same_again(*trace);
  replay_all(*trace);
  return 0;
}
