// libFuzzer target: any file is refused, or is a snapshot whose every row can be read.
#include "cache/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace issun;
  cache::KvShape shape;
  shape.layers = {{2, 4, 4}, {1, 3, 2}};
  shape.key_type = DType::F32;
  shape.value_type = DType::Q8_0;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  cache::SnapshotFault fault{};
  const auto head = cache::parse_snapshot_head(bytes, 77, shape, &fault);
  if (head.has_value() != (fault == cache::SnapshotFault::None)) __builtin_trap();
  if (!head) return 0;
  if (head->tokens.empty()) __builtin_trap();
  auto kv = cache::PagedKv::create(shape, 1 << 12);
  if (!kv) return 0;
  for (const size_t wanted : {head->tokens.size(), (head->tokens.size() + 1) / 2}) {
    cache::PageTable table = kv->new_table();
    if (!kv->extend(table, static_cast<int>(wanted))) continue;
    (void)cache::read_snapshot_rows(bytes, *kv, table);
    kv->truncate(table, 0);
  }
  return 0;
}
