// Workers for a test, as many as it asks for; in WebAssembly, which has no threads, always one.
#pragma once

#include <doctest/doctest.h>

#include <memory>

#include "base/threads.h"

inline std::unique_ptr<issun::Workers> make_workers(int count) {
#ifdef __wasm__
  count = 1;
#endif
  auto workers = issun::Workers::create(count);
  REQUIRE(workers.has_value());
  return std::move(*workers);
}
