// Result<T>: a value, or the one sentence that says what went wrong and what was expected.
// Everything that a file, a user, a socket or the disk can cause travels this way; only bugs CHECK.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace issun {

struct Error {
  std::string message;  // names the thing and the expectation, without a final full stop
};

template <class T>
using Result = tl::expected<T, Error>;

// fail("{}: expected {} columns, found {}", name, want, have): converts to any Result<T>.
template <class... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace issun

// The value of a Result, or return its error from the function around. Works for Result<void> too.
#define TRY(expression) ISSUN_TRY(expression, ISSUN_JOIN(try_result_, __COUNTER__))
#define ISSUN_JOIN(a, b) ISSUN_JOIN_EXPANDED(a, b)
#define ISSUN_JOIN_EXPANDED(a, b) a##b
#define ISSUN_TRY(expression, result)                                              \
  __extension__({                                                                  \
    auto result = (expression);                                                    \
    if (!result) return tl::unexpected<::issun::Error>(std::move(result.error())); \
    ::issun::detail::take(std::move(result));                                      \
  })

namespace issun::detail {
template <class T>
T take(Result<T>&& result) {
  return std::move(*result);
}
inline void take(Result<void>&&) {}
}  // namespace issun::detail
