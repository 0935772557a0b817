#include "engine/snapshot_shelf.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/folder.h"
#include "base/other_process.h"
#include "base/quote.h"
#include "base/sizes.h"
#include "cache/snapshot.h"
#include "engine/common_tokens.h"

namespace issun::engine {

namespace {

// A file is read where it spares so many tokens, and made of no fewer.
constexpr int kWorthAFile = cache::kPageTokens;
// Of the files that nobody named.
constexpr std::string_view kOwnSuffix = ".kept";
// Before what is not the fault of whoever asked.
constexpr std::string_view kDisk = "disk: ";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "NAME.part123": what AtomicFile writes to until it is whole, and the process that does.
struct Half {
  std::string_view name;
  int process = 0;
};
std::optional<Half> half_of(std::string_view file) {
  const size_t end = file.rfind(".part");
  if (end == file.npos) return std::nullopt;
  Half half{.name = file.substr(0, end)};
  const std::string_view digits = file.substr(end + 5);
  const auto [stop, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), half.process);
  const bool whole = error == std::errc() && stop == digits.data() + digits.size();
  return whole && half.process > 0 ? std::optional(half) : std::nullopt;
}

// Whether another server may be writing it. The number of this process means one before it.
bool is_being_written(const Half& half) {
  return half.process != own_process_id() && !process_beginning(half.process).empty();
}

// That what has this name may be written over. Links lead elsewhere, and pipes wait for a reader.
Result<void> check_replaceable(const std::string& path, const std::string& name) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return {};
  if (status.type() == std::filesystem::file_type::regular) {
    const auto file = MappedFile::open(path);
    if (file && cache::is_snapshot(file->bytes())) return {};
  }
  return fail("filename: '{}' is there and is no snapshot: expected another name", name);
}

// Whether so many tokens find room, if all that is kept goes.
bool has_room(const cache::PagedKv& cache, const KeptPrefixes& kept, size_t tokens) {
  const int64_t pages = int64_t{cache.free_pages()} + kept.pages();
  return static_cast<int64_t>(tokens) <= pages * cache::kPageTokens;
}

bool begins_with(std::span<const int32_t> tokens, std::span<const int32_t> beginning) {
  return static_cast<size_t>(common_tokens(tokens, beginning)) == beginning.size();
}

}  // namespace

bool is_disk_failure(const Error& error) { return error.message.starts_with(kDisk); }

bool is_plain_name(std::string_view name) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 200 && name[0] != '.' && !half_of(name) &&
         std::all_of(name.begin(), name.end(), plain);
}

Result<std::unique_ptr<SnapshotShelf>> SnapshotShelf::open(ShelfOptions options,
                                                           const cache::PagedKv& cache) {
  if (cache.has_states())
    return fail("snapshots: this model has recurrent layers, whose states cannot be saved");
  std::unique_ptr<SnapshotShelf> shelf(new SnapshotShelf(std::move(options)));
  const ShelfOptions& asked = shelf->options_;
  TRY(make_folder(asked.folder));
  int foreign = 0;
  const std::vector<std::string> names = TRY(list_folder(asked.folder));
  for (const std::string& name : names) {
    if (name.starts_with('.') || !is_file(shelf->path_of(name))) continue;
    if (const auto seen = shelf->look_at(name, cache, &foreign); !seen)
      asked.warn(
          fmt::format("{}: {}; left alone", visible(shelf->path_of(name)), seen.error().message));
  }
  if (foreign > 0)
    asked.warn(fmt::format("{}: snapshots of other models or types of cache: {}; left alone",
                           visible(asked.folder), foreign));
  return shelf;
}

Result<void> SnapshotShelf::look_at(const std::string& name, const cache::PagedKv& cache,
                                    int* foreign) {
  const auto half = half_of(name);
  if (half && is_being_written(*half)) return {};
  const MappedFile file = TRY(MappedFile::open(path_of(name)));
  const bool unfinished = file.bytes().empty() || cache::is_snapshot(file.bytes());
  if (half && is_plain_name(half->name) && unfinished) return remove_file(path_of(name));
  cache::SnapshotFault fault{};
  auto head = cache::parse_snapshot_head(file.bytes(), options_.model, cache.shape(), &fault);
  Entry entry;
  entry.name = name;
  entry.bytes = static_cast<int64_t>(file.bytes().size());
  if (fault == cache::SnapshotFault::OfAnotherModel) {
    ++*foreign;
    return {};
  }
  if (!head) return tl::unexpected(std::move(head.error()));
  TRY(file.still_whole());
  entry.head = std::move(*head);
  entries_.push_back(std::move(entry));
  return {};
}

