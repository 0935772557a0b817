#include "base/cpu_quota.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/file.h"
#include "base/threads.h"
#include "scratch_folder.h"

using namespace issun;

namespace {

// A tree of control groups as the system shows it.
class Groups {
 public:
  explicit Groups(const std::string& own) { put("own", own); }
  void put(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_.path(name);
    std::filesystem::create_directories(path.parent_path());
    REQUIRE(write_atomically(path.string(), content));
  }
  int quota() const { return cpu_quota(folder_.path("own"), folder_.path("")); }

 private:
  ScratchFolder folder_;
};

}  // namespace

TEST_CASE("The CPU quota of version 2 is rounded up, and the least of all groups above counts") {
  Groups groups("0::/a/b\n");
  CHECK(groups.quota() == 0);
  groups.put("a/b/cpu.max", "max 100000\n");
  CHECK(groups.quota() == 0);
  groups.put("a/cpu.max", "250000 100000\n");
  CHECK(groups.quota() == 3);
  groups.put("a/b/cpu.max", "400000 100000\n");
  CHECK(groups.quota() == 3);
  groups.put("a/b/cpu.max", "10000 100000\n");
  CHECK(groups.quota() == 1);
}

TEST_CASE("A container sees its own quota at the root of the mount") {
  Groups groups("0::/\n");
  groups.put("cpu.max", "200000 100000\n");
  CHECK(groups.quota() == 2);
  Groups foreign("3:cpuset:/\n2:cpu,cpuacct:/docker/0123\n");
  foreign.put("cpu/cpu.cfs_quota_us", "150000\n");
  foreign.put("cpu/cpu.cfs_period_us", "100000\n");
  CHECK(foreign.quota() == 2);
}

TEST_CASE("The CPU quota of version 1 is that of the cpu controller; -1 is none") {
  Groups groups("4:memory:/x\n2:cpu,cpuacct:/x\n0::/\n");
  groups.put("cpu/x/cpu.cfs_period_us", "50000\n");
  groups.put("cpu/x/cpu.cfs_quota_us", "-1\n");
  CHECK(groups.quota() == 0);
  groups.put("cpu/x/cpu.cfs_quota_us", "200000\n");
  CHECK(groups.quota() == 4);
}

TEST_CASE("Groups that make no sense are no limit") {
  CHECK(Groups("").quota() == 0);
  CHECK(Groups("0\n:\n::").quota() == 0);
  CHECK(Groups("0::").quota() == 0);
  CHECK(cpu_quota("/no/such/file", "/no/such/folder") == 0);
}

TEST_CASE("The default number of threads is at least one and within the quota") {
  CHECK(default_thread_count() >= 1);
  if (const int quota = cpu_quota(); quota > 0) CHECK(default_thread_count() <= quota);
}
