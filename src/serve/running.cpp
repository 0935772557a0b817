#include "serve/running.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/folder.h"
#include "base/other_process.h"
#include "serve/json.h"

namespace issun::serve {

namespace {

constexpr std::string_view kEnding = ".server";

std::optional<std::string> variable_of(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value != '/' ? std::nullopt : std::optional<std::string>(value);
}

Result<void> make_private_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (!failed) fs::permissions(folder, fs::perms::owner_all, failed);
  if (failed) return fail("{}: {}", folder, failed.message());
  return {};
}

std::optional<RunningServer> server_of(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    return RunningServer{.process_id = json.at("pid").get<int>(),
                         .beginning = json.at("beginning").get<std::string>(),
                         .host = json.at("host").get<std::string>(),
                         .port = json.at("port").get<int>(),
                         .model = json.at("model").get<std::string>(),
                         .started = json.at("started").get<int64_t>()};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string RunningServer::address() const {
  std::string name = host;
  if (host == "0.0.0.0") name = "127.0.0.1";
  if (host == "::") name = "::1";
  const bool six = name.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}", six ? "[" : "", name, six ? "]" : "", port);
}

bool RunningServer::alive() const {
  return process_id > 0 && !beginning.empty() && process_beginning(process_id) == beginning;
}

Result<std::string> folder_of_running() {
  if (const auto folder = variable_of("XDG_RUNTIME_DIR")) return *folder + "/issun";
  if (const auto folder = variable_of("XDG_CACHE_HOME")) return *folder + "/issun/run";
  if (const auto folder = variable_of("HOME")) return *folder + "/.cache/issun/run";
  return fail("expected XDG_RUNTIME_DIR, XDG_CACHE_HOME or HOME to be set");
}

Result<std::unique_ptr<RunningRecord>> RunningRecord::write(const std::string& folder,
                                                            const RunningServer& server) {
  TRY(make_private_folder(folder));
  const Json json{{"pid", server.process_id}, {"beginning", server.beginning},
                  {"host", server.host},      {"port", server.port},
                  {"model", server.model},    {"started", server.started}};
  std::string path = fmt::format("{}/{}{}", folder, server.process_id, kEnding);
  TRY(write_atomically(path, dump(json) + "\n"));
  return std::unique_ptr<RunningRecord>(new RunningRecord(std::move(path)));
}

RunningRecord::~RunningRecord() { (void)remove_file(path_); }

Result<std::vector<RunningServer>> running_servers(const std::string& folder) {
  std::vector<RunningServer> servers;
  if (!is_directory(folder)) return servers;
  for (const std::string& name : TRY(list_folder(folder))) {
    if (!name.ends_with(kEnding)) continue;
    const std::string path = folder + "/" + name;
    constexpr int64_t kLongest = 1 << 16;
    const auto text = read_text(path, kLongest);
    if (!text) continue;  // it ended just now
    auto server = server_of(*text);
    if (server && server->alive()) {
      servers.push_back(std::move(*server));
    } else {
      TRY(remove_file(path));
    }
  }
  std::sort(servers.begin(), servers.end(), [](const RunningServer& a, const RunningServer& b) {
    return std::pair(a.started, a.process_id) < std::pair(b.started, b.process_id);
  });
  return servers;
}

}  // namespace issun::serve
