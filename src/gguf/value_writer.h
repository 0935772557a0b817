// Writes numbers, strings and values as the file has them: the inverse of value_reader.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gguf/metadata.h"

namespace issun::gguf {

template <class T>
void append_number(T number, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));
  out->append(bytes, sizeof(T));
}
// A u64 length, then the bytes.
void append_string(std::string_view text, std::string* out);
// The type id and the data. Error: data of another kind than the type says, or a number it cannot
// hold.
Result<void> append_value(const Value& value, std::string* out);

}  // namespace issun::gguf
