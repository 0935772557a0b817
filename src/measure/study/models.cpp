#include "measure/study/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "gguf/content_hash.h"

namespace issun::measure {

namespace {

constexpr int64_t kSamples = 16, kSampleBytes = 4096;

}  // namespace

StudyModel describe_model(const model::Model& model, const std::string& path,
                          const std::string& name) {
  std::vector<uint64_t> parts;
  const auto add = [&](std::span<const std::byte> bytes) {
    parts.push_back(gguf::content_hash(bytes));
  };
  for (const Tensor& tensor : model.file.tensors()) {
    add(std::as_bytes(std::span(tensor.name)));
    const int64_t bytes = tensor.bytes(), length = std::min(bytes, kSampleBytes);
    const int64_t samples = std::clamp<int64_t>(bytes / kSampleBytes, 1, kSamples);
    for (int64_t i = 0; i < samples; ++i)
      add({tensor.data + (bytes - length) * i / std::max<int64_t>(1, samples - 1),
           static_cast<size_t>(length)});
  }
  StudyModel study;
  study.path = path;
  study.name = name.substr(name.rfind('/') + 1);
  study.hash = fmt::format("{:016x}", gguf::content_hash(std::as_bytes(std::span(parts))));
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
