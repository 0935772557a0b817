// The packed layout of a mixture: what one expert of a layer needs lies in one piece of the file
// that begins with a page, so that one read brings it. Still a GGUF file, by its older form: a
// tensor for each expert's matrix. docs/experts.md says more.
#pragma once

#include <functional>
#include <string>

#include "gguf/reader.h"

namespace issun::gguf {

constexpr int64_t kPackedAlignment = 4096;

struct PackOptions {
  std::function<void(int64_t done, int64_t all)> progress = {};  // in bytes of tensors
};

// Where the experts of a file lie.
struct ExpertLayout {
  int64_t layers = 0, experts = 0;  // layers that have experts, and those of all layers together
  int64_t reads = 0;                // pieces of the file that one expert lies in, at most
  int64_t expert_bytes = 0;         // of the largest, with the padding between its tensors
  int64_t padding_bytes = 0;        // behind tensors, of the whole file
};

struct PackReport {
  ExpertLayout before, after;
  int64_t tensors = 0, bytes = 0;  // written; of tensors, without padding
};

// Of the file as it is; all zero but the padding where it has no experts.
ExpertLayout expert_layout(const GgufFile& file);

// Writes `source` to `path` with everything else first, in its order, and then layer by layer,
// expert by expert, gate, up and down as tensors of their own, each at a page. Takes experts in
// stacks and in tensors of their own. Error: no experts, stacks of a layer that differ in their
// number, or the disk.
Result<PackReport> pack_experts(const GgufFile& source, const std::string& path,
                                const PackOptions& options = {});

// The way back: experts in stacks, in the order of layers behind everything else, alignment 32.
// Error: no experts in tensors of their own, one that is missing, types or sizes within a stack
// that differ (which are named), or the disk.
Result<PackReport> unpack_experts(const GgufFile& source, const std::string& path,
                                  const PackOptions& options = {});

}  // namespace issun::gguf
