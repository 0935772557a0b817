#include "gguf/value_writer.h"

#include <limits>
#include <span>
#include <type_traits>

namespace issun::gguf {

namespace {

template <class T, class Wide>
Result<void> append_narrowed(std::span<const Wide> numbers, std::string* out) {
  for (const Wide wide : numbers) {
    if constexpr (std::is_integral_v<T>) {
      if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max()) {
        return fail("expected a number from {} to {}, found {}", std::numeric_limits<T>::min(),
                    std::numeric_limits<T>::max(), wide);
      }
    }
    append_number(static_cast<T>(wide), out);
  }
  return {};
}

// The data as a row of Wide: one for a scalar. False: the data is of another kind.
template <class Wide>
bool view(const Value& value, std::span<const Wide>* numbers) {
  if (value.type != ValueType::Array) {
    const Wide* scalar = std::get_if<Wide>(&value.data);
    if (scalar != nullptr) *numbers = {scalar, 1};
    return scalar != nullptr;
  }
  const auto* array = std::get_if<std::vector<Wide>>(&value.data);
  if (array != nullptr) *numbers = *array;
  return array != nullptr;
}

template <class T, class Wide>
Result<void> append_data(const Value& value, std::string* out) {
  std::span<const Wide> numbers;
  if (!view(value, &numbers)) return fail("expected data of type {}", describe_type(value));
  if (value.type == ValueType::Array) append_number(uint64_t{numbers.size()}, out);
  if constexpr (std::is_same_v<Wide, std::string_view>) {
    for (const std::string_view text : numbers) append_string(text, out);
    return {};
  } else {
    return append_narrowed<T, Wide>(numbers, out);
  }
}

Result<void> append_bools(const Value& value, std::string* out) {
  const bool* flag = std::get_if<bool>(&value.data);
  if (value.type == ValueType::Array) return append_data<uint8_t, uint64_t>(value, out);
  if (flag == nullptr) return fail("expected data of type bool");
  append_number(static_cast<uint8_t>(*flag), out);
  return {};
}

}  // namespace

void append_string(std::string_view text, std::string* out) {
  append_number(uint64_t{text.size()}, out);
  out->append(text);
}

Result<void> append_value(const Value& value, std::string* out) {
  append_number(static_cast<int32_t>(value.type), out);
  ValueType element = value.type;
  if (value.type == ValueType::Array) {
    element = value.element;
    append_number(static_cast<int32_t>(element), out);
  }
  switch (element) {
    case ValueType::U8:
      return append_data<uint8_t, uint64_t>(value, out);
    case ValueType::I8:
      return append_data<int8_t, int64_t>(value, out);
    case ValueType::U16:
      return append_data<uint16_t, uint64_t>(value, out);
    case ValueType::I16:
      return append_data<int16_t, int64_t>(value, out);
    case ValueType::U32:
      return append_data<uint32_t, uint64_t>(value, out);
    case ValueType::I32:
      return append_data<int32_t, int64_t>(value, out);
    case ValueType::U64:
      return append_data<uint64_t, uint64_t>(value, out);
    case ValueType::I64:
      return append_data<int64_t, int64_t>(value, out);
    case ValueType::F32:
      return append_data<float, double>(value, out);
    case ValueType::F64:
      return append_data<double, double>(value, out);
    case ValueType::Bool:
      return append_bools(value, out);
    case ValueType::String:
      return append_data<char, std::string_view>(value, out);
    case ValueType::Array:
      break;
  }
  return fail("expected a value type that a file can hold, found {}", describe_type(value));
}

}  // namespace issun::gguf
