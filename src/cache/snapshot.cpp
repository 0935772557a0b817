#include "cache/snapshot.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/check.h"
#include "base/file.h"
#include "base/fnv.h"

namespace issun::cache {

namespace {

constexpr char kMagic[8] = {'i', 's', 's', 'u', 'n', 'k', 'v', '1'};
constexpr int64_t kMostTokens = int64_t{1} << 30;

struct FileHead {
  char magic[8];
  int64_t saved_at;  // the only thing that is written again, so no checksum covers it
  uint64_t model;
  uint64_t shape;
  uint64_t variant;
  int64_t tokens;
};
static_assert(sizeof(FileHead) == 48);

int64_t row_bytes_of(const KvShape& shape) {
  int64_t bytes = 0;
  for (const KvLayerShape& layer : shape.layers) {
    bytes += layer.kv_heads * (cache_row_bytes(shape.key_type, layer.key_width) +
                               cache_row_bytes(shape.value_type, layer.value_width));
  }
  return bytes;
}

uint64_t hash_of(const KvShape& shape) {
  const auto add = [](int64_t number, uint64_t hash) {
    return fnv1a(std::as_bytes(std::span(&number, 1)), hash);
  };
  uint64_t hash = add(kPageTokens, kFnvStart);
  hash = add(static_cast<int64_t>(shape.key_type), hash);
  hash = add(static_cast<int64_t>(shape.value_type), hash);
  for (const KvLayerShape& layer : shape.layers) {
    for (const int number : {layer.kv_heads, layer.key_width, layer.value_width})
      hash = add(number, hash);
  }
  return hash;
}

// FNV over words of eight bytes: rows are many, and a byte at a time would take longer than the
// disk. A last half word is filled up with zeros.
uint64_t row_hash(std::span<const std::byte> bytes, uint64_t hash) {
  for (size_t at = 0; at < bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 32;  // or high bits would never reach low ones
  }
  return hash;
}

uint64_t head_hash(const FileHead& head, std::span<const int32_t> tokens) {
  const auto covered = std::as_bytes(std::span(&head, 1)).subspan(offsetof(FileHead, model));
  return fnv1a(std::as_bytes(tokens), fnv1a(covered));
}

// body(first byte, bytes) of all rows of a page and head that lie one behind the other; the first
// `length` positions.
template <class Body>
void each_run(const PagedKv& cache, const PageTable& table, int64_t length, const Body& body) {
  const KvShape& shape = cache.shape();
  const auto pages = (length + kPageTokens - 1) / kPageTokens;
  for (int l = 0; l < static_cast<int>(shape.layers.size()); ++l) {
    const KvLayerShape& layer = shape.layers[static_cast<size_t>(l)];
    for (const bool keys : {true, false}) {
      const int64_t bytes = keys ? cache_row_bytes(shape.key_type, layer.key_width)
                                 : cache_row_bytes(shape.value_type, layer.value_width);
      for (int64_t p = 0; p < pages; ++p) {
        const int32_t page =
            p < static_cast<int64_t>(table.pages.size()) ? table.pages[static_cast<size_t>(p)] : -1;
        const int64_t rows = std::min<int64_t>(kPageTokens, length - p * kPageTokens);
        for (int head = 0; head < layer.kv_heads; ++head) {
          std::byte* first = page < 0 ? nullptr
                             : keys   ? cache.key_row(l, head, page, 0)
                                      : cache.value_row(l, head, page, 0);
          body(first, bytes, p * kPageTokens, rows);
        }
      }
    }
  }
}

}  // namespace

bool is_snapshot(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0;
}

int64_t snapshot_bytes(const KvShape& shape, int64_t tokens) {
  const int64_t rows = saturating_mul(row_bytes_of(shape), tokens);
  return saturating_add(static_cast<int64_t>(sizeof(FileHead)) + tokens * 4 + 16, rows);
}

Result<SnapshotHead> parse_snapshot_head(std::span<const std::byte> bytes, uint64_t model,
                                         const KvShape& shape, SnapshotFault* fault) {
  *fault = SnapshotFault::Damaged;
  if (!is_snapshot(bytes)) return fail("no snapshot");
  FileHead head;
  if (bytes.size() < sizeof(head)) return fail("cut short");
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.tokens < 1 || head.tokens > kMostTokens)
    return fail("expected 1 to {} tokens, found {}", kMostTokens, head.tokens);
  const auto rest = bytes.subspan(sizeof(head));
  const auto token_bytes = static_cast<size_t>(head.tokens) * 4;
  if (rest.size() < token_bytes + 8) return fail("cut short");
  SnapshotHead found;
  found.saved_at = head.saved_at;
  found.variant = head.variant;
  found.tokens.resize(static_cast<size_t>(head.tokens));
  std::memcpy(found.tokens.data(), rest.data(), token_bytes);
  uint64_t sum;
  std::memcpy(&sum, rest.data() + token_bytes, 8);
  if (sum != head_hash(head, found.tokens)) return fail("its checksum is another");
  if (head.model != model || head.shape != hash_of(shape)) {
    *fault = SnapshotFault::OfAnotherModel;
    return fail("of another model, or of other types of the cache");
  }
  const int64_t expected = snapshot_bytes(shape, head.tokens);
  if (static_cast<int64_t>(bytes.size()) != expected)
    return fail("expected {} bytes, found {}", expected, bytes.size());
  *fault = SnapshotFault::None;
  return found;
}

