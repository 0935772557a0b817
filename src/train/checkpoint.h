// Checkpoints: all that training needs to go on, in one file that is whole or not there.
//
// The file, numbers little-endian: magic "issunckp", version (u32), sections (u32), bytes of the
// text (u64), hash of the front (u64, XXH64 of all before the first section, itself taken as 0);
// for each section its begin (u64), bytes (u64), hash (u64, XXH64), bytes of its name (u64); the
// text, a JSON object; the names; then the sections, each at a multiple of 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "train/batch_source.h"

namespace issun::train {

struct TrainingState {
  int64_t step = 0;       // of the schedule: how many are done
  int64_t adam_step = 0;  // how often the optimiser has moved
  int64_t tokens = 0;     // learnt from so far
  DataState data;
  uint64_t seed = 0;
  double seconds = 0;               // of training so far
  std::optional<double> best_loss;  // the lowest validation loss
  uint64_t data_hash = 0;           // of the token store: its sources and its encoder
  std::string config;  // whatever must be the same to go on; compared as text by the trainer
};

// Raw bytes under a name, such as the values of a tensor.
struct Section {
  std::string name;
  std::span<const std::byte> bytes;
};

class Checkpoint {
 public:
  // Reads the file once to check it. Error: it is damaged, cut short, or of another version.
  static Result<Checkpoint> open(const std::string& path);
  // The same of bytes, which must outlive the result; `name` is for messages.
  static Result<Checkpoint> parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& path() const { return path_; }
  const TrainingState& state() const { return state_; }
  const std::vector<Section>& sections() const { return sections_; }
  // Error: no section of that name, or one of another size; names both sizes.
  Result<std::span<const std::byte>> section(std::string_view name, int64_t expected_bytes) const;
  // Copies it to where it belongs. Error: as section().
  Result<void> read(std::string_view name, std::span<std::byte> out) const;

 private:
  MappedFile file_;
  std::string path_;
  TrainingState state_;
  std::vector<Section> sections_;
};

// Writes folder/checkpoint-<step>.issun, to the disk, and then removes all but it and the newest
// one before it. The folder is made where there is none. Error: the disk; what was there stays as
// it is then.
Result<void> save_checkpoint(const std::string& folder, const TrainingState& state,
                             std::span<const Section> sections);

// Removes what was half written when an earlier run was killed (AtomicFile, base/file.h): of the
// files of training alone, and of a folder that no other run writes to.
Result<void> remove_halves(const std::string& folder);

// The names of the checkpoints in a folder, the newest first; none where there is no folder.
Result<std::vector<std::string>> list_checkpoints(const std::string& folder);

// The newest checkpoint that is whole; nothing where there is none at all. `notes` gets a sentence
// for each newer one that was not. Error: there are some and none is whole.
Result<std::optional<Checkpoint>> newest_checkpoint(const std::string& folder,
                                                    std::vector<std::string>* notes);

}  // namespace issun::train
