// How attention reads the rows of a cache, by their type.
#pragma once

#include "kernels/cache_bytes.inl"

namespace issun::kernels {
namespace {

// [begin, end): positions of a tile.
struct CacheRows {
  // Scores of query rows.
  void (*score)(const AttentionTask& task, int begin, int end, const QueryRows& rows,
                const AttentionScratch& s);
  // sums += weights times their values.
  void (*add_values)(const AttentionTask& task, int begin, int end, const float* weights, int rows,
                     float* sums, const AttentionScratch& s);
  // Keys into the scratch as columns of floats, and values as floats.
  void (*gather_keys)(const AttentionTask& task, int begin, int end, const AttentionScratch& s);
  void (*decode_values)(const AttentionTask& task, int begin, int end, const AttentionScratch& s);
  int64_t (*row_bytes)(int width);
  bool splits;  // whether scores are those of queries that are split
};
template <class Format>
constexpr CacheRows kFloatRows = {score_float_keys<Format>,  add_float_values<Format>,
                                  gather_float_keys<Format>, decode_float_values<Format>,
                                  cache_row_bytes<Format>,   false};
template <class Format>
constexpr CacheRows kBlockRows = {score_block_keys<Format>,  add_block_values<Format>,
                                  gather_block_keys<Format>, decode_block_values<Format>,
                                  cache_row_bytes<Format>,   false};
template <class Format>
constexpr CacheRows kByteRowsOf = {score_byte_keys<Format>,   add_byte_values<Format>,
                                   gather_block_keys<Format>, decode_block_values<Format>,
                                   cache_row_bytes<Format>,   true};

struct CacheRowsOfTypes {
  CacheRows of[kTypes];
};
template <bool kExact>
constexpr CacheRowsOfTypes kCacheRows = [] {
  CacheRowsOfTypes rows{};
  const auto set = [&]<class Format>(Format) {
    CacheRows& to = rows.of[static_cast<int>(Format::kType)];
    if constexpr (kIsFloat<Format>)
      to = kFloatRows<Format>;
    else if constexpr (kExact)
      to = kBlockRows<Format>;
    else
      to = kByteRowsOf<Format>;
  };
  set(F32{}), set(F16{}), set(BF16{});
  set(Q8_0{}), set(Q5_1{}), set(Q5_0{}), set(Q4_1{}), set(Q4_0{}), set(IQ4_NL{});
  return rows;
}();
inline const CacheRows& rows_of_type(const AttentionTask& task, int type) {
  return (task.exact ? kCacheRows<true> : kCacheRows<!kByteCaches>).of[type];
}

}  // namespace
}  // namespace issun::kernels
