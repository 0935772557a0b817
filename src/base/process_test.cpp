#include "base/process.h"

#include <doctest/doctest.h>

#include "base/clock.h"

using namespace issun;

namespace {

ChildEnd shell(const std::string& script, double timeout = 0) {
  const auto end = run_child({.arguments = {"/bin/sh", "-c", script}, .timeout_seconds = timeout});
  REQUIRE(end.has_value());
  return *end;
}

}  // namespace

TEST_CASE("a child's two outputs and its status come back") {
  const ChildEnd end = shell("echo out; echo err >&2; exit 3");
  CHECK(end.out == "out\n");
  CHECK(end.err == "err\n");
  CHECK(end.exit_code == 3);
  CHECK_FALSE(end.succeeded());
  CHECK(end.describe() == "ended with status 3");
}

TEST_CASE("a child has nothing to read, and more output than a pipe holds") {
  CHECK(shell("cat").out.empty());
  CHECK(shell("head -c 3000000 /dev/zero").out.size() == 3000000);
}

TEST_CASE("a child's processor time and memory are its own") {
  const ChildEnd end = shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
  CHECK(end.succeeded());
  CHECK(end.use.cpu_seconds() > 0);
  CHECK(end.use.cpu_seconds() < end.wall_seconds + 0.1);
  CHECK(end.use.peak_resident_bytes > 100000);
  CHECK(end.use.minor_faults > 0);
}

TEST_CASE("a child that takes too long is stopped, and what it started with it") {
  const double began = seconds_now();
  const ChildEnd end = shell("sleep 60 & sleep 60", 0.2);
  CHECK(end.timed_out);
  CHECK_FALSE(end.succeeded());
  CHECK(seconds_now() - began < 20);
}

TEST_CASE("a signal is told, and a program that is not there is an error with its name") {
  CHECK(shell("kill -9 $$").signal == 9);
  CHECK(shell("kill -9 $$").describe().starts_with("ended by signal 9"));
  const auto none = run_child({.arguments = {"/no/such/program"}});
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message.find("/no/such/program") != std::string::npos);
  CHECK_FALSE(run_child({}).has_value());
}

TEST_CASE("output can be followed while it comes") {
  std::string seen;
  const auto end = run_child({.arguments = {"/bin/sh", "-c", "echo a; echo b"},
                              .on_output = [&](std::string_view more) { seen += more; }});
  REQUIRE(end.has_value());
  CHECK(seen == "a\nb\n");
}

TEST_CASE("faults and switches of this process only grow") {
  const ResourceUse before = own_resource_use();
  volatile double x = 1;
  const double until = seconds_now() + 0.03;
  while (seconds_now() < until) x = x * 1.0000001;
  const ResourceUse cost = own_resource_use() - before;
  CHECK(cost.cpu_seconds() > 0);
  CHECK(cost.minor_faults >= 0);
  CHECK(cost.voluntary_switches >= 0);
}

TEST_CASE("the program knows where it lies") {
  const auto path = own_program();
  REQUIRE(path.has_value());
  CHECK(path->find("test_base") != std::string::npos);
}
