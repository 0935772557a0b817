#include "fetch/choose.h"

#include <algorithm>
#include <map>

#include "base/quote.h"
#include "fetch/file_name.h"

namespace issun::fetch {

namespace {

bool is_companion(std::string_view path) {
  const std::string name = upper_case(stem(path));
  return name.find("MMPROJ") != std::string::npos || name.find("IMATRIX") != std::string::npos;
}

std::string listed(const std::vector<HubModel>& models) {
  constexpr size_t kMostLines = 60;
  std::string text;
  for (size_t i = 0; i < models.size() && i < kMostLines; ++i) {
    const HubModel& model = models[i];
    text += fmt::format(
        "\n  {:<10} {:>8.1f} MB  {}{}", model.type.empty() ? "?" : model.type,
        static_cast<double>(model.bytes()) / 1e6, visible(model.path()),
        model.files.size() > 1 ? fmt::format(" and {} more", model.files.size() - 1) : "");
  }
  if (models.size() > kMostLines)
    text += fmt::format("\n  and {} more", models.size() - kMostLines);
  return text;
}

}  // namespace

int64_t HubModel::bytes() const {
  int64_t sum = 0;
  for (const HubFile& file : files) sum += file.bytes;
  return sum;
}

Result<std::vector<HubModel>> models_among(std::vector<HubFile> files) {
  std::sort(files.begin(), files.end(),
            [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  std::vector<HubModel> models;
  for (size_t i = 0; i < files.size(); ++i) {
    if (is_companion(files[i].path)) continue;
    const auto first = part_name(files[i].path);
    HubModel model{.type = type_label(files[i].path), .files = {files[i]}};
    if (first) {
      const auto is_next = [&](size_t k) {
        const auto part = k < files.size() ? part_name(files[k].path) : std::nullopt;
        return part && part->prefix == first->prefix && part->count == first->count;
      };
      while (is_next(i + 1)) model.files.push_back(files[++i]);
      for (size_t k = 0; k < model.files.size(); ++k) {
        if (part_name(model.files[k].path)->number != static_cast<int>(k) + 1) {
          return fail("{}: expected all {} parts, found no part {}", visible(files[i].path),
                      first->count, k + 1);
        }
      }
      if (static_cast<int>(model.files.size()) != first->count) {
        return fail("{}: expected all {} parts, found {}", visible(files[i].path), first->count,
                    model.files.size());
      }
    }
    models.push_back(std::move(model));
  }
  return models;
}

const std::vector<std::string>& type_preference() {
  static const std::vector<std::string> order = {
      "Q4_K_M", "Q4_K_S", "Q4_K_XL",   "Q4_K_L", "Q4_K",   "IQ4_NL",  "IQ4_XS", "Q4_0",
      "Q4_1",   "MXFP4",  "MXFP4_MOE", "Q5_K_M", "Q5_K_S", "Q5_K_XL", "Q5_0",   "Q5_1",
      "Q6_K",   "Q8_0",   "Q3_K_L",    "Q3_K_M", "Q3_K_S", "BF16",    "F16",    "F32"};
  return order;
}

Result<HubModel> choose_model(const std::vector<HubModel>& models, const Address& address) {
  const std::string repository = "hf:" + address.repository;
  if (models.empty()) return fail("{}: expected a model in GGUF, found none", repository);
  std::vector<const HubModel*> found;
  if (!address.file.empty()) {
    for (const HubModel& model : models) {
      const bool named = std::any_of(model.files.begin(), model.files.end(),
                                     [&](const auto& file) { return file.path == address.file; });
      if (named) return model;
    }
  } else if (!address.type.empty()) {
    for (const HubModel& model : models) {
      if (has_type(model.path(), address.type)) found.push_back(&model);
    }
  } else if (models.size() == 1) {
    return models.front();
  } else {
    for (const std::string& type : type_preference()) {
      for (const HubModel& model : models) {
        if (model.type == type) found.push_back(&model);
      }
      if (!found.empty()) break;
    }
  }
  if (found.size() == 1) return *found.front();
  return fail("{}: {}; name one, as {}:TYPE or {}/FILE; there are{}", address.text(),
              found.empty() ? "expected one of its models" : "several models are meant", repository,
              repository, listed(models));
}

std::string name_of(const std::vector<HubModel>& models, const HubModel& model,
                    const std::string& repository) {
  const auto same = std::count_if(models.begin(), models.end(),
                                  [&](const HubModel& other) { return other.type == model.type; });
  if (!model.type.empty() && same == 1) return fmt::format("{}:{}", repository, model.type);
  return fmt::format("{}/{}", repository, model.path());
}

}  // namespace issun::fetch
