// Files of importance matrices ("imatrix"), read and written in both forms: GGUF, and the older one
// (.dat). They keep sums of squares and how many rows were summed, so that a text can be added to
// another. Not here: what the encoders make of them (importance.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace issun::quantize {

enum class ImportanceForm { Gguf, Older };

struct ImportanceSums {
  // Of one tensor, whose parts are its experts.
  struct Entry {
    std::vector<double> squares;  // (parts, columns): sums over the rows that a part met
    std::vector<double> counts;   // (parts): those rows; older form: one number for all parts
    int64_t parts() const { return static_cast<int64_t>(counts.size()); }
    int64_t columns() const { return static_cast<int64_t>(squares.size()) / parts(); }
    int64_t unmet() const;  // parts that met nothing
  };

  std::map<std::string, Entry, std::less<>> entries;
  std::vector<std::string> datasets;           // names of the texts
  int64_t chunks = 0;                          // windows of text; 0: not said
  int64_t chunk_size = 0;                      // tokens of a window; 0: not said
  ImportanceForm form = ImportanceForm::Gguf;  // of the file; the older one counts in windows

  // Error: neither form, cut short, a number that is negative or not finite, or an entry without
  // its other half.
  static Result<ImportanceSums> open(const std::string& path);
  // `name` stands in messages.
  static Result<ImportanceSums> parse(std::span<const std::byte> bytes, std::string_view name);

  // In counts of rows instead of windows; nothing where they are that already. `window`: tokens,
  // where the file does not say.
  void count_rows(int64_t window);
  // Sums and counts of both, which count in rows. Error: a tensor that has another size in `more`.
  Result<void> add(const ImportanceSums& more);
};

// The sums as a file, which appears whole or not at all; of counts in rows. The older form is given
// the mean of each part, times the windows that the text had, and 1 for a part that met nothing.
// Error: sums that are no finite numbers, or the disk.
Result<void> write_importance(const ImportanceSums& sums, ImportanceForm form,
                              const std::string& path);

}  // namespace issun::quantize
