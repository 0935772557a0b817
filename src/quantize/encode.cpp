#include "quantize/encode.h"

#include "base/check.h"
#include "quantize/codebooks.h"
#include "quantize/encode_blocks.h"
#include "quantize/gain.h"
#include "tensor/codec.h"

namespace issun::quantize {

namespace {

// A column of no importance still is something: this share of the mean.
constexpr float kLeastImportance = 1e-5f;

struct Row {
  const SearchTable& search;
  const Codebooks& books;
  const float* values;
  int64_t columns;
  const float* importance;
  float unit;  // what an importance of 1 is
  EncodeScratch* scratch;
  std::byte* out;
};

void fill_weights(const Row& row, int64_t first, int count) {
  float* weights = row.scratch->weights;
  for (int i = 0; i < count; ++i) {
    weights[i] = row.importance == nullptr
                     ? 1
                     : std::max(kLeastImportance, row.importance[first + i] * row.unit);
  }
}

template <class Block, int kValues>
void encode_blocks(const Row& row) {
  if (row.importance == nullptr) fill_weights(row, 0, kValues);
  std::byte* out = row.out;
  for (int64_t first = 0; first < row.columns; first += kValues, out += sizeof(Block)) {
    if (row.importance != nullptr) fill_weights(row, first, kValues);
    const Part part = {row.search, row.values + first, row.scratch->weights};
    Block block;
    if constexpr (requires { encode(part, &block); }) {
      encode(part, &block);
    } else {
      encode(BookPart{part, row.books, row.scratch}, &block);
    }
    std::memcpy(out, &block, sizeof block);
  }
}

// An odd block at the end of a row is searched beside itself.
template <class Block>
void encode_twos(const Row& row) {
  constexpr int kValues = 512;
  if (row.importance == nullptr) fill_weights(row, 0, kValues);
  std::byte* out = row.out;
  int64_t first = 0;
  Two<Block> two;
  for (; first + kValues <= row.columns; first += kValues, out += sizeof two) {
    if (row.importance != nullptr) fill_weights(row, first, kValues);
    encode(Part{row.search, row.values + first, row.scratch->weights}, &two);
    std::memcpy(out, &two, sizeof two);
  }
  if (first == row.columns) return;
  float* twice = row.scratch->products;
  float* weights = row.scratch->weights;
  if (row.importance != nullptr) fill_weights(row, first, kValues / 2);
  for (int i = 0; i < 2; ++i) {
    std::copy_n(row.values + first, kValues / 2, twice + i * kValues / 2);
    if (i > 0) std::copy_n(weights, kValues / 2, weights + kValues / 2);
  }
  encode(Part{row.search, twice, weights}, &two);
  std::memcpy(out, &two, sizeof(Block));
}

using RowEncoder = void (*)(const Row& row);

// nullptr where the codec's own way is the only one.
RowEncoder encoder_for(DType type) {
  switch (type) {
    case DType::Q4_0:
      return encode_blocks<BlockQ4_0, 32>;
    case DType::Q4_1:
      return encode_blocks<BlockQ4_1, 32>;
    case DType::Q5_0:
      return encode_blocks<BlockQ5_0, 32>;
    case DType::Q5_1:
      return encode_blocks<BlockQ5_1, 32>;
    case DType::Q8_0:
      return encode_blocks<BlockQ8_0, 32>;
    case DType::Q1_0:
      return encode_blocks<BlockQ1_0, 128>;
    case DType::Q2_0:
      return encode_blocks<BlockQ2_0, 64>;
    case DType::TQ1_0:
      return encode_blocks<BlockTQ1_0, 256>;
    case DType::TQ2_0:
      return encode_blocks<BlockTQ2_0, 256>;
    case DType::MXFP4:
      return encode_blocks<BlockMXFP4, 32>;
    case DType::NVFP4:
      return encode_blocks<BlockNVFP4, 64>;
    case DType::Q2_K:
      return encode_blocks<BlockQ2_K, 256>;
    case DType::Q3_K:
      return encode_blocks<BlockQ3_K, 256>;
    case DType::Q4_K:
      return encode_twos<BlockQ4_K>;
    case DType::Q5_K:
      return encode_twos<BlockQ5_K>;
    case DType::Q6_K:
      return encode_blocks<BlockQ6_K, 256>;
    case DType::IQ4_NL:
      return encode_blocks<BlockIQ4_NL, 32>;
    case DType::IQ4_XS:
      return encode_twos<BlockIQ4_XS>;
    case DType::IQ3_XXS:
      return encode_blocks<BlockIQ3_XXS, 256>;
    case DType::IQ3_S:
      return encode_blocks<BlockIQ3_S, 256>;
    case DType::IQ2_XXS:
      return encode_blocks<BlockIQ2_XXS, 256>;
    case DType::IQ2_XS:
      return encode_blocks<BlockIQ2_XS, 256>;
    case DType::IQ2_S:
      return encode_blocks<BlockIQ2_S, 256>;
    case DType::IQ1_S:
      return encode_blocks<BlockIQ1_S, 256>;
    case DType::IQ1_M:
      return encode_blocks<BlockIQ1_M, 256>;
    default:
      return nullptr;
  }
}

// What makes the mean importance 1; all alike where there is none.
float unit_of(const float* importance, int64_t columns) {
  double sum = 0;
  for (int64_t c = 0; c < columns; ++c) sum += static_cast<double>(importance[c]);
  return sum > 0 ? static_cast<float>(static_cast<double>(columns) / sum) : 0;
}

}  // namespace

Encoder::Encoder(const kernels::SearchTable& searches)
    : searches_(searches), books_(Codebooks::create()) {}
Encoder::~Encoder() = default;

void Encoder::encode_row(DType type, const float* values, int64_t columns, const float* importance,
                         EncodeScratch* scratch, std::byte* row) const {
  CHECK_THAT(columns % facts(type).block == 0);
  const RowEncoder encoder = encoder_for(type);
  if (encoder == nullptr) return issun::encode_row(type, values, columns, row);
  encoder({searches_, *books_, values, columns, importance,
           importance != nullptr ? unit_of(importance, columns) : 1, scratch, row});
  if (shrinks(type)) unshrink_row(type, values, columns, importance, row);
}

}  // namespace issun::quantize
