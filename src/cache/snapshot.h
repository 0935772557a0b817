// A sequence as a file: its tokens and its rows of keys and values, with all that tells whether
// they are of use here. Not here: which sequences are worth a file (engine/snapshot_shelf.h), and
// states of recurrent layers, which have no file.
//
// A file is, in the byte order of the machine: the head, the tokens, a checksum of both, the rows
// of each plane (keys of a layer, then its values), page after page and head after head, and a
// checksum of the rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cache/paged_kv.h"

namespace issun::cache {

// What is wrong with a file that is no use.
enum class SnapshotFault { None, Damaged, OfAnotherModel };

struct SnapshotHead {
  std::vector<int32_t> tokens;
  uint64_t variant = 0;  // of the model: of what it was computed with
  int64_t saved_at = 0;  // unix seconds, when it was last known to be of use
};

// What a file says of itself, without its rows: their length is checked and they are not read.
// `model` tells models apart, and whatever else changes rows. Error: the fault, in `fault` too.
Result<SnapshotHead> parse_snapshot_head(std::span<const std::byte> bytes, uint64_t model,
                                         const KvShape& shape, SnapshotFault* fault);

// The first rows of a file whose head has been read into `table`, which is as long as there are to
// be. Error: damage anywhere in it; the rows may then be anything.
Result<void> read_snapshot_rows(std::span<const std::byte> bytes, const PagedKv& cache,
                                const PageTable& table);

// Bytes that write_snapshot() writes.
int64_t snapshot_bytes(const KvShape& shape, int64_t tokens);

// All positions of `table`, whose tokens `head` has: under its name whole or not at all, and on the
// disk when this returns. Error: the disk. The cache has no states.
Result<void> write_snapshot(const std::string& path, uint64_t model, const PagedKv& cache,
                            const PageTable& table, const SnapshotHead& head);
// Notes that a file is still of use.
Result<void> restamp_snapshot(const std::string& path, int64_t saved_at);
// Whether a file of that beginning is a snapshot, whole or not.
bool is_snapshot(std::span<const std::byte> bytes);

}  // namespace issun::cache
