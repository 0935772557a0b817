// `ps` and `stop`: the servers that run on this machine for this user, and their end.
#include <algorithm>

#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/other_process.h"
#include "base/quote.h"
#include "base/streams.h"
#include "fetch/http.h"
#include "serve/running.h"

namespace issun::apps {

namespace {

using serve::RunningServer;

// How a server stands, as /slots tells it. nullopt: it does not tell, and why.
struct Standing {
  Json slots;
  std::string why;
};

Standing ask_standing(const RunningServer& server, const std::string& key) {
  constexpr size_t kLongest = 1 << 16;
  auto http = fetch::Http::create({.connect_seconds = 2, .stall_seconds = 2, .direct = true});
  if (!http) return {{}, http.error().message};
  std::string body;
  fetch::Request request{.url = server.address() + "/slots", .token = key};
  request.on_body = [&](std::span<const std::byte> piece) -> Result<bool> {
    body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return body.size() < kLongest;
  };
  if (auto started = (*http)->start(std::move(request)); !started)
    return {{}, started.error().message};
  while ((*http)->running() > 0) {
    for (const fetch::Ended& ended : (*http)->wait()) {
      if (ended.head.status == 401) return {{}, "asks for a key: --api-key"};
      if (ended.head.status == 501) return {{}, "makes vectors"};
      if (!ended.whole || ended.head.status != 200)
        return {
            {},
            ended.failure.empty() ? fmt::format("status {}", ended.head.status) : ended.failure};
    }
  }
  Json slots = Json::parse(body, nullptr, false);
  if (!slots.is_object()) return {{}, "answers otherwise than a server of issun"};
  return {std::move(slots), ""};
}

std::string age(int64_t started) {
  const int64_t seconds = std::max<int64_t>(0, unix_seconds() - started);
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return seconds < 172'800 ? fmt::format("{} h", seconds / 3600)
                           : fmt::format("{} days", seconds / 86'400);
}

Result<int> list_servers(bool json, const std::string& key) {
  const auto servers = TRY(serve::running_servers(TRY(serve::folder_of_running())));
  if (servers.empty() && !json) {
    say("no servers of this user; `issun serve` starts one");
    return kDone;
  }
  Json list = Json::array();
  std::string table = fmt::format("{:>8}  {:>5}  {:>8}  {:>7}  {:>7}  {}\n", "pid", "port", "up",
                                  "running", "waiting", "model");
  for (const RunningServer& server : servers) {
    const Standing standing = ask_standing(server, key);
    const bool told = standing.why.empty();
    list.push_back({{"pid", server.process_id},
                    {"address", server.address()},
                    {"port", server.port},
                    {"model", server.model},
                    {"started", server.started},
                    {"slots", told ? standing.slots : Json()},
                    {"note", standing.why}});
    const auto figure = [&](const char* name) {
      return told ? fmt::format("{}", standing.slots.value(name, 0)) : "-";
    };
    table += fmt::format("{:>8}  {:>5}  {:>8}  {:>7}  {:>7}  {}{}\n", server.process_id,
                         server.port, age(server.started), figure("running"), figure("waiting"),
                         visible(server.model), told ? "" : "  (" + standing.why + ")");
  }
  write_out(json ? dump(list, 2) + "\n" : table);
  return kDone;
}

struct StopFlags {
  std::vector<int> numbers;
  bool all = false;
  double timeout = 60;
};

Result<std::vector<RunningServer>> servers_to_stop(const StopFlags& flags) {
  const auto servers = TRY(serve::running_servers(TRY(serve::folder_of_running())));
  if (flags.all) return servers;
  if (flags.numbers.empty()) {
    if (servers.size() == 1) return servers;
    if (servers.empty()) return fail("no servers of this user");
    return fail("{} servers run: expected a port, a process or --all", servers.size());
  }
  std::vector<RunningServer> meant;
  for (const int number : flags.numbers) {
    size_t found = 0, ports = 0;
    for (const RunningServer& server : servers) {
      if (server.port != number && server.process_id != number) continue;
      ++found;
      ports += server.port == number ? 1 : 0;
      const auto is_it = [&](const RunningServer& other) {
        return other.process_id == server.process_id;
      };
      if (std::none_of(meant.begin(), meant.end(), is_it)) meant.push_back(server);
    }
    if (found == 0)
      return fail("{}: expected the port or the process of a server that `issun ps` lists", number);
    if (ports > 1)
      return fail("{}: several servers have that port: name a process, or --all", number);
    if (found > 1) return fail("{}: is the port of one server and the process of another", number);
  }
  return meant;
}

Result<int> stop(const StopFlags& flags) {
  const auto servers = TRY(servers_to_stop(flags));
  for (const RunningServer& server : servers) {
    if (server.alive()) TRY(ask_to_end(server.process_id));
  }
  const double end = seconds_now() + flags.timeout;
  int left = 0;
  for (const RunningServer& server : servers) {
    while (server.alive() && seconds_now() < end) wait_seconds(0.05);
    const std::string which = fmt::format("{} at port {} (process {})", visible(server.model),
                                          server.port, server.process_id);
    if (server.alive()) {
      ++left;
      say(fmt::format("{}: still finishing its answers after {} s", which, flags.timeout));
    } else {
      say("stopped " + which);
    }
  }
  if (servers.empty()) say("no servers of this user");
  return left > 0 ? kFailed : kDone;
}

}  // namespace

void add_ps(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("ps", "the servers that run on this machine for this user");
  auto json = std::make_shared<bool>(false);
  auto key = std::make_shared<std::string>();
  command->add_flag("--json", *json, "as JSON");
  command->add_option("--api-key", *key, "for the figures of servers that ask for one")
      ->check(expect_text);
  command->callback(
      [json, key, &action] { action = [json, key] { return list_servers(*json, *key); }; });
}

void add_stop(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("stop", "end servers of this user, once their answers are finished");
  auto flags = std::make_shared<StopFlags>();
  command
      ->add_option("number", flags->numbers,
                   "their ports or processes; none: the only one that runs")
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--all", flags->all, "all of them")->excludes("number");
  command->add_option("--timeout", flags->timeout, "seconds to wait for their end")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return stop(*flags); }; });
}

}  // namespace issun::apps
