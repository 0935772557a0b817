#include "base/available_memory.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "scratch_folder.h"

using namespace issun;

namespace {

// A tree of control groups as the system shows it, and what it says of the whole machine.
class System {
 public:
  explicit System(const std::string& own) {
    put("own", own);
    put("meminfo", "MemTotal: 2000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n");
  }
  void put(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_.path(name);
    std::filesystem::create_directories(path.parent_path());
    REQUIRE(write_atomically(path.string(), content));
  }
  int64_t available() const {
    return available_memory_bytes(folder_.path("own"), folder_.path(""), folder_.path("meminfo"));
  }

 private:
  ScratchFolder folder_;
};

}  // namespace

TEST_CASE("What is available is what the system says, where no group has a limit") {
  System system("0::/a\n3:memory:/b\n");
  CHECK(system.available() == 1000 * 1024);
  system.put("a/memory.max", "max\n");
  system.put("memory/b/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(system.available() == 1000 * 1024);
}

TEST_CASE("A group of version 2 has left what its limit has above its use, files counted as free") {
  System system("0::/a/b\n");
  system.put("a/memory.max", "500000\n");
  system.put("a/memory.current", "300000\n");
  system.put("a/memory.stat", "anon 100000\ninactive_file 150000\nactive_file 20000\n");
  CHECK(system.available() == 370000);
  system.put("a/b/memory.max", "100\n");
  system.put("a/b/memory.current", "200\n");
  CHECK(system.available() == 0);
}

TEST_CASE("A group of version 1 counts likewise, under its own names") {
  System system("4:memory,hugetlb:/a\n");
  system.put("memory/a/memory.limit_in_bytes", "800000\n");
  system.put("memory/a/memory.usage_in_bytes", "700000\n");
  system.put("memory/a/memory.stat", "total_inactive_file 5\ntotal_active_file 300000\n");
  CHECK(system.available() == 400005);
}
