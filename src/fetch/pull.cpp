#include "fetch/pull.h"

#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "base/file_lock.h"
#include "base/folder.h"
#include "base/quote.h"
#include "fetch/choose.h"
#include "fetch/file_name.h"
#include "fetch/sha256.h"
#include "gguf/reader.h"

namespace issun::fetch {

namespace {

// What is to be fetched, and where it goes.
struct Order {
  std::string name, source, type;
  std::vector<RemoteFile> files = {};
  std::vector<std::string> paths = {};  // of each, here
};

Result<Order> order_of_repository(Http& http, const Store& store, const Address& address,
                                  const PullOptions& options) {
  const Hub hub =
      TRY(make_hub(options.endpoint.empty() ? kUsualEndpoint : options.endpoint, options.token));
  auto files = TRY(hub.list_models(http, address.repository, options.attempts));
  const std::vector<HubModel> models = TRY(models_among(std::move(files)));
  const HubModel model = TRY(choose_model(models, address));
  Order order{.name = name_of(models, model, address.repository),
              .source = fmt::format("hf:{}/{}", address.repository, model.path()),
              .type = model.type};
  for (const HubFile& file : model.files) {
    order.files.push_back({.url = hub.file_url(address.repository, file.path),
                           .token = hub.token,
                           .bytes = file.bytes,
                           .sha256 = file.sha256});
    order.paths.push_back(store.hub_path(address.repository, file.path));
  }
  return order;
}

Result<Order> order_of_url(const Store& store, const Address& address, const PullOptions& options) {
  const std::string file = TRY(file_of_url(address.url));
  Order order{.name = stem(file), .source = address.url, .type = type_label(file)};
  const auto add = [&](std::string url, const std::string& name) {
    order.files.push_back({.url = std::move(url), .sha256 = options.sha256});
    order.paths.push_back(store.url_path(name));
  };
  const auto part = part_name(file);
  if (!part) {
    add(address.url, file);
    return order;
  }
  if (!options.sha256.empty()) return fail("--sha256: expected a model of one file, found parts");
  const std::string ending = fmt::format("-{:05}-of-{:05}.", part->number, part->count);
  const size_t at = address.url.rfind(ending, address.url.find('?'));
  if (part->number != 1 || at == std::string::npos) {
    return fail("{}: expected the address of the first part", shown_url(address.url));
  }
  constexpr int kMostParts = 1000;
  if (part->count > kMostParts) return fail("{}: expected at most {} parts", file, kMostParts);
  for (int i = 1; i <= part->count; ++i) {
    std::string url = address.url;
    url.replace(at, ending.size(), fmt::format("-{:05}-of-{:05}.", i, part->count));
    add(std::move(url), fmt::format("{}-{:05}-of-{:05}.gguf", part->prefix, i, part->count));
  }
  return order;
}

// Whether what the record has of a file is what the server has.
Result<bool> is_here(Http& http, const StoredFile& stored, const RemoteFile& file, int attempts) {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(stored.path, failed);
  if (failed || stored.sha256.empty() || static_cast<int64_t>(bytes) != stored.bytes) return false;
  if (!file.sha256.empty()) return stored.sha256 == file.sha256;
  const RemoteFacts facts = TRY(look_at(http, file, attempts));
  if (!facts.sha256.empty()) return stored.sha256 == facts.sha256;
  return facts.bytes == stored.bytes && !facts.validator.empty() &&
         facts.validator == stored.validator;
}

DownloadOptions download_options(const PullOptions& options, const std::string& what) {
  DownloadOptions result{.streams = options.streams, .attempts = options.attempts};
  result.on_progress = [&options, what](int64_t done, int64_t total) {
    options.on_progress(what, done, total);
  };
  result.on_check = [&options, what](int64_t done, int64_t total) {
    options.on_check(what, done, total);
  };
  result.on_note = [&options, what](const std::string& note) {
    options.on_note(fmt::format("{}: {}", what, note));
  };
  return result;
}

// The record as it stands at the beginning: what of an earlier try or version is of use.
Result<StoredModel> begin(const Order& order) {
  const auto before = TRY(Store::recorded(order.paths.front()));
  if (before && before->source != order.source) {
    return fail(
        "{}: expected the model that is here by this name to come from the same place, "
        "found {}; `issun rm {}` makes room",
        order.source, before->source, before->name);
  }
  StoredModel model{.name = order.name, .source = order.source, .type = order.type};
  for (size_t i = 0; i < order.paths.size(); ++i) {
    StoredFile file{.path = order.paths[i], .bytes = std::max<int64_t>(0, order.files[i].bytes)};
    if (before) {
      for (const StoredFile& known : before->files) {
        if (known.path == file.path) file = known;
      }
    }
    model.files.push_back(std::move(file));
  }
  // An update that does not come to its end leaves the model as it was.
  if (!before || !before->complete) TRY(Store::record(model));
  return model;
}

Result<void> check_model(const Store& store, StoredModel& model) {
  const auto type = main_type(model.path());
  if (!type) {
    TRY(store.remove(model));
    return fail("{}; what came is no sound model, and nothing is kept of it", type.error().message);
  }
  if (model.type.empty()) model.type = *type;
  return {};
}

// What the repository had by this name before, in other files.
Result<void> remove_forerunners(const Store& store, const StoredModel& model) {
  const std::vector<StoredModel> models = TRY(store.list());
  for (const StoredModel& other : models) {
    const bool from_hub = other.source.starts_with("hf:") && model.source.starts_with("hf:");
    if (from_hub && other.name == model.name && other.path() != model.path()) {
      TRY(store.remove(other));
    }
  }
  return {};
}

}  // namespace

Result<Pulled> pull(const Store& store, const Address& address, const PullOptions& options) {
  if (address.kind == Address::Kind::Name) {
    const auto known = TRY(store.named(address.name));
    if (!known || known->source.empty()) {
      return fail(
          "'{}': expected hf:OWNER/NAME[:TYPE], an address, or a name that `issun list` "
          "prints{}",
          printable(address.name), known ? "; this file was put there by hand" : "");
    }
    return pull(store, TRY(parse_address(known->source)), options);
  }
  const auto http = TRY(
      Http::create({.stall_seconds = options.stall_seconds, .certificates = options.certificates}));
  const bool from_hub = address.kind == Address::Kind::Repository;
  if (from_hub && !options.sha256.empty()) {
    return fail("--sha256: expected an address; a repository tells its own");
  }
  const Order order = TRY(from_hub ? order_of_repository(*http, store, address, options)
                                   : order_of_url(store, address, options));
  const auto folder = std::filesystem::path(order.paths.front()).parent_path();
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return fail("{}: cannot make the folder: {}", folder.string(), failed.message());
  bool told = false;
  const auto lock = TRY(FileLock::take(order.paths.front() + ".lock", [&] {
    if (!told) options.on_note(order.name + ": another process is fetching it; waiting");
    told = true;
  }));
  Pulled pulled{.model = TRY(begin(order))};
  StoredModel& model = pulled.model;
  for (size_t i = 0; i < order.files.size(); ++i) {
    StoredFile& stored = model.files[i];
    if (TRY(is_here(*http, stored, order.files[i], options.attempts))) continue;
    std::filesystem::create_directories(std::filesystem::path(stored.path).parent_path(), failed);
    const std::string what = order.files.size() == 1 ? order.name
                                                     : fmt::format("{} ({} of {})", order.name,
                                                                   i + 1, order.files.size());
    options.on_note(fmt::format("{}: fetching from {}", what, origin_of(order.files[i].url)));
    const Downloaded done =
        TRY(download(*http, order.files[i], stored.path, download_options(options, what)));
    stored = {stored.path, done.bytes, done.sha256, done.validator};
    pulled.was_known = pulled.was_known && done.was_known;
    pulled.fetched = true;
    TRY(Store::record(model));  // what is whole needs not be fetched again
  }
  const auto before = TRY(Store::recorded(model.path()));
  if (!pulled.fetched && before && before->complete) {
    pulled.model = *before;
    return pulled;
  }
  TRY(check_model(store, model));
  model.complete = true;
  model.changed = unix_seconds();
  TRY(Store::record(model));
  TRY(remove_forerunners(store, model));
  return pulled;
}

}  // namespace issun::fetch
