#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/folder.h"
#include "base/memory.h"
#include "base/quote.h"
#include "gguf/content_hash.h"
#include "train/training_state.h"

namespace issun::train {

namespace {

constexpr char kMagic[8] = {'i', 's', 's', 'u', 'n', 'c', 'k', 'p'};
constexpr uint32_t kVersion = 1;
constexpr int64_t kAlignment = 64;

struct Front {
  char magic[8];
  uint32_t version, sections;
  uint64_t text_bytes, front_hash;
};
static_assert(sizeof(Front) == 32);

struct Entry {
  uint64_t begin, bytes, hash, name_bytes;
};
static_assert(sizeof(Entry) == 32);

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// All before the first section, without the padding.
std::vector<std::byte> make_front(const TrainingState& state, std::span<const Section> sections) {
  const std::string text = to_json(state);
  int64_t names = 0;
  for (const Section& section : sections) names += static_cast<int64_t>(section.name.size());
  const int64_t end = static_cast<int64_t>(sizeof(Front) + sections.size() * sizeof(Entry)) +
                      static_cast<int64_t>(text.size()) + names;
  std::vector<std::byte> out;
  const auto put = [&](std::span<const std::byte> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
  };
  Front front{{}, kVersion, static_cast<uint32_t>(sections.size()), text.size(), 0};
  std::memcpy(front.magic, kMagic, sizeof front.magic);
  put(bytes_of(front));
  int64_t begin = round_up(end, kAlignment);
  for (const Section& section : sections) {
    put(bytes_of(Entry{static_cast<uint64_t>(begin), section.bytes.size(),
                       gguf::content_hash(section.bytes), section.name.size()}));
    begin = round_up(begin + static_cast<int64_t>(section.bytes.size()), kAlignment);
  }
  put(std::as_bytes(std::span(text)));
  for (const Section& section : sections) put(std::as_bytes(std::span(section.name)));
  front.front_hash = gguf::content_hash(out);
  std::memcpy(out.data(), &front, sizeof front);
  return out;
}

Result<void> pad(AtomicFile& file, size_t written) {
  constexpr std::byte kZeros[kAlignment] = {};
  const int64_t size = static_cast<int64_t>(written);
  return file.write(
      std::span(kZeros).first(static_cast<size_t>(round_up(size, kAlignment) - size)));
}

std::string file_name(int64_t step) { return fmt::format("checkpoint-{}.issun", step); }

// The step in a checkpoint's name; -1: it is none.
int64_t step_of(std::string_view name) {
  constexpr std::string_view kBefore = "checkpoint-", kBehind = ".issun";
  if (!name.starts_with(kBefore) || !name.ends_with(kBehind)) return -1;
  int64_t step = -1;
  const char* begin = name.data() + kBefore.size();
  const char* end = name.data() + name.size() - kBehind.size();
  if (begin >= end) return -1;
  const auto read = std::from_chars(begin, end, step);
  return read.ec == std::errc() && read.ptr == end && file_name(step) == name ? step : -1;
}

std::string within(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

// Keeps the checkpoint of `step` and the newest before it; later ones are not of this training's
// past and stay.
Result<void> remove_old(const std::string& folder, int64_t step) {
  int earlier = 0;
  const std::vector<std::string> kept = TRY(list_checkpoints(folder));
  for (const std::string& name : kept) {
    if (step_of(name) < step && ++earlier > 1) TRY(remove_file(within(folder, name)));
  }
  return {};
}

// The files that training writes to its folder; others are not touched.
bool is_of_a_run(std::string_view name) {
  constexpr std::string_view kNames[] = {"tokens.issun", "tokenizer.gguf", "tokenizer.txt",
                                         "initial.gguf", "model.gguf",     "adapter.gguf",
                                         "curve.csv",    "curve.svg"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         step_of(name) >= 0;
}

}  // namespace

Result<void> remove_halves(const std::string& folder) {
  const std::vector<std::string> names = TRY(list_folder(folder));
  for (const std::string& name : names) {
    const size_t end = name.rfind(".part");
    if (end == name.npos || end + 5 == name.size()) continue;
    if (name.find_first_not_of("0123456789", end + 5) != name.npos) continue;
    if (!is_of_a_run(std::string_view(name).substr(0, end))) continue;
    TRY(remove_file(within(folder, name)));
  }
  return {};
}

Result<void> save_checkpoint(const std::string& folder, const TrainingState& state,
                             std::span<const Section> sections) {
  TRY(make_folder(folder));
  AtomicFile file = TRY(AtomicFile::create(within(folder, file_name(state.step))));
  const std::vector<std::byte> front = make_front(state, sections);
  TRY(file.write(front));
  TRY(pad(file, front.size()));
  for (const Section& section : sections) {
    TRY(file.write(section.bytes));
    TRY(pad(file, section.bytes.size()));
  }
  TRY(file.finish());
  TRY(sync_folder(folder));
  return remove_old(folder, state.step);
}

Result<std::vector<std::string>> list_checkpoints(const std::string& folder) {
  std::vector<std::string> names;
  if (!is_directory(folder)) return names;
  names = TRY(list_folder(folder));
  std::erase_if(names, [](const std::string& name) { return step_of(name) < 0; });
  std::sort(names.begin(), names.end(),
            [](const std::string& a, const std::string& b) { return step_of(a) > step_of(b); });
  return names;
}

Result<std::optional<Checkpoint>> newest_checkpoint(const std::string& folder,
                                                    std::vector<std::string>* notes) {
  const std::vector<std::string> names = TRY(list_checkpoints(folder));
  for (const std::string& name : names) {
    Result<Checkpoint> found = Checkpoint::open(within(folder, name));
    if (found) return std::optional(std::move(*found));
    notes->push_back(found.error().message);
  }
  if (names.empty()) return std::nullopt;
  return fail("{}: expected a whole checkpoint, found {} that are damaged: {}", folder,
              names.size(), notes->back());
}

Result<Checkpoint> Checkpoint::open(const std::string& path) {
  MappedFile file = TRY(MappedFile::open(path));
  Checkpoint checkpoint = TRY(parse(file.bytes(), path));
  TRY(file.still_whole());
  checkpoint.file_ = std::move(file);
  return checkpoint;
}

namespace {

// Takes pieces off the front of bytes.
class Taker {
 public:
  explicit Taker(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool take(uint64_t count, std::span<const std::byte>* out) {
    if (count > bytes_.size() - at_) return false;
    *out = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return true;
  }
  std::span<const std::byte> taken() const { return bytes_.first(at_); }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The hash of all of the front, its own place taken as zero.
uint64_t front_hash(std::span<const std::byte> taken, Front front) {
  std::vector<std::byte> copy(taken.begin(), taken.end());
  front.front_hash = 0;
  std::memcpy(copy.data(), &front, sizeof front);
  return gguf::content_hash(copy);
}

}  // namespace

Result<Checkpoint> Checkpoint::parse(std::span<const std::byte> bytes, const std::string& name) {
  Taker taker(bytes);
  std::span<const std::byte> part, table, text;
  Front front;
  if (!taker.take(sizeof front, &part)) return fail("{}: cut short in its front", name);
  std::memcpy(&front, part.data(), sizeof front);
  if (std::memcmp(front.magic, kMagic, sizeof front.magic) != 0) {
    return fail("{}: expected a checkpoint, found another kind of file", name);
  }
  if (front.version != kVersion) {
    return fail("{}: expected version {}, found {}", name, kVersion, front.version);
  }
  std::vector<Entry> entries;
  std::vector<std::string_view> names;
  bool whole = taker.take(uint64_t{front.sections} * sizeof(Entry), &table) &&
               taker.take(front.text_bytes, &text);
  if (whole) {
    entries.resize(front.sections);
    if (!table.empty()) std::memcpy(entries.data(), table.data(), table.size());
    for (const Entry& entry : entries) {
      whole = whole && taker.take(entry.name_bytes, &part);
      names.push_back(text_of(part));
    }
  }
  if (!whole) return fail("{}: damaged or cut short in its front", name);
  if (front_hash(taker.taken(), front) != front.front_hash) {
    return fail("{}: the front is damaged", name);
  }
  Checkpoint checkpoint;
  checkpoint.path_ = name;
  Result<TrainingState> state = training_state_from_json(text_of(text));
  if (!state) return fail("{}: {}", name, state.error().message);
  checkpoint.state_ = std::move(*state);
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const std::string section(names[i]);
    if (entry.begin > bytes.size() || entry.bytes > bytes.size() - entry.begin) {
      return fail("{}: {}: expected {} bytes from {} on, the file ends at {}", name,
                  printable(section), entry.bytes, entry.begin, bytes.size());
    }
    const auto content =
        bytes.subspan(static_cast<size_t>(entry.begin), static_cast<size_t>(entry.bytes));
    if (gguf::content_hash(content) != entry.hash) {
      return fail("{}: {}: damaged: checksum differs", name, printable(section));
    }
    checkpoint.sections_.push_back({section, content});
  }
  return checkpoint;
}

Result<std::span<const std::byte>> Checkpoint::section(std::string_view name,
                                                       int64_t expected_bytes) const {
  for (const Section& section : sections_) {
    if (section.name != name) continue;
    const auto found = static_cast<int64_t>(section.bytes.size());
    if (found == expected_bytes) return section.bytes;
    return fail("{}: {}: expected {} bytes, found {}", path_, name, expected_bytes, found);
  }
  return fail("{}: {}: expected {} bytes, found no such section", path_, name, expected_bytes);
}

Result<void> Checkpoint::read(std::string_view name, std::span<std::byte> out) const {
  const std::span<const std::byte> bytes = TRY(section(name, static_cast<int64_t>(out.size())));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return file_.still_whole();
}

}  // namespace issun::train
