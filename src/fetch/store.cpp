#include "fetch/store.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/quote.h"
#include "fetch/choose.h"
#include "fetch/file_name.h"
#include "gguf/reader.h"

namespace issun::fetch {

namespace {

constexpr std::string_view kRecordEnding = ".json";

int64_t size_of(const std::string& path) {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  return failed ? -1 : static_cast<int64_t>(bytes);
}

std::string record_path(const std::string& first_file) {
  return first_file + std::string(kRecordEnding);
}

Result<StoredModel> parse_record(const std::string& path) {
  constexpr int64_t kLongest = 4 << 20;
  const auto malformed = [&](std::string_view what) {
    return fail("{}: expected a record with {}; remove it and pull the model again", path, what);
  };
  const Result<Json> record = Json::parse(TRY(read_text(path, kLongest)));
  if (!record) return fail("{}: {}", path, record.error().message);
  for (const char* text : {"name", "source", "type"}) {
    if (!(*record)[text].is_string()) return malformed(text);
  }
  StoredModel model{.name = (*record)["name"].text(),
                    .source = (*record)["source"].text(),
                    .type = (*record)["type"].text(),
                    .complete = (*record)["complete"].is_true()};
  if ((*record)["changed"].is_integer()) model.changed = (*record)["changed"].integer();
  const std::string folder = std::filesystem::path(path).parent_path().string();
  for (const Json& file : (*record)["files"].items()) {
    if (!file["file"].is_string() || !file["bytes"].is_integer() || !file["sha256"].is_string() ||
        !file["validator"].is_string()) {
      return malformed("file, bytes, sha256 and validator of each file");
    }
    TRY(expect_safe_path(file["file"].text()));
    model.files.push_back({folder + "/" + file["file"].text(), file["bytes"].integer(),
                           file["sha256"].text(), file["validator"].text()});
    model.complete = model.complete && size_of(model.files.back().path) == file["bytes"].integer();
  }
  if (model.files.empty() || record_path(model.path()) != path) return malformed("its files");
  return model;
}

void remove_empty_folders(std::filesystem::path folder, const std::filesystem::path& root) {
  std::error_code failed;
  for (; folder != root && folder.string().starts_with(root.string());
       folder = folder.parent_path()) {
    if (!std::filesystem::remove(folder, failed)) return;  // not empty
  }
}

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

// As the hub would list it.
HubModel as_hub_model(const StoredModel& model) {
  const auto address = parse_address(model.source);
  HubModel result{.type = type_label(model.path())};
  result.files.push_back({.path = address ? address->file : "", .bytes = model.bytes()});
  return result;
}

}  // namespace

int64_t StoredModel::bytes() const {
  int64_t sum = 0;
  for (const StoredFile& file : files) sum += file.bytes;
  return sum;
}

int64_t StoredModel::bytes_here() const {
  int64_t sum = 0;
  for (const StoredFile& file : files) {
    for (const std::string& path : {file.path, file.path + ".part"}) {
      sum += disk_bytes(path);
    }
  }
  return complete ? bytes() : sum;
}

Result<std::string> main_type(const std::string& path) {
  const gguf::GgufFile file = TRY(gguf::GgufFile::open(path));
  std::map<std::string, int64_t> bytes;
  for (const Tensor& tensor : file.tensors()) bytes[issun::name(tensor.type)] += tensor.bytes();
  const auto most = std::max_element(
      bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? "" : most->first;
}

Result<Store> Store::of_user() {
  if (const auto folder = variable("ISSUN_MODELS")) return Store(*folder);
  if (const auto folder = variable("XDG_CACHE_HOME")) return Store(*folder + "/issun/models");
  if (const auto folder = variable("HOME")) return Store(*folder + "/.cache/issun/models");
  return fail("expected ISSUN_MODELS, the folder for models, or HOME to be set");
}

std::string Store::hub_path(std::string_view repository, std::string_view file) const {
  return fmt::format("{}/hf/{}/{}", folder_, repository, file);
}

std::string Store::url_path(std::string_view file) const {
  return fmt::format("{}/url/{}", folder_, file);
}

Result<StoredModel> Store::placed_by_hand(const std::string& path) const {
  const std::filesystem::path file(path);
  std::error_code failed;
  const auto written = std::filesystem::last_write_time(file, failed).time_since_epoch();
  const auto now = std::filesystem::file_time_type::clock::now().time_since_epoch();
  StoredModel model{
      .name = file.stem().string(),
      .type = type_label(path),
      .changed =
          unix_seconds() - std::chrono::duration_cast<std::chrono::seconds>(now - written).count(),
      .complete = true};
  model.files.push_back({.path = path, .bytes = size_of(path)});
  if (const auto part = part_name(path)) {
    model.name = stem(path);
    for (int i = 2; i <= part->count; ++i) {
      const std::string next = fmt::format("{}-{:05}-of-{:05}.gguf", part->prefix, i, part->count);
      model.files.push_back({.path = next, .bytes = std::max<int64_t>(0, size_of(next))});
      model.complete = model.complete && is_file(next);
    }
  }
  if (model.type.empty()) model.type = main_type(path).value_or("");
  return model;
}

Result<std::vector<StoredModel>> Store::list() const {
  std::vector<StoredModel> models;
  if (!is_directory(folder_)) return models;
  const std::vector<std::string> paths = TRY(files_below(folder_));
  for (const std::string& path : paths) {
    if (upper_case(path).ends_with(".GGUF.JSON")) {
      models.push_back(TRY(parse_record(path)));
    } else if (is_gguf(path) && std::filesystem::path(path).parent_path() == folder_ &&
               !is_file(record_path(path))) {
      const auto part = part_name(path);
      if (!part || part->number == 1) models.push_back(TRY(placed_by_hand(path)));
    }
  }
  std::sort(models.begin(), models.end(),
            [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

Result<std::optional<StoredModel>> Store::named(std::string_view name) const {
  const std::vector<StoredModel> models = TRY(list());
  for (const StoredModel& model : models) {
    if (model.name == name) return model;
  }
  return std::nullopt;
}

Result<std::optional<StoredModel>> Store::find(const Address& address) const {
  std::vector<StoredModel> models = TRY(list());
  std::erase_if(models, [&](const StoredModel& model) {
    if (!model.complete) return true;
    if (address.kind == Address::Kind::Name) {
      return upper_case(model.name) != upper_case(address.name);
    }
    if (address.kind == Address::Kind::Url) return model.source != address.url;
    const auto source = parse_address(model.source);
    return !source || source->kind != Address::Kind::Repository ||
           source->repository != address.repository;
  });
  if (models.empty()) return std::nullopt;
  if (address.kind == Address::Kind::Name) {
    for (const StoredModel& model : models) {
      if (model.name == address.name) return model;
    }
    return models.size() == 1 ? std::optional(models.front()) : std::nullopt;
  }
  if (address.kind == Address::Kind::Url) return models.front();
  std::vector<HubModel> listed;
  for (const StoredModel& model : models) listed.push_back(as_hub_model(model));
  if (!address.file.empty() || !address.type.empty()) {
    const bool known = std::any_of(listed.begin(), listed.end(), [&](const HubModel& model) {
      return address.file.empty() ? has_type(model.path(), address.type)
                                  : model.path() == address.file;
    });
    if (!known) return std::nullopt;
  }
  const HubModel chosen = TRY(choose_model(listed, address));
  for (size_t i = 0; i < models.size(); ++i) {
    if (listed[i].path() == chosen.path()) return models[i];
  }
  return std::nullopt;
}

Result<std::optional<StoredModel>> Store::recorded(const std::string& path) {
  if (!is_file(record_path(path))) return std::nullopt;
  return TRY(parse_record(record_path(path)));
}

Result<void> Store::record(const StoredModel& model) {
  const std::filesystem::path folder = std::filesystem::path(model.path()).parent_path();
  nlohmann::ordered_json json = {{"name", model.name},         {"source", model.source},
                                 {"type", model.type},         {"changed", model.changed},
                                 {"complete", model.complete}, {"files", nlohmann::json::array()}};
  for (const StoredFile& file : model.files) {
    nlohmann::ordered_json entry = {
        {"file", std::filesystem::path(file.path).lexically_relative(folder).string()},
        {"bytes", file.bytes},
        {"sha256", file.sha256},
        {"validator", file.validator}};
    json["files"].push_back(std::move(entry));
  }
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail("{}: cannot make the folder: {}", folder.string(), failed.message());
  using Handler = nlohmann::ordered_json::error_handler_t;
  return write_atomically(record_path(model.path()),
                          json.dump(2, ' ', false, Handler::replace) + "\n");
}

Result<void> Store::remove(const StoredModel& model) const {
  // The record first: without it what is left is no model.
  TRY(remove_file(record_path(model.path())));
  for (const StoredFile& file : model.files) {
    for (const char* ending : {"", ".part", ".part.ranges"}) TRY(remove_file(file.path + ending));
  }
  remove_empty_folders(std::filesystem::path(model.path()).parent_path(), folder_);
  return {};
}

}  // namespace issun::fetch
