#include "gguf/metadata.h"

#include <limits>

#include "base/quote.h"

namespace issun::gguf {

namespace {

// What get<T> calls what it wants, in messages.
template <class T>
constexpr const char* kWanted = nullptr;
template <>
constexpr const char* kWanted<int64_t> = "an integer";
template <>
constexpr const char* kWanted<double> = "a number";
template <>
constexpr const char* kWanted<bool> = "a bool";
template <>
constexpr const char* kWanted<std::string_view> = "a string";
template <>
constexpr const char* kWanted<std::vector<int64_t>> = "an array of integers";
template <>
constexpr const char* kWanted<std::vector<double>> = "an array of floats";
template <>
constexpr const char* kWanted<std::vector<std::string_view>> = "an array of strings";
template <>
constexpr const char* kWanted<std::vector<bool>> = "an array of bools";

constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();

tl::unexpected<Error> too_large(std::string_view key, uint64_t value) {
  return fail("{}: expected an integer up to {}, found {}", key, kLargest, value);
}

// Each convert() returns false for another type, and an error for the right type with an impossible
// value.
Result<bool> convert(std::string_view key, const Value& value, int64_t* out) {
  if (const auto* number = std::get_if<int64_t>(&value.data)) {
    *out = *number;
    return true;
  }
  const auto* number = std::get_if<uint64_t>(&value.data);
  if (number == nullptr) return false;
  if (*number > kLargest) return too_large(key, *number);
  *out = static_cast<int64_t>(*number);
  return true;
}

Result<bool> convert(std::string_view, const Value& value, double* out) {
  if (const auto* number = std::get_if<double>(&value.data)) {
    *out = *number;
  } else if (const auto* integer = std::get_if<int64_t>(&value.data)) {
    *out = static_cast<double>(*integer);
  } else if (const auto* natural = std::get_if<uint64_t>(&value.data)) {
    *out = static_cast<double>(*natural);
  } else {
    return false;
  }
  return true;
}

Result<bool> convert(std::string_view key, const Value& value, std::vector<int64_t>* out) {
  if (const auto* numbers = std::get_if<std::vector<int64_t>>(&value.data)) {
    *out = *numbers;
    return true;
  }
  const auto* numbers = std::get_if<std::vector<uint64_t>>(&value.data);
  if (numbers == nullptr || value.element == ValueType::Bool) return false;
  out->reserve(numbers->size());
  for (const uint64_t number : *numbers) {
    if (number > kLargest) return too_large(key, number);
    out->push_back(static_cast<int64_t>(number));
  }
  return true;
}

Result<bool> convert(std::string_view, const Value& value, std::vector<bool>* out) {
  const auto* flags = std::get_if<std::vector<uint64_t>>(&value.data);
  if (flags == nullptr || value.element != ValueType::Bool) return false;
  out->reserve(flags->size());
  for (const uint64_t flag : *flags) out->push_back(flag != 0);
  return true;
}

// bool, strings and arrays that are kept as asked for.
template <class T>
Result<bool> convert(std::string_view, const Value& value, T* out) {
  const T* kept = std::get_if<T>(&value.data);
  if (kept != nullptr) *out = *kept;
  return kept != nullptr;
}

}  // namespace

const char* name(ValueType type) {
  switch (type) {
    case ValueType::U8:
      return "u8";
    case ValueType::I8:
      return "i8";
    case ValueType::U16:
      return "u16";
    case ValueType::I16:
      return "i16";
    case ValueType::U32:
      return "u32";
    case ValueType::I32:
      return "i32";
    case ValueType::F32:
      return "f32";
    case ValueType::Bool:
      return "bool";
    case ValueType::String:
      return "string";
    case ValueType::Array:
      return "array";
    case ValueType::U64:
      return "u64";
    case ValueType::I64:
      return "i64";
    case ValueType::F64:
      return "f64";
  }
  return "unknown";
}

std::string describe_type(const Value& value) {
  if (value.type != ValueType::Array) return name(value.type);
  return std::string("array of ") + name(value.element);
}

const Value* Metadata::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second].value;
}

Result<void> Metadata::add(std::string_view key, Value value) {
  if (!index_.emplace(key, entries_.size()).second) {
    return fail("{}: expected every key once, found it twice", printable(key));
  }
  entries_.push_back({key, std::move(value)});
  return {};
}

template <class T>
Result<std::optional<T>> Metadata::get(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<T>();
  T result{};
  if (!TRY(convert(key, *value, &result))) {
    return fail("{}: expected {}, found {}", key, kWanted<T>, describe_type(*value));
  }
  return std::optional<T>(std::move(result));
}

template <class T>
Result<T> Metadata::require(std::string_view key) const {
  std::optional<T> found = TRY(get<T>(key));
  if (!found) return fail("{}: expected {}, found no such key", key, kWanted<T>);
  return std::move(*found);
}

template <class T>
Result<T> Metadata::value_or(std::string_view key, T otherwise) const {
  std::optional<T> found = TRY(get<T>(key));
  return found ? std::move(*found) : std::move(otherwise);
}

#define INSTANTIATE(T)                                                        \
  template Result<std::optional<T>> Metadata::get<T>(std::string_view) const; \
  template Result<T> Metadata::require<T>(std::string_view) const;            \
  template Result<T> Metadata::value_or<T>(std::string_view, T) const;
INSTANTIATE(int64_t)
INSTANTIATE(double)
INSTANTIATE(bool)
INSTANTIATE(std::string_view)
INSTANTIATE(std::vector<int64_t>)
INSTANTIATE(std::vector<double>)
INSTANTIATE(std::vector<std::string_view>)
INSTANTIATE(std::vector<bool>)
#undef INSTANTIATE

}  // namespace issun::gguf
