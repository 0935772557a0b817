// What a half-fetched file has already, on the disk beside it, so that any end of the program
// leaves what came.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "fetch/http.h"

namespace issun::fetch {

// Disjoint stretches in order.
class Stretches {
 public:
  void add(Stretch stretch);  // may overlap what is there
  int64_t bytes() const;
  // What is not there of [0, bytes), cut into pieces of at most `piece` bytes.
  std::vector<Stretch> missing(int64_t bytes, int64_t piece) const;
  const std::vector<Stretch>& all() const { return all_; }

 private:
  std::vector<Stretch> all_;
};

// Which file is being fetched.
struct FileFacts {
  int64_t bytes = 0;
  std::string validator;  // its ETag, or when it was last changed; empty: the server says neither
  std::string sha256;     // empty: not known
  // Whether what was fetched of `other` may be gone on with.
  bool goes_on_from(const FileFacts& other) const;
};

struct JournalText {
  FileFacts facts;
  Stretches done;
};

// Nothing where the text is no journal; a last line that is cut short is left out.
std::optional<JournalText> parse_journal(std::string_view text);

class Journal {
 public:
  // The journal that is there, or a new one when it is of another file (or none).
  static Result<Journal> open(const std::string& path, const FileFacts& facts);
  // Call it when the bytes themselves are on the disk.
  Result<void> add(Stretch stretch);
  const Stretches& done() const { return done_; }
  bool resumed() const { return resumed_; }    // something was there
  bool replaced() const { return replaced_; }  // something was there, of another file

 private:
  File file_;
  Stretches done_;
  bool resumed_ = false, replaced_ = false;
};

}  // namespace issun::fetch
