// Opens a safetensors file: a JSON table of tensors before their bytes. Every number is checked
// against the file before use, tensors are seen in place in the mapping, nothing is copied.
// Source: the format's description at github.com/huggingface/safetensors (README, "Format").
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace issun::safetensors {

// A number format as the table names it.
struct StoredType {
  std::string_view name;      // "BF16"
  int bytes;                  // of one number
  std::optional<DType> type;  // the same in a GGUF file; nothing where that has none
};

// Rows are what the last dimension counts: shape (2, 3) is two rows of three numbers.
struct StoredTensor {
  std::string_view name;
  const StoredType* type = nullptr;
  std::vector<int64_t> shape;  // outermost first; empty for a single number
  std::span<const std::byte> data;

  int64_t columns() const { return shape.empty() ? 1 : shape.back(); }
  int64_t rows() const;
};
// Whether read_floats() reads numbers of this type.
bool reads_as_floats(const StoredType& type);
// Numbers [first, first + out.size()) of a tensor of floats, or of I8 as they are.
void read_floats(const StoredTensor& tensor, int64_t first, std::span<float> out);
// "(2, 3)" for messages.
std::string describe_shape(std::span<const int64_t> shape);

class SafetensorsFile {
 public:
  // Error: anything wrong, naming the thing and the expectation.
  static Result<SafetensorsFile> open(const std::string& path);
  // From bytes in memory that outlive the result (tests, fuzzing). `name` stands in error messages.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes, std::string_view name);

  const std::string& path() const { return path_; }
  // By name, in the order of the alphabet.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  // nullptr when absent.
  const StoredTensor* find(std::string_view name) const;
  // What the writer noted: texts by name.
  const std::map<std::string, std::string>& notes() const { return notes_; }
  // Error when the file was found cut short since it was opened.
  Result<void> still_whole() const { return file_.still_whole(); }

 private:
  Result<void> read(std::span<const std::byte> bytes);
  Result<void> read_table(std::string_view table, std::span<const std::byte> data);

  std::string path_;
  MappedFile file_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string> notes_;
};

}  // namespace issun::safetensors
