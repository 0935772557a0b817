#include "gguf/verify.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/memory.h"
#include "base/quote.h"
#include "gguf/content_hash.h"
#include "gguf/soundness.h"

namespace issun::gguf {

namespace {

bool prints(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

void verify_keys(const Metadata& metadata, std::vector<std::string>* findings) {
  for (const auto& [key, value] : metadata.entries()) {
    if (!prints(key))
      findings->push_back(fmt::format("{}: expected a key of printable ASCII", printable(key)));
    std::span<const double> numbers;
    if (const auto* number = std::get_if<double>(&value.data)) numbers = {number, 1};
    if (const auto* array = std::get_if<std::vector<double>>(&value.data)) numbers = *array;
    const auto bad =
        std::count_if(numbers.begin(), numbers.end(), [](double x) { return !std::isfinite(x); });
    if (bad > 0) {
      findings->push_back(fmt::format("{}: expected finite numbers, found {} of {} that are not",
                                      printable(key), bad, numbers.size()));
    }
  }
}

void verify_tensor(const Tensor& tensor, std::vector<std::string>* findings) {
  const std::string name = printable(tensor.name);
  if (!prints(tensor.name))
    findings->push_back(fmt::format("{}: expected a name of printable ASCII", name));
  const Soundness found = check_numbers(tensor);
  if (found.bad_blocks == 0) return;
  const DTypeFacts& format = facts(tensor.type);
  findings->push_back(fmt::format(
      "{}: expected finite numbers, found NaN or infinity in {} of {} {}, first in row {} "
      "at column {}",
      name, found.bad_blocks, tensor.bytes() / format.bytes,
      format.block == 1 ? "values" : "block scales", found.first_row, found.first_column));
}

// What stands between the tensors of one part and after the last.
void verify_padding(std::span<const Tensor> tensors, const MappedFile& file,
                    std::vector<std::string>* findings) {
  const std::byte* const begin = file.bytes().data();
  const std::byte* const end = begin + file.bytes().size();
  const Tensor* before = nullptr;
  const auto verify_gap = [&](const std::byte* next) {
    if (before == nullptr) return;
    const std::byte* after = before->data + before->bytes();
    const auto used =
        std::count_if(after, next, [](std::byte byte) { return byte != std::byte{0}; });
    if (used == 0) return;
    findings->push_back(fmt::format("{}: expected zeros for padding after it, found {} other bytes",
                                    printable(before->name), used));
  };
  for (const Tensor& tensor : tensors) {
    if (tensor.data < begin || tensor.data >= end) continue;  // in another part
    verify_gap(tensor.data);
    before = &tensor;
  }
  verify_gap(end);
}

}  // namespace

Result<Verification> verify(const std::string& path) {
  const GgufFile file = TRY(GgufFile::open(path));
  Verification result;
  verify_keys(file.metadata(), &result.findings);
  for (const Tensor& tensor : file.tensors()) {
    result.values += tensor.rows() * tensor.columns();
    verify_tensor(tensor, &result.findings);
  }
  result.tensors = static_cast<int64_t>(file.tensors().size());
  for (const MappedFile& part : file.parts()) {
    verify_padding(file.tensors(), part, &result.findings);
    result.parts.push_back({.path = part.path(),
                            .bytes = static_cast<int64_t>(part.bytes().size()),
                            .hash = content_hash(part.bytes())});
  }
  TRY(file.still_whole());
  return result;
}

}  // namespace issun::gguf
