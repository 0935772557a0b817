// The key-value part of a GGUF file: what was written, and typed access whose errors name the key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace issun::gguf {

// Ids as in the file.
enum class ValueType : int32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12,
};
const char* name(ValueType type);

// Strings are views into the file (or into what the writer was given).
struct Value {
  ValueType type = ValueType::U8;     // Array for arrays
  ValueType element = ValueType::U8;  // of an array
  // Scalars: integers as int64_t or uint64_t by their sign, floats as double, booleans as bool,
  // strings as views. Arrays: numbers in the same three widths, booleans as uint64_t 0 or 1,
  // strings as views.
  std::variant<int64_t, uint64_t, double, bool, std::string_view, std::vector<int64_t>,
               std::vector<uint64_t>, std::vector<double>, std::vector<std::string_view>>
      data;
};
// The type as a message names it: "u32", "array of string".
std::string describe_type(const Value& value);

// Key -> value in file order.
class Metadata {
 public:
  struct Entry {
    std::string_view key;
    Value value;
  };
  std::span<const Entry> entries() const { return entries_; }
  // nullptr when absent.
  const Value* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // T: int64_t (any integer type whose value fits), double (any float or integer), bool,
  // std::string_view, std::vector<int64_t>, std::vector<double>, std::vector<std::string_view>,
  // std::vector<bool>. Absent: nullopt. Present with another type, or out of int64 range: an error
  // that names the key, the type expected and the type found. Float arrays must be float arrays,
  // and so on: no silent casts of elements but between integer widths.
  template <class T>
  Result<std::optional<T>> get(std::string_view key) const;
  // As get; absence is an error that names the key.
  template <class T>
  Result<T> require(std::string_view key) const;
  // As get; `otherwise` when absent.
  template <class T>
  Result<T> value_or(std::string_view key, T otherwise) const;

  // Error: the key is there already.
  Result<void> add(std::string_view key, Value value);
  // Room for that many entries.
  void reserve(size_t count) { entries_.reserve(count); }

 private:
  std::vector<Entry> entries_;
  std::map<std::string_view, size_t> index_;
};

}  // namespace issun::gguf
