#include "apps/console.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/quote.h"
#include "base/terminal.h"

namespace issun::apps {

namespace {

bool progress_shown = false;

// Not fmt::print, which throws when stderr cannot be written: that is no reason to end.
void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace

void say(const std::string& message) { tell("issun: " + visible_lines(message) + "\n"); }

void tell(std::string_view text) {
  hide_progress();
  put(text);
}

std::string dim(const std::string& text) {
  return stderr_is_terminal() ? "\033[2m" + text + "\033[0m" : text;
}

void show_progress(const std::string& line) {
  if (!stderr_is_terminal()) return;
  put(fmt::format("\r{:.78}\033[K", visible(line)));  // a line that wraps could not be taken back
  progress_shown = true;
}

void hide_progress() {
  if (progress_shown) put("\r\033[K");
  progress_shown = false;
}

std::function<void(int64_t, int64_t)> percent_written(const std::string& path) {
  return [path, shown = -1](int64_t done, int64_t total) mutable {
    const int percent = static_cast<int>(100 * done / total);
    if (percent == shown) return;
    shown = percent;
    show_progress(fmt::format("{} %: {}", percent, path));
  };
}

}  // namespace issun::apps