Result<void> read_snapshot_rows(std::span<const std::byte> bytes, const PagedKv& cache,
                                const PageTable& table) {
  int64_t tokens;
  std::memcpy(&tokens, bytes.data() + offsetof(FileHead, tokens), 8);
  CHECK_THAT(static_cast<int64_t>(bytes.size()) == snapshot_bytes(cache.shape(), tokens) &&
             table.length <= tokens);
  size_t at = sizeof(FileHead) + static_cast<size_t>(tokens) * 4 + 8;
  uint64_t hash = kFnvStart;
  each_run(cache, table, tokens, [&](std::byte* into, int64_t row, int64_t position, int64_t rows) {
    const auto run = bytes.subspan(at, static_cast<size_t>(row * rows));
    hash = row_hash(run, hash);
    at += run.size();
    const int64_t wanted = std::min(rows, table.length - position);
    if (wanted > 0) std::memcpy(into, run.data(), static_cast<size_t>(row * wanted));
  });
  uint64_t sum;
  std::memcpy(&sum, bytes.data() + at, 8);
  if (sum != hash) return fail("the checksum of its rows is another");
  return {};
}

Result<void> write_snapshot(const std::string& path, uint64_t model, const PagedKv& cache,
                            const PageTable& table, const SnapshotHead& told) {
  const std::span<const int32_t> tokens = told.tokens;
  CHECK_THAT(!cache.has_states() && static_cast<int64_t>(tokens.size()) == table.length);
  FileHead head{};
  std::memcpy(head.magic, kMagic, sizeof(kMagic));
  head.saved_at = told.saved_at;
  head.variant = told.variant;
  head.model = model;
  head.shape = hash_of(cache.shape());
  head.tokens = table.length;
  const uint64_t sum = head_hash(head, tokens);
  AtomicFile file = TRY(AtomicFile::create(path, Readers::Owner));  // it says what people said
  TRY(file.write(std::as_bytes(std::span(&head, 1))));
  TRY(file.write(std::as_bytes(tokens)));
  TRY(file.write(std::as_bytes(std::span(&sum, 1))));
  uint64_t hash = kFnvStart;
  Result<void> written;
  each_run(cache, table, table.length, [&](std::byte* first, int64_t row, int64_t, int64_t rows) {
    if (!written) return;
    const std::span<const std::byte> run(first, static_cast<size_t>(row * rows));
    hash = row_hash(run, hash);
    written = file.write(run);
  });
  TRY(written);
  TRY(file.write(std::as_bytes(std::span(&hash, 1))));
  return file.finish();
}

Result<void> restamp_snapshot(const std::string& path, int64_t saved_at) {
  File file = TRY(File::open_for_updating(path));
  return file.write_at(offsetof(FileHead, saved_at), std::as_bytes(std::span(&saved_at, 1)));
}

}  // namespace issun::cache
