// Which experts the routers of a model chose, batch after batch, as a file of JSON lines: what
// `experts replay` is fed with. docs/experts.md describes the lines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace issun::experts {

// The facts of the model, in the first line. A mixture layer is one that has experts; they are
// numbered from 0 here, in the order of the model's layers.
struct TraceHeader {
  std::string model;
  std::vector<int> layers;            // of each mixture layer: which of the model's it is
  std::vector<int> experts;           // of each: how many it has
  int used = 0;                       // experts a token takes in each
  std::vector<int64_t> expert_bytes;  // of each: bytes of one expert

  int mixture_layers() const { return static_cast<int>(layers.size()); }
  int64_t all_bytes() const;  // of all experts of all layers
};

enum class Phase : uint8_t { Prompt, Generate };
const char* name(Phase phase);  // "prompt", "generate"

struct TraceBatch {
  Phase phase = Phase::Generate;
  int rows = 0;                  // tokens
  std::vector<int32_t> experts;  // (mixture layers, rows, used)
  // guesses[l][d - 1]: what was guessed d mixture layers before l that l would choose for row 0,
  // the likeliest first. Empty where there was no guess, and as a whole where nobody guessed.
  std::vector<std::vector<std::vector<int32_t>>> guesses;

  // Those chosen for a row, (used).
  std::span<const int32_t> chosen(const TraceHeader& header, int layer, int row) const;
};

struct Trace {
  TraceHeader header;
  std::vector<TraceBatch> batches;

  // Error: the file; or the line that is none of a trace or does not agree with the first.
  static Result<Trace> read(const std::string& path);
  // `name`: for messages.
  static Result<Trace> parse(std::string_view text, const std::string& name);
};

// Writes a trace as it happens, a line a batch, so that what is there is whole up to the last line
// however it ends.
class TraceWriter {
 public:
  // A new or emptied file. Errors of all: the disk.
  static Result<TraceWriter> create(const std::string& path, const TraceHeader& header);
  // batch.experts must have mixture layers * rows * used ids.
  Result<void> append(const TraceBatch& batch);
  Result<void> finish();

 private:
  TraceWriter(File file, TraceHeader header) : file_(std::move(file)), header_(std::move(header)) {}
  File file_;
  TraceHeader header_;
};

// Both as one line, with its end.
std::string to_line(const TraceHeader& header);
std::string to_line(const TraceHeader& header, const TraceBatch& batch);

}  // namespace issun::experts
