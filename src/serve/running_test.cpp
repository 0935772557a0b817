#include "serve/running.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "base/folder.h"
#include "base/other_process.h"
#include "base/temporary.h"

using namespace issun;
using namespace issun::serve;

TEST_CASE("A server is listed while it lives, and what a dead one left is removed") {
  const auto above = *TemporaryFile::create("running");
  const std::string folder = above.path() + "/run";
  CHECK(running_servers(folder)->empty());
  const RunningServer own{.process_id = own_process_id(),
                          .beginning = process_beginning(own_process_id()),
                          .host = "0.0.0.0",
                          .port = 8080,
                          .model = "a \"model\"",
                          .started = 12};
  RunningServer earlier = own;  // a number that came back
  earlier.beginning = "1";
  {
    auto record = *RunningRecord::write(folder, own);
    const auto found = *running_servers(folder);
    REQUIRE(found.size() == 1);
    CHECK(found[0].model == own.model);
    CHECK(found[0].started == 12);
    CHECK(found[0].address() == "http://127.0.0.1:8080");
  }
  CHECK(running_servers(folder)->empty());
  auto dead = *RunningRecord::write(folder, earlier);
  REQUIRE(write_atomically(folder + "/7.server", "{}").has_value());
  REQUIRE(write_atomically(folder + "/8.server", "{\"pid\": \"x\"").has_value());
  REQUIRE(write_atomically(folder + "/notes", "kept").has_value());
  CHECK(running_servers(folder)->empty());
  CHECK(*list_folder(folder) == std::vector<std::string>{"notes"});
  std::filesystem::remove_all(above.path());
}

TEST_CASE("An address is one that this machine reaches") {
  RunningServer server;
  server.port = 80;
  for (const auto& [host, address] :
       std::map<std::string, std::string>{{"::1", "http://[::1]:80"},
                                          {"::", "http://[::1]:80"},
                                          {"0.0.0.0", "http://127.0.0.1:80"},
                                          {"192.168.1.2", "http://192.168.1.2:80"}}) {
    server.host = host;
    CHECK(server.address() == address);
  }
}
