#include "quantize/grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "quantize/codes.h"
#include "quantize/grid_book.h"
#include "tensor/codec.h"
#include "tensor/half.h"

namespace issun::quantize {

namespace {

using kernels::Levels;

uint16_t times(uint16_t d, float factor) {
  const float product = f16_to_f32(d) * factor;
  return std::fabs(product) <= 65504 ? f32_to_f16(product) : d;
}

// Codes are whole numbers from `lowest` to `highest`, or places of `levels` from 0 on.
template <class Block, int kValues>
class ScalarGrid final : public Grid {
 public:
  ScalarGrid(DType type, int lowest, int highest, const Levels* levels = nullptr)
      : type_(type), lowest_(lowest), highest_(highest), levels_(levels) {}

  int unit() const override { return 1; }

  // What two codes are decoded to says how any code is. Levels have no offset.
  void open(const std::byte* block) override {
    float ones[kValues];
    decode_all(block, levels_ == nullptr ? 1 : kPlaceOf1, ones);
    if (levels_ == nullptr) {
      decode_all(block, 0, offsets_);
    } else {
      std::fill_n(offsets_, kValues, 0.0f);
    }
    for (int i = 0; i < kValues; ++i) {
      scales_[i] = ones[i] - offsets_[i];
      inverses_[i] = 1 / scales_[i];
      if (!std::isfinite(inverses_[i])) inverses_[i] = 0;
      codes_[i] = static_cast<int8_t>(levels_ == nullptr ? 0 : kPlaceOf1);
    }
  }

  void stretch(float factor, std::byte* block) const override {
    Block changed;
    std::memcpy(&changed, block, sizeof changed);
    if constexpr (requires { changed.d; }) changed.d = times(changed.d, factor);
    if constexpr (requires { changed.dmin; }) changed.dmin = times(changed.dmin, factor);
    if constexpr (requires { changed.m; }) changed.m = times(changed.m, factor);
    std::memcpy(block, &changed, sizeof changed);
  }

  void choose(int first, const float* x, const float*, float* values) override {
    const float level = (*x - offsets_[first]) * inverses_[first];
    int code = 0;
    if (levels_ == nullptr) {
      code = static_cast<int>(std::nearbyint(
          std::clamp(level, static_cast<float>(lowest_), static_cast<float>(highest_))));
    } else {
      while (code < levels_->count - 1 && level > levels_->middles[code]) ++code;
    }
    codes_[first] = static_cast<int8_t>(code);
    const float chosen = levels_ == nullptr ? static_cast<float>(code) : levels_->values[code];
    *values = offsets_[first] + scales_[first] * chosen;
  }

  void close(std::byte* block) const override {
    Block changed;
    std::memcpy(&changed, block, sizeof changed);
    set_codes(codes_, &changed);
    std::memcpy(block, &changed, sizeof changed);
  }

 private:
  static constexpr int kPlaceOf1 = 8;  // in both tables of levels

  void decode_all(const std::byte* block, int code, float* values) const {
    Block changed;
    std::memcpy(&changed, block, sizeof changed);
    int8_t codes[kValues];
    std::fill_n(codes, kValues, static_cast<int8_t>(code));
    set_codes(codes, &changed);
    std::byte bytes[sizeof changed];
    std::memcpy(bytes, &changed, sizeof changed);
    decode_row(type_, bytes, kValues, values);
  }

  const DType type_;
  const int lowest_, highest_;
  const Levels* const levels_;
  float scales_[kValues], offsets_[kValues], inverses_[kValues];
  int8_t codes_[kValues];
};

template <class Block, int kValues>
std::unique_ptr<Grid> scalar(DType type, int lowest, int highest, const Levels* levels = nullptr) {
  return std::make_unique<ScalarGrid<Block, kValues>>(type, lowest, highest, levels);
}

}  // namespace

std::unique_ptr<Grid> make_grid(DType type, const Encoder& encoder, EncodeScratch* scratch) {
  switch (type) {
    case DType::Q4_0:
      return scalar<BlockQ4_0, 32>(type, -8, 7);
    case DType::Q4_1:
      return scalar<BlockQ4_1, 32>(type, 0, 15);
    case DType::Q5_0:
      return scalar<BlockQ5_0, 32>(type, -16, 15);
    case DType::Q5_1:
      return scalar<BlockQ5_1, 32>(type, 0, 31);
    case DType::Q8_0:
      return scalar<BlockQ8_0, 32>(type, -127, 127);
    case DType::Q2_K:
      return scalar<BlockQ2_K, 256>(type, 0, 3);
    case DType::Q3_K:
      return scalar<BlockQ3_K, 256>(type, -4, 3);
    case DType::Q4_K:
      return scalar<BlockQ4_K, 256>(type, 0, 15);
    case DType::Q5_K:
      return scalar<BlockQ5_K, 256>(type, 0, 31);
    case DType::Q6_K:
      return scalar<BlockQ6_K, 256>(type, -32, 31);
    case DType::IQ4_NL:
      return scalar<BlockIQ4_NL, 32>(type, 0, 15, &kLevelsIq4);
    case DType::IQ4_XS:
      return scalar<BlockIQ4_XS, 256>(type, 0, 15, &kLevelsIq4);
    case DType::MXFP4:
      return scalar<BlockMXFP4, 32>(type, 0, 14, &kLevelsFp4);
    case DType::NVFP4:
      return scalar<BlockNVFP4, 64>(type, 0, 14, &kLevelsFp4);
    case DType::Q2_0:
      return scalar<BlockQ2_0, 64>(type, -1, 2);
    case DType::TQ1_0:
      return scalar<BlockTQ1_0, 256>(type, -1, 1);
    case DType::TQ2_0:
      return scalar<BlockTQ2_0, 256>(type, -1, 1);
    default:
      return make_book_grid(type, encoder, scratch);
  }
}

bool has_grid(DType type) {
  switch (type) {
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::Q1_0:
      return false;
    default:
      return true;
  }
}

}  // namespace issun::quantize
