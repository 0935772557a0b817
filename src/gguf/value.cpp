#include "gguf/value.h"

#include <utility>

namespace issun::gguf {

namespace {

// Assigned in place: moving a whole variant makes GCC 12 warn of members that it does not hold.
template <class T>
Value scalar(ValueType type, T data) {
  Value value;
  value.type = type;
  value.data = std::move(data);
  return value;
}

template <class T>
Value array(ValueType element, T data) {
  Value value = scalar(ValueType::Array, std::move(data));
  value.element = element;
  return value;
}

}  // namespace

Value make_u32(uint32_t number) { return scalar(ValueType::U32, uint64_t{number}); }
Value make_i32(int32_t number) { return scalar(ValueType::I32, int64_t{number}); }
Value make_u64(uint64_t number) { return scalar(ValueType::U64, number); }
Value make_f32(float number) { return scalar(ValueType::F32, double{number}); }
Value make_bool(bool flag) { return scalar(ValueType::Bool, flag); }
Value make_string(std::string_view text) { return scalar(ValueType::String, text); }
Value make_strings(std::vector<std::string_view> texts) {
  return array(ValueType::String, std::move(texts));
}
Value make_i32s(std::span<const int32_t> numbers) {
  return array(ValueType::I32, std::vector<int64_t>(numbers.begin(), numbers.end()));
}
Value make_u8s(std::span<const uint8_t> bytes) {
  return array(ValueType::U8, std::vector<uint64_t>(bytes.begin(), bytes.end()));
}
Value make_f32s(std::span<const float> numbers) {
  return array(ValueType::F32, std::vector<double>(numbers.begin(), numbers.end()));
}
Value make_bools(const std::vector<bool>& flags) {
  return array(ValueType::Bool, std::vector<uint64_t>(flags.begin(), flags.end()));
}

}  // namespace issun::gguf
