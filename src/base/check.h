// CHECK: for programmer errors only. Whatever a file or a user can cause returns a Result instead.
#pragma once

namespace issun::detail {
// Prints what was violated and where, and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace issun::detail

#define CHECK_THAT(condition) \
  ((condition) ? void() : ::issun::detail::check_failed(#condition, __FILE__, __LINE__))
