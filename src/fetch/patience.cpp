#include "fetch/patience.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "base/terminal.h"
#include "fetch/address.h"

namespace issun::fetch {

namespace {

constexpr double kLongestPause = 30, kLongestAskedFor = 300;

// Seconds; a date instead is taken for none.
std::optional<double> retry_after(const Head& head) {
  const std::string& text = head["retry-after"];
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return std::nullopt;
  }
  return std::min<double>(seconds, kLongestAskedFor);
}

bool is_good(int status) { return status == 200 || status == 206; }

const char* meaning(int status, bool with_token) {
  switch (status) {
    case 401:
    case 403:
      return with_token ? ": not with this token: is it right, and were the model's terms accepted?"
                        : ": not there, or not for everybody: a token is given by --token-file or "
                          "HF_TOKEN";
    case 404:
    case 410:
      return ": not there";
    case 429:
      return ": too many requests";
    default:
      return "";
  }
}

}  // namespace

bool may_pass(const Ended& ended) {
  if (ended.refused) return false;
  const int status = ended.head.status;
  if (status == 0 || is_good(status)) return true;
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

std::string describe(const std::string& url, const Ended& ended, bool with_token) {
  const int status = ended.head.status;
  if (!ended.failure.empty()) return fmt::format("{}: {}", shown_url(url), ended.failure);
  return fmt::format("{}: the server answers {}{}", shown_url(url), status,
                     meaning(status, with_token));
}

std::optional<double> Patience::pause_after(const Ended& failed) {
  if (!may_pass(failed) || ++failures_ >= attempts_) return std::nullopt;
  const double doubled =
      first_pause_ * static_cast<double>(int64_t{1} << std::min(failures_ - 1, 20));
  return retry_after(failed.head).value_or(std::min(doubled, kLongestPause));
}

Result<Ended> ask_patiently(Http& http, const Request& request, int attempts) {
  Patience patience(attempts);
  for (;;) {
    Ended ended = TRY(ask(http, request));
    if (ended.whole && is_good(ended.head.status)) return ended;
    const auto pause = patience.pause_after(ended);
    if (!pause) return fail("{}", describe(request.url, ended, !request.token.empty()));
    wait_seconds(*pause);
    if (Interrupts::pending()) return fail("{}: interrupted", shown_url(request.url));
  }
}

}  // namespace issun::fetch
