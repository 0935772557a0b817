#include "measure/study/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace issun::measure {

namespace {

constexpr int64_t kSamples = 16, kSampleBytes = 4096;

// FNV-1a, of 64 bits.
class Hash {
 public:
  void add(const std::byte* bytes, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      value_ = (value_ ^ static_cast<uint64_t>(bytes[i])) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

StudyModel describe_model(const model::Model& model, const std::string& path,
                          const std::string& name) {
  Hash hash;
  for (const Tensor& tensor : model.file.tensors()) {
    hash.add(reinterpret_cast<const std::byte*>(tensor.name.data()),
             static_cast<int64_t>(tensor.name.size()));
    const int64_t bytes = tensor.bytes(), length = std::min(bytes, kSampleBytes);
    const int64_t samples = std::clamp<int64_t>(bytes / kSampleBytes, 1, kSamples);
    for (int64_t i = 0; i < samples; ++i)
      hash.add(tensor.data + (bytes - length) * i / std::max<int64_t>(1, samples - 1), length);
  }
  StudyModel study;
  study.path = path;
  study.name = name.substr(name.rfind('/') + 1);
  study.hash = fmt::format("{:016x}", hash.value());
  study.bytes = model.file.file_bytes();
  study.context_length = model.config.context_length;
  return study;
}

void tell_apart(std::vector<StudyModel>& models) {
  std::map<std::string, int> seen;
  for (StudyModel& model : models) {
    const int number = ++seen[model.name];
    if (number > 1) model.name += fmt::format(" ({})", number);
  }
}

}  // namespace issun::measure