int64_t SnapshotShelf::bytes() const {
  int64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.bytes;
  return sum;
}

SnapshotShelf::Entry* SnapshotShelf::find(const std::string& name) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

void SnapshotShelf::forget(const std::string& name) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name == name; });
}

void SnapshotShelf::fetch(const Wanted& wanted, cache::PagedKv& cache, KeptPrefixes& kept) {
  const Entry* best = nullptr;
  // The last token is computed in any case.
  const auto history = wanted.history.first(wanted.history.size() - 1);
  int longest = wanted.known + kWorthAFile - 1;
  for (const Entry& entry : entries_) {
    if (entry.head.variant != wanted.variant) continue;
    const int common = common_tokens(entry.head.tokens, history);
    if (common <= longest) continue;
    longest = common;
    best = &entry;
  }
  if (best == nullptr || !has_room(cache, kept, static_cast<size_t>(longest))) return;
  const std::string name = best->name;
  const auto done =
      read(name, {history.first(static_cast<size_t>(longest)), wanted.variant}, cache, kept);
  if (done) return;
  options_.warn(fmt::format("{}: {}; left alone", visible(path_of(name)), done.error().message));
  // Looked for no more, and counted as long as it is there.
  if (Entry* entry = find(name)) entry->head.tokens.clear();
}

// `wanted`: what the file begins with.
Result<void> SnapshotShelf::read(const std::string& name, const Wanted& wanted,
                                 cache::PagedKv& cache, KeptPrefixes& kept) const {
  const auto tokens = wanted.history;
  const MappedFile file = TRY(MappedFile::open(path_of(name)));
  cache::SnapshotFault fault{};
  const cache::SnapshotHead head =
      TRY(cache::parse_snapshot_head(file.bytes(), options_.model, cache.shape(), &fault));
  if (!begins_with(head.tokens, tokens) || head.variant != wanted.variant)
    return fail("another file than before");
  // Before anything is given up for it.
  if (!has_room(cache, kept, tokens.size()))
    return fail("{} tokens are more than the cache has room for", tokens.size());
  cache::PageTable table = cache.new_table();
  while (!cache.extend(table, static_cast<int>(tokens.size()))) CHECK_THAT(kept.give_up());
  Result<void> done = cache::read_snapshot_rows(file.bytes(), cache, table);
  if (done) done = file.still_whole();
  if (!done) {
    cache.truncate(table, 0);
    return done;
  }
  kept.keep({tokens.begin(), tokens.end()}, std::move(table), 0, wanted.variant);
  return {};
}

Result<ShelfReport> SnapshotShelf::restore(const std::string& name, cache::PagedKv& cache,
                                           KeptPrefixes& kept) {
  if (!is_plain_name(name))
    return fail("filename: expected letters, digits, '.', '_' and '-', no '.' in front, found '{}'",
                visible(name));
  if (!is_file(path_of(name))) return fail("{}: no such snapshot", name);
  cache::SnapshotHead found;
  ShelfReport report;
  {
    const auto opened = MappedFile::open(path_of(name));
    if (!opened) return disk_failure(name, opened.error());
    const MappedFile& file = *opened;
    cache::SnapshotFault fault{};
    auto head = cache::parse_snapshot_head(file.bytes(), options_.model, cache.shape(), &fault);
    if (!head) return fail("{}: {}", name, head.error().message);
    found = std::move(*head);
    report = {static_cast<int>(found.tokens.size()), static_cast<int64_t>(file.bytes().size())};
  }
  if (kept.renew(found.tokens, found.variant)) return report;
  if (const auto done = read(name, {found.tokens, found.variant}, cache, kept); !done)
    return fail("{}: {}", name, done.error().message);
  return report;
}

Result<ShelfReport> SnapshotShelf::save(const std::string& name, const cache::PagedKv& cache,
                                        const KeptPrefixes::Path& path) {
  if (!is_plain_name(name))
    return fail("filename: expected letters, digits, '.', '_' and '-', no '.' in front, found '{}'",
                visible(name));
  if (name.ends_with(kOwnSuffix))
    return fail("filename: names that end in {} are the server's own, found '{}'", kOwnSuffix,
                name);
  return write(name, cache, path);
}

