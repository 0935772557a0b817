#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <numeric>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/result.h"
#include "base/threads.h"

using namespace issun;

namespace {

std::string temporary(const std::string& name) {
  return (std::filesystem::temp_directory_path() / fmt::format("issun-{}-{}", ::getpid(), name))
      .string();
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail("{}: expected an even number", n);
  return n / 2;
}
Result<int> quarter(int n) { return TRY(half(TRY(half(n)))); }

}  // namespace

TEST_CASE("TRY hands on the value, or the error with its message") {
  CHECK(*quarter(12) == 3);
  CHECK(quarter(6).error().message == "3: expected an even number");
}

TEST_CASE("An arena gives its parts separate, aligned, zeroed room") {
  Arena arena;
  const auto a = arena.reserve<float>(3);
  const auto b = arena.reserve<double>(5);
  REQUIRE(arena.allocate());
  CHECK(arena.at<float>(a).size() == 3);
  CHECK(arena.at<double>(b).size() == 5);
  CHECK(reinterpret_cast<uintptr_t>(arena.at<double>(b).data()) % kCacheLine == 0);
  CHECK(std::accumulate(arena.at<double>(b).begin(), arena.at<double>(b).end(), 0.0) == 0.0);
}

TEST_CASE("Memory that cannot be had is an error, not an abort") {
  CHECK_FALSE(AlignedBuffer::create(int64_t{1} << 60));
  CHECK_FALSE(AlignedBuffer::create(-1));
}

TEST_CASE("Every index is handed out exactly once, for any number of workers and any chunk") {
  for (const int count : {1, 2, 3, 5}) {
    const auto pool = *Workers::create(count);
    Workers& workers = *pool;
    CHECK(workers.count() == count);
    for (const int64_t chunk : {1, 3, 64}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> seen(97);
        workers.for_each(97, chunk, [&](int64_t begin, int64_t end, int worker) {
          REQUIRE(worker < count);
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& times : seen) REQUIRE(times.load() == 1);
      }
    }
  }
}

TEST_CASE("However long workers spin, every region is finished") {
  for (const int spin : {0, 1, 100000}) {
    const auto workers = *Workers::create(3, spin);
    std::atomic<int64_t> sum{0};
    for (int region = 0; region < 300; ++region) {
      if (region % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      workers->for_each(12, 1, [&](int64_t begin, int64_t, int) { sum += begin; });
    }
    CHECK(sum == 300 * 66);
  }
}

TEST_CASE("Workers that are told to spin do") {
  const auto workers = *Workers::create(2, 10000000);
  std::atomic<int> chunks{0};
  workers->for_each(2, 1, [&](int64_t, int64_t, int) { ++chunks; });
  const double before = cpu_seconds(), start = seconds_now();
  while (cpu_seconds() - before < 0.02 && seconds_now() - start < 8)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(cpu_seconds() - before >= 0.02);
}

TEST_CASE("More workers than cores finish many short regions soon") {
  // A region does not wait for workers that never got a core.
  const auto workers = *Workers::create(16);
  std::atomic<int64_t> sum{0};
  const double start = seconds_now();
  for (int region = 0; region < 2000; ++region) {
    workers->for_each(32, 1, [&](int64_t begin, int64_t, int) { sum += begin; });
  }
  CHECK(sum == 2000 * 31 * 16);
  CHECK(seconds_now() - start < 20);
}

TEST_CASE("Workers that end right behind a region are not forgotten") {
  // Some of them only then see that there was one, and must see that it was the last.
  for (int i = 0; i < 20000; ++i) {
    const auto pool = Workers::create(2 + i % 3, i % 2 == 0 ? 0 : 20);
    REQUIRE(pool.has_value());
    std::atomic<int> sum{0};
    (*pool)->for_each(4, 1, [&](int64_t begin, int64_t, int) { sum += static_cast<int>(begin); });
    REQUIRE(sum == 6);
  }
}

TEST_CASE("Idle workers use no CPU time") {
  for (const int spin : {0, kSpinMicroseconds}) {
    const auto pool = *Workers::create(4, spin);
    Workers& workers = *pool;
    std::atomic<int> sum{0};
    workers.for_each(8, 1, [&](int64_t begin, int64_t, int) { sum += static_cast<int>(begin); });
    CHECK(sum == 28);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(cpu_seconds() - before < 0.01);
  }
}

TEST_CASE("Threads that the system refuses are an error, not an abort") {
  const pid_t child = ::fork();
  if (child == 0) {
    // The limit binds nobody who may change it.
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_NPROC, &none) != 0) ::_exit(2);
    const auto workers = Workers::create(3);
    if (workers) ::_exit(1);
    ::_exit(workers.error().message.starts_with("threads: cannot start number 2 of 3: ") ? 0 : 3);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 2) {
    MESSAGE("skipped: this process cannot give up its rights");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("A file appears whole, and reads back; a missing or short one says so") {
  const std::string path = temporary("file");
  REQUIRE(write_atomically(path, "twelve bytes"));
  CHECK(*read_text(path) == "twelve bytes");
  CHECK(read_text(path, 4).error().message.find("at most 4 bytes") != std::string::npos);
  const File file = *File::open_for_reading(path);
  std::byte room[20];
  CHECK(file.read_at(0, std::span(room).first(12)));
  CHECK(file.read_at(4, room).error().message.find("expected 20 bytes at offset 4, found 8") !=
        std::string::npos);
  std::filesystem::remove(path);
  CHECK_FALSE(File::open_for_reading(path));
  CHECK(File::open_for_reading("/").error().message.find("directory") != std::string::npos);
  CHECK_FALSE(write_atomically("/no/such/folder/file", "x"));
}

TEST_CASE("A mapped file that is cut short is an error afterwards, not a death") {
  const std::string path = temporary("shrinking");
  REQUIRE(write_atomically(path, std::string(3 * 65536, 'x')));
  auto mapped = MappedFile::open(path);
  REQUIRE(mapped);
  CHECK(mapped->still_whole());
  std::filesystem::resize_file(path, 100);
  CHECK(mapped->bytes()[2 * 65536] == std::byte{0});
  CHECK(mapped->still_whole().error().message.find("became shorter") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("The processor has a name and at least one core") {
  CHECK(!cpu_facts().name.empty());
  CHECK(cpu_facts().physical_cores >= 1);
  CHECK(cpu_facts().physical_cores <= cpu_facts().logical_cores);
  CHECK(peak_memory_bytes() > 0);
}
