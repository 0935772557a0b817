#include "gguf/value_reader.h"

#include <utility>

namespace issun::gguf {

namespace {

constexpr int32_t kTypes = 13;

tl::unexpected<Error> ends_inside(const Cursor& cursor) {
  return fail("expected more bytes, found the end of the file {} bytes on", cursor.remaining());
}

// A scalar or an array of the file's type T, kept as Wide. `count` < 0: a scalar.
template <class T, class Wide>
Result<void> read_numbers(Cursor& cursor, int64_t count, Value* value) {
  T number{};
  if (count < 0) {
    if (!cursor.take(&number)) return ends_inside(cursor);
    value->data = static_cast<Wide>(number);
    return {};
  }
  std::vector<Wide> numbers(static_cast<size_t>(count));
  for (Wide& wide : numbers) {
    if (!cursor.take(&number)) return ends_inside(cursor);
    wide = static_cast<Wide>(number);
  }
  value->data = std::move(numbers);
  return {};
}

Result<void> read_bools(Cursor& cursor, int64_t count, Value* value) {
  TRY((read_numbers<uint8_t, uint64_t>(cursor, count, value)));
  const auto* scalar = std::get_if<uint64_t>(&value->data);
  const auto* array = std::get_if<std::vector<uint64_t>>(&value->data);
  const std::span<const uint64_t> flags =
      scalar != nullptr ? std::span(scalar, 1) : std::span<const uint64_t>(*array);
  for (const uint64_t flag : flags) {
    if (flag > 1) return fail("expected 0 or 1 for a bool, found {}", flag);
  }
  if (scalar != nullptr) value->data = *scalar != 0;
  return {};
}

Result<void> read_strings(Cursor& cursor, int64_t count, Value* value) {
  std::string_view text;
  if (count < 0) {
    if (!cursor.take_string(&text)) return ends_inside(cursor);
    value->data = text;
    return {};
  }
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    if (!cursor.take_string(&text)) {
      return fail("expected {} strings, found string {} to reach beyond the {} bytes left", count,
                  i, cursor.remaining());
    }
    texts.push_back(text);
  }
  value->data = std::move(texts);
  return {};
}

Result<void> read_data(Cursor& cursor, ValueType type, int64_t count, Value* value) {
  switch (type) {
    case ValueType::U8:
      return read_numbers<uint8_t, uint64_t>(cursor, count, value);
    case ValueType::I8:
      return read_numbers<int8_t, int64_t>(cursor, count, value);
    case ValueType::U16:
      return read_numbers<uint16_t, uint64_t>(cursor, count, value);
    case ValueType::I16:
      return read_numbers<int16_t, int64_t>(cursor, count, value);
    case ValueType::U32:
      return read_numbers<uint32_t, uint64_t>(cursor, count, value);
    case ValueType::I32:
      return read_numbers<int32_t, int64_t>(cursor, count, value);
    case ValueType::U64:
      return read_numbers<uint64_t, uint64_t>(cursor, count, value);
    case ValueType::I64:
      return read_numbers<int64_t, int64_t>(cursor, count, value);
    case ValueType::F32:
      return read_numbers<float, double>(cursor, count, value);
    case ValueType::F64:
      return read_numbers<double, double>(cursor, count, value);
    case ValueType::Bool:
      return read_bools(cursor, count, value);
    case ValueType::String:
      return read_strings(cursor, count, value);
    case ValueType::Array:
      return fail("expected an array of numbers or strings, found an array of arrays");
  }
  return fail("expected a known value type");
}

// The fewest bytes one value takes in the file.
uint64_t least_bytes(ValueType type) {
  switch (type) {
    case ValueType::U8:
    case ValueType::I8:
    case ValueType::Bool:
      return 1;
    case ValueType::U16:
    case ValueType::I16:
      return 2;
    case ValueType::U32:
    case ValueType::I32:
    case ValueType::F32:
      return 4;
    default:
      return 8;
  }
}

Result<ValueType> known_type(int32_t id) {
  if (id < 0 || id >= kTypes) {
    return fail("expected a value type from 0 to {}, found {}", kTypes - 1, id);
  }
  return static_cast<ValueType>(id);
}

}  // namespace

Result<Value> read_value(Cursor& cursor, int32_t type_id) {
  Value value;
  value.type = TRY(known_type(type_id));
  int64_t count = -1;
  ValueType element = value.type;
  if (value.type == ValueType::Array) {
    int32_t element_id = 0;
    uint64_t length = 0;
    if (!cursor.take(&element_id) || !cursor.take(&length)) return ends_inside(cursor);
    element = TRY(known_type(element_id));
    if (length > cursor.remaining() / least_bytes(element)) {
      return fail("expected an array that fits the {} bytes left, found {} elements of type {}",
                  cursor.remaining(), length, name(element));
    }
    value.element = element;
    count = static_cast<int64_t>(length);
  }
  TRY(read_data(cursor, element, count, &value));
  return value;
}

}  // namespace issun::gguf
