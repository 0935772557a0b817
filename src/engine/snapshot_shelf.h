// Kept prefixes in a folder: what ended requests computed, for requests after the next start. Files
// are looked for by the tokens of a prompt and read when one begins alike. A file that is damaged
// or of another model is left alone, with a warning.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cache/snapshot.h"
#include "engine/kept_prefixes.h"

namespace issun::engine {

struct ShelfOptions {
  std::string folder;        // made where there is none
  int64_t budget_bytes = 0;  // for all files of this model together: the oldest go first
  uint64_t model = 0;        // whatever changes rows, but for the shape of the cache
  std::function<void(const std::string&)> warn = [](const std::string&) {};
};

struct ShelfReport {
  int tokens = 0;
  int64_t bytes = 0;
};

// Whether what failed is the disk and not what was asked for.
bool is_disk_failure(const Error& error);

// A name that a file of the shelf may have: letters, digits, '.', '_' and '-', no '.' in front, not
// longer than 200.
bool is_plain_name(std::string_view name);

class SnapshotShelf {
 public:
  // Reads what the files say of themselves, and removes halves of processes that are gone. Error:
  // the folder; a cache with states, which have no file.
  static Result<std::unique_ptr<SnapshotShelf>> open(ShelfOptions options,
                                                     const cache::PagedKv& cache);

  struct Wanted {
    std::span<const int32_t> history;
    uint64_t variant = 0;
    int known = 0;  // of its first tokens
  };
  // Adds to `kept` what a file has of the history, if that is well beyond what is known.
  void fetch(const Wanted& wanted, cache::PagedKv& cache, KeptPrefixes& kept);
  // Writes what is kept and has no file yet, the latest first, as much as there is room for.
  void save_all(const cache::PagedKv& cache, const KeptPrefixes& kept);
  // Error: a name that is not plain, or one of those that save_all() gives; what is no snapshot has
  // that name; more than all may have together; the disk.
  Result<ShelfReport> save(const std::string& name, const cache::PagedKv& cache,
                           const KeptPrefixes::Path& path);
  // The whole file, as if a request with its tokens had just ended. Error: the name, the file, no
  // room in the cache.
  Result<ShelfReport> restore(const std::string& name, cache::PagedKv& cache, KeptPrefixes& kept);

  int64_t bytes() const;
  int files() const { return static_cast<int>(entries_.size()); }

 private:
  struct Entry {
    std::string name;
    cache::SnapshotHead head;
    int64_t bytes = 0;
  };
  explicit SnapshotShelf(ShelfOptions options) : options_(std::move(options)) {}
  std::string path_of(const std::string& name) const { return options_.folder + "/" + name; }
  Result<void> look_at(const std::string& name, const cache::PagedKv& cache, int* foreign);
  Result<void> read(const std::string& name, const Wanted& wanted, cache::PagedKv& cache,
                    KeptPrefixes& kept) const;
  Result<ShelfReport> write(const std::string& name, const cache::PagedKv& cache,
                            const KeptPrefixes::Path& path);
  tl::unexpected<Error> disk_failure(const std::string& name, const Error& error) const;
  Result<void> remove_oldest(const std::string& spared);
  Entry* find(const std::string& name);
  bool has_file_of(const KeptPrefixes::Path& path);
  void remove_covered(const std::string& by, const KeptPrefixes::Path& path);
  void forget(const std::string& name);

  const ShelfOptions options_;
  std::vector<Entry> entries_;
};

}  // namespace issun::engine
