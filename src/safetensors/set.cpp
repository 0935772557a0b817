#include "safetensors/set.h"

#include <set>

#include "base/json_reader.h"
#include "base/quote.h"

namespace issun::safetensors {

namespace {

constexpr int64_t kLongestIndex = 100'000'000;
constexpr size_t kMostFiles = 200;  // fewer than can be mapped at once

struct Index {
  std::map<std::string, std::string> file_of;  // by tensor
  std::set<std::string> files;
};

// A name from an index is that of a file beside it and nothing else.
Result<void> check_file_name(std::string_view name) {
  if (name.ends_with(".safetensors") && name.find_first_of("/\\") == std::string_view::npos) {
    return {};
  }
  return fail("weight_map: expected names of .safetensors files beside it, found '{}'",
              printable(name));
}

Result<Index> read_index(std::string_view text) {
  Index index;
  JsonReader json(text);
  TRY(json.object([&](const std::string& key) -> Result<void> {
    if (key != "weight_map") return json.skip();
    return json.object([&](std::string& tensor) -> Result<void> {
      std::string file = TRY(json.string());
      TRY(check_file_name(file));
      index.files.insert(file);
      if (index.files.size() > kMostFiles) {
        return fail("weight_map: expected at most {} files", kMostFiles);
      }
      const auto [at, added] = index.file_of.emplace(std::move(tensor), std::move(file));
      if (added) return {};
      return fail("weight_map: {}: expected every tensor once, found it twice",
                  printable(at->first));
    });
  }));
  TRY(json.end());
  if (index.files.empty()) return fail("expected a weight_map that names files");
  return index;
}

std::string single_path(const std::string& directory, std::string_view stem) {
  return fmt::format("{}/{}.safetensors", directory, stem);
}
std::string index_path(const std::string& directory, std::string_view stem) {
  return fmt::format("{}/{}.safetensors.index.json", directory, stem);
}

}  // namespace

bool SafetensorsSet::exists(const std::string& directory, std::string_view stem) {
  return is_file(single_path(directory, stem)) || is_file(index_path(directory, stem));
}

Result<SafetensorsSet> SafetensorsSet::open_file(const std::string& path) {
  SafetensorsSet set;
  TRY(set.add(TRY(SafetensorsFile::open(path))));
  return set;
}

Result<SafetensorsSet> SafetensorsSet::open(const std::string& directory, std::string_view stem) {
  const std::string index_file = index_path(directory, stem);
  if (is_file(single_path(directory, stem)) || !is_file(index_file)) {
    return open_file(single_path(directory, stem));
  }
  const Result<Index> index = read_index(TRY(read_text(index_file, kLongestIndex)));
  if (!index) return fail("{}: {}", index_file, index.error().message);
  SafetensorsSet set;
  for (const std::string& file : index->files) {
    TRY(set.add(TRY(SafetensorsFile::open(directory + "/" + file))));
  }
  for (const auto& [tensor, file] : index->file_of) {
    if (set.find(tensor) != nullptr) continue;
    return fail("{}: {}: expected that tensor in {}, which lacks it", index_file, printable(tensor),
                file);
  }
  return set;
}

Result<void> SafetensorsSet::add(SafetensorsFile file) {
  files_.push_back(std::move(file));
  for (const auto& [name, tensor] : files_.back().tensors()) {
    const auto [at, added] = tensors_.emplace(name, &tensor);
    if (!added) {
      return fail("{}: {}: expected every tensor in one file, found it in two",
                  files_.back().path(), printable(at->first));
    }
  }
  return {};
}

const StoredTensor* SafetensorsSet::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

int64_t SafetensorsSet::data_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += static_cast<int64_t>(tensor->data.size());
  return bytes;
}

Result<void> SafetensorsSet::still_whole() const {
  for (const SafetensorsFile& file : files_) TRY(file.still_whole());
  return {};
}

}  // namespace issun::safetensors
