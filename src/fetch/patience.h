// How often a server is asked again, and after what pause.
#pragma once

#include <optional>
#include <string>

#include "fetch/http.h"

namespace issun::fetch {

// Failures that may pass: a connection that broke, a server that is busy (429) or ill (5xx).
bool may_pass(const Ended& ended);

// What went wrong, for a person: "https://host/path: the server answers 404: ...".
std::string describe(const std::string& url, const Ended& ended, bool with_token);

class Patience {
 public:
  explicit Patience(int attempts, double first_pause_seconds = 0.5)
      : attempts_(attempts), first_pause_(first_pause_seconds) {}
  // The pause before asking again: what the server asks for (Retry-After, 5 minutes at most), or
  // each twice as long as the one before. None: it will not pass, or has not for too long.
  std::optional<double> pause_after(const Ended& failed);
  // Something came; what failed before is forgiven.
  void progressed() { failures_ = 0; }

 private:
  int attempts_, failures_ = 0;
  double first_pause_;
};

// ask(), again while patience lasts. Error: describe(); Ctrl-C. An answer other than 200 and 206 is
// an error too.
Result<Ended> ask_patiently(Http& http, const Request& request, int attempts);

}  // namespace issun::fetch
