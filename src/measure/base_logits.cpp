#include "measure/base_logits.h"

#include <algorithm>
#include <cstring>

#include "tensor/codec.h"
#include "tensor/half.h"

namespace issun::measure {

namespace {
constexpr float kLowestF16 = -65504;
}  // namespace

int64_t BaseLogits::planned_bytes(int64_t scored, int vocabulary, DType type) {
  return saturating_mul(scored, row_bytes(type, vocabulary));
}

Result<BaseLogits> BaseLogits::record(const Reading& base, Workers& workers,
                                      std::vector<int32_t> tokens, const WindowOptions& options,
                                      DType type,
                                      const std::function<void(int64_t, int64_t)>& progress) {
  CHECK_THAT(type == DType::F32 || type == DType::F16);
  BaseLogits result;
  result.windows_ = TRY(plan_windows(static_cast<int64_t>(tokens.size()), options));
  result.vocabulary_ = base.decoder.vocabulary_size();
  TRY(expect_tokens_below(result.vocabulary_, tokens));
  result.tokens_ = std::move(tokens);
  result.options_ = options;
  result.type_ = type;
  const int64_t total = scored_tokens(result.windows_);
  result.buffer_ = TRY(AlignedBuffer::create(planned_bytes(total, result.vocabulary_, type)));
  WindowReader reader(base.decoder, base.cache, result.tokens_, options.bos,
                      rows_at_a_time(base.decoder));
  for (const Window& window : result.windows_) {
    TRY(reader.start(window));
    while (true) {
      const Matrix<const float> logits = TRY(reader.next());
      if (logits.rows == 0) break;
      workers.for_each(logits.rows, 1, [&](int64_t r, int64_t, int) {
        result.write_row(result.rows_ + r, {logits.row(r), static_cast<size_t>(logits.columns)});
      });
      result.rows_ += logits.rows;
    }
    if (progress) progress(result.rows_, total);
  }
  return result;
}

void BaseLogits::write_row(int64_t row, std::span<const float> logits) {
  std::byte* out = buffer_.data() + row * row_bytes(type_, vocabulary_);
  if (type_ == DType::F32) {
    std::memcpy(out, logits.data(), logits.size_bytes());
    return;
  }
  const float most = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i) {
    const uint16_t half = f32_to_f16(std::max(logits[i] - most, kLowestF16));
    std::memcpy(out + 2 * i, &half, 2);
  }
}

void BaseLogits::read_row(int64_t row, std::span<float> out) const {
  decode_row(type_, row_bytes_at(row), vocabulary_, out.data());
}

const std::byte* BaseLogits::row_bytes_at(int64_t row) const {
  const std::byte* rows =
      buffer_.bytes() > 0 ? buffer_.data() : file_.bytes().data() + file_offset_;
  return rows + row * row_bytes(type_, vocabulary_);
}

}  // namespace issun::measure
