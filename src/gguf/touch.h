// For tests and fuzzing: reads everything that an open file offers.
#pragma once

#include "gguf/reader.h"

namespace issun::gguf {

// A sum over every key, string, number and tensor byte: a view beyond the file would be seen by a
// sanitizer.
inline uint64_t touch(const GgufFile& file) {
  uint64_t sum = 0;
  const auto add_text = [&](std::string_view text) {
    for (const char c : text) sum += static_cast<unsigned char>(c);
  };
  for (const Metadata::Entry& entry : file.metadata().entries()) {
    add_text(entry.key);
    sum += describe_type(entry.value).size();
    const Metadata& metadata = file.metadata();
    if (const auto text = metadata.get<std::string_view>(entry.key)) add_text(text->value_or(""));
    if (const auto number = metadata.get<int64_t>(entry.key))
      sum += static_cast<uint64_t>(number->value_or(0));
    if (const auto number = metadata.get<double>(entry.key)) sum += number->value_or(0) > 0;
    if (const auto flag = metadata.get<bool>(entry.key)) sum += flag->value_or(false);
    if (const auto texts = metadata.get<std::vector<std::string_view>>(entry.key);
        texts && *texts) {
      for (const std::string_view text : **texts) add_text(text);
    }
    if (const auto numbers = metadata.get<std::vector<int64_t>>(entry.key); numbers && *numbers) {
      for (const int64_t number : **numbers) sum += static_cast<uint64_t>(number);
    }
    if (const auto numbers = metadata.get<std::vector<double>>(entry.key); numbers && *numbers) {
      for (const double number : **numbers) sum += number > 0;
    }
    if (const auto flags = metadata.get<std::vector<bool>>(entry.key); flags && *flags) {
      for (const bool flag : **flags) sum += flag;
    }
  }
  for (const Tensor& tensor : file.tensors()) {
    add_text(tensor.name);
    sum += file.find(tensor.name).data == tensor.data;
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      const std::byte* row = tensor.row(r);
      for (int64_t i = 0; i < tensor.row_bytes(); ++i) sum += static_cast<uint64_t>(row[i]);
    }
  }
  return sum;
}

}  // namespace issun::gguf
