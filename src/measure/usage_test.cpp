#include "measure/usage.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace issun::measure;

namespace {

// A process file system with one process of two threads.
struct FakeProc {
  FakeProc()
      : path(std::filesystem::temp_directory_path() / (std::to_string(::getpid()) + "proc")) {
    for (const char* task : {"self/task/1", "self/task/2"}) {
      std::filesystem::create_directories(path / task);
      std::ofstream(path / task / "status") << "Name:\tissun\nvoluntary_ctxt_switches:\t10\n"
                                            << "nonvoluntary_ctxt_switches:\t3\n";
    }
    std::ofstream(path / "self/stat") << "1 (a (b) c) S 0 1 1 0 -1 4194304 111 0 42 0 5 6 0 0\n";
  }
  ~FakeProc() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("context switches of all threads are added up, and faults found behind an odd name") {
  const FakeProc fake;
  const Usage usage = usage_now(fake.path.string());
  CHECK(usage.voluntary_switches == 20);
  CHECK(usage.involuntary_switches == 6);
  CHECK(usage.major_faults == 42);
}

TEST_CASE("what the system does not tell is absent, not zero") {
  const Usage usage = usage_now("/no/such/folder");
  CHECK_FALSE(usage.voluntary_switches.has_value());
  CHECK_FALSE(usage.major_faults.has_value());
  CHECK_FALSE((usage_now() - usage).voluntary_switches.has_value());
}

TEST_CASE("work costs processor time") {
  const Usage before = usage_now();
  volatile double x = 1;
  while (usage_now().wall_seconds - before.wall_seconds < 0.02) x = x * 1.0000001;
  const Usage cost = usage_now() - before;
  CHECK(cost.cpu_seconds > 0);
  CHECK(cost.wall_seconds >= 0.02);
}
