// Synthetic models: files with the exact shape, tensor types and vocabulary size of a public model
// and random weights. For speed and memory measurements without a download; the text they write is
// noise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "import/vocabulary.h"
#include "measure/routers.h"
#include "measure/shape.h"
#include "quantize/mixture.h"

namespace issun::measure {

// Which experts tokens are to visit.
struct SynthRouting {
  RoutingCounts counts;
  // Without it the counts' tokens are those of the file; with it they are moved to those by their
  // rank in this text (moved_by_rank).
  std::optional<std::string> text = {};
};

struct SynthOptions {
  uint64_t seed = 1;  // the same seed, shape, file type, vocabulary and routing make the same file
  const import::Vocabulary* vocabulary = nullptr;  // as many tokens as the shape; nullptr: made up
  const SynthRouting* routing = nullptr;           // nullptr: routers are random too
  // Called now and then with the bytes written and those there will be.
  std::function<void(int64_t done, int64_t total)> progress = {};
};

struct SynthReport {
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t weight_bytes = 0;
  int64_t routed_tokens = 0;  // that the routers were fitted to
};

// Writes the file front to back, never holding more than a few rows of it, and with routing the
// embeddings of the tokens that the routers are fitted to (routers.h), as the file has them.
// Matrices have standard deviation 1 / sqrt(columns), so that activations keep their size from
// layer to layer; gains of norms lie about 1. With routing the embeddings are larger, and what
// layers add is so small that a token's embedding is still most of its row after the last; queries
// are larger, so that attention is to a few tokens, which differ from place to place. Error: the
// mixture needs a type that cannot be written yet (named, with the tensor), a vocabulary of another
// size, routing for a shape without experts, counts that do not fit, or the disk.
Result<SynthReport> write_synthetic(const Shape& shape, const quantize::FileType& file_type,
                                    const std::string& path, const SynthOptions& options = {});

// What chooses the order of a layer's experts (Routers::sources) in a file of that seed.
uint64_t router_seed(int layer, uint64_t seed);

}  // namespace issun::measure
