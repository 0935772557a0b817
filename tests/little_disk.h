// A disk that is full, for a test: files larger than so many bytes cannot be written while this
// lives.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

class LittleDisk {
 public:
  explicit LittleDisk(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual_) == 0);
    rlimit little = usual_;
    little.rlim_cur = bytes;
    previous_ = ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
  }
  ~LittleDisk() {
    ::setrlimit(RLIMIT_FSIZE, &usual_);
    ::signal(SIGXFSZ, previous_);
  }
  LittleDisk(const LittleDisk&) = delete;
  LittleDisk& operator=(const LittleDisk&) = delete;

 private:
  rlimit usual_{};
  void (*previous_)(int) = nullptr;
};