Result<ShelfReport> SnapshotShelf::write(const std::string& name, const cache::PagedKv& cache,
                                         const KeptPrefixes::Path& path) {
  TRY(check_replaceable(path_of(name), name));
  Entry entry;
  entry.name = name;
  entry.bytes = cache::snapshot_bytes(cache.shape(), path.table.length);
  entry.head = {path.tokens, path.variant, unix_seconds()};
  if (entry.bytes > options_.budget_bytes) {
    return fail("{}: {} are more than the {} that snapshots may have", name,
                readable_size(entry.bytes), readable_size(options_.budget_bytes));
  }
  auto written =
      cache::write_snapshot(path_of(name), options_.model, cache, path.table, entry.head);
  if (written) written = sync_folder(options_.folder);
  if (!written) return disk_failure(name, written.error());
  forget(name);
  const ShelfReport report{path.table.length, entry.bytes};
  entries_.push_back(std::move(entry));
  if (const auto removed = remove_oldest(name); !removed)
    return disk_failure(name, removed.error());
  return report;
}

// For a client, who learns the file's name but not where it is; that is for those who run the
// server.
tl::unexpected<Error> SnapshotShelf::disk_failure(const std::string& name,
                                                  const Error& error) const {
  options_.warn(fmt::format("snapshots: {}", error.message));
  return fail("{}{}: cannot be written or read", kDisk, name);
}

// Until all files together are as small as they have to be. New files are written before: a process
// that is killed in between has lost nothing.
Result<void> SnapshotShelf::remove_oldest(const std::string& spared) {
  while (bytes() > options_.budget_bytes) {
    const Entry* oldest = nullptr;
    for (const Entry& entry : entries_) {
      if (entry.name == spared) continue;
      if (oldest == nullptr || entry.head.saved_at < oldest->head.saved_at) oldest = &entry;
    }
    if (oldest == nullptr) return {};
    TRY(remove_file(path_of(oldest->name)));
    forget(std::string(oldest->name));
  }
  return {};
}

// Then that file is as good as new.
bool SnapshotShelf::has_file_of(const KeptPrefixes::Path& path) {
  for (Entry& entry : entries_) {
    const bool has = entry.head.variant == path.variant &&
                     begins_with(entry.head.tokens, path.tokens) && is_file(path_of(entry.name));
    if (!has) continue;
    entry.head.saved_at = unix_seconds();
    if (cache::restamp_snapshot(path_of(entry.name), entry.head.saved_at)) return true;
  }
  return false;
}

// What only led to a file that is there now, and was named by nobody.
void SnapshotShelf::remove_covered(const std::string& by, const KeptPrefixes::Path& path) {
  std::vector<std::string> covered;
  for (const Entry& entry : entries_) {
    if (entry.name != by && entry.name.ends_with(kOwnSuffix) && !entry.head.tokens.empty() &&
        entry.head.variant == path.variant && begins_with(path.tokens, entry.head.tokens)) {
      covered.push_back(entry.name);
    }
  }
  for (const std::string& old : covered) {
    if (remove_file(path_of(old))) forget(old);
  }
}

void SnapshotShelf::save_all(const cache::PagedKv& cache, const KeptPrefixes& kept) {
  int64_t room = options_.budget_bytes;
  int left_out = 0;
  for (size_t i = kept.paths().size(); i-- > 0;) {
    const KeptPrefixes::Path& path = kept.paths()[i];
    if (path.table.length < kWorthAFile) continue;
    const int64_t bytes = cache::snapshot_bytes(cache.shape(), path.table.length);
    if (bytes > room) {
      ++left_out;
      continue;
    }
    room -= bytes;
    if (has_file_of(path)) continue;
    uint64_t hash = fnv1a(std::as_bytes(std::span(path.tokens)));
    for (const uint64_t more : {options_.model, path.variant})
      hash = fnv1a(std::as_bytes(std::span(&more, 1)), hash);
    const std::string name = fmt::format("{:016x}{}", hash, kOwnSuffix);
    if (const auto saved = write(name, cache, path); !saved) {
      if (!is_disk_failure(saved.error()))
        options_.warn(fmt::format("snapshots: {}", saved.error().message));
      return;
    }
    remove_covered(name, path);
  }
  if (left_out > 0)
    options_.warn(fmt::format("snapshots: {} of {} kept texts find no room in {}", left_out,
                              kept.paths().size(), readable_size(options_.budget_bytes)));
}

}  // namespace issun::engine
