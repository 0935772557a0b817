// Asking servers of the web: requests of which several run at once, in one thread. Not here: what
// is asked for, and what to do when it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun::fetch {

// A stretch of a file: bytes begin .. end - 1.
struct Stretch {
  int64_t begin = 0, end = 0;
  int64_t bytes() const { return end - begin; }
  bool operator==(const Stretch&) const = default;
};

// What a server said before the body.
struct Head {
  int status = 0;
  std::map<std::string, std::string> fields;  // of the last answer, names in lower case
  // Of the answers before it, which were redirections, the first to name each.
  std::map<std::string, std::string> earlier_fields;
  const std::string& operator[](const std::string& name) const;  // empty: not said
  // What tells one version of a file from another: its ETag, or when it was last changed.
  std::string validator() const;
};

struct Request {
  std::string url;
  std::string token;                    // empty: none; shown to the origin of `url` alone
  std::optional<Stretch> stretch = {};  // asked for by Range
  // Called once before the body, and then with its pieces. False: the rest is not wanted, and the
  // request ends well.
  std::function<Result<bool>(const Head&)> on_head = {};
  std::function<Result<bool>(std::span<const std::byte>)> on_body = {};
};

struct Ended {
  size_t id = 0;         // as start() gave it
  Head head;             // status 0: no answer came
  bool whole = false;    // the body came to its end, or on_body wanted no more
  std::string failure;   // why not, for a person
  bool refused = false;  // one of the callbacks failed, or the server did what it must not: to ask
                         // again is of no use
};

struct HttpOptions {
  double connect_seconds = 20;
  double stall_seconds = 30;      // without a byte: the connection is given up
  std::string certificates = {};  // a file of whom to trust; empty: as the system has it
  bool direct = false;            // past any proxy that the environment names
};

// Requests under way. One thread owns it. A redirection is followed (ten at most), from https to
// https alone, never out of the web; what is compressed is refused.
class Http {
 public:
  // Error: libcurl is missing.
  static Result<std::unique_ptr<Http>> create(HttpOptions options);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  Result<size_t> start(Request request);
  // Goes on with all that run, for a tenth of a second at most; those that ended.
  std::vector<Ended> wait();
  // Ends what runs without a further word.
  void drop_all();
  size_t running() const;

 private:
  struct Inside;
  explicit Http(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

// One request to its end. Error: Ctrl-C.
Result<Ended> ask(Http& http, Request request);

}  // namespace issun::fetch
