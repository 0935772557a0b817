#include "fetch/journal.h"

#include <algorithm>
#include <charconv>

namespace issun::fetch {

namespace {

constexpr std::string_view kFirstLine = "issun part 1";

// The line up to `at`'s next line end, which has to be there.
std::optional<std::string_view> next_line(std::string_view text, size_t& at) {
  const size_t end = text.find('\n', at);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(at, end - at);
  at = end + 1;
  return line;
}

std::optional<std::string_view> after(std::optional<std::string_view> line, std::string_view word) {
  if (!line || !line->starts_with(word)) return std::nullopt;
  return line->substr(word.size());
}

std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string header(const FileFacts& facts) {
  return fmt::format("{}\nbytes {}\nvalidator {}\nsha256 {}\n", kFirstLine, facts.bytes,
                     facts.validator, facts.sha256);
}

}  // namespace

void Stretches::add(Stretch stretch) {
  if (stretch.end <= stretch.begin) return;
  std::vector<Stretch> merged;
  for (const Stretch& other : all_) {
    if (other.end < stretch.begin || other.begin > stretch.end) {
      merged.push_back(other);
    } else {
      stretch = {std::min(stretch.begin, other.begin), std::max(stretch.end, other.end)};
    }
  }
  merged.push_back(stretch);
  std::sort(merged.begin(), merged.end(),
            [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
  all_ = std::move(merged);
}

int64_t Stretches::bytes() const {
  int64_t sum = 0;
  for (const Stretch& stretch : all_) sum += stretch.bytes();
  return sum;
}

std::vector<Stretch> Stretches::missing(int64_t bytes, int64_t piece) const {
  std::vector<Stretch> pieces;
  const auto cut = [&](int64_t begin, int64_t end) {
    for (; begin < end; begin += piece) pieces.push_back({begin, std::min(end, begin + piece)});
  };
  int64_t at = 0;
  for (const Stretch& stretch : all_) {
    cut(at, std::min(stretch.begin, bytes));
    at = stretch.end;
  }
  cut(at, bytes);
  return pieces;
}

bool FileFacts::goes_on_from(const FileFacts& other) const {
  if (bytes != other.bytes) return false;
  if (!sha256.empty() || !other.sha256.empty()) return sha256 == other.sha256;
  return !validator.empty() && validator == other.validator;
}

std::optional<JournalText> parse_journal(std::string_view text) {
  size_t at = 0;
  if (next_line(text, at) != kFirstLine) return std::nullopt;
  const auto bytes = after(next_line(text, at), "bytes ");
  const auto validator = after(next_line(text, at), "validator ");
  const auto sha256 = after(next_line(text, at), "sha256 ");
  if (!bytes || !number(*bytes) || !validator || !sha256) return std::nullopt;
  JournalText journal;
  journal.facts = {*number(*bytes), std::string(*validator), std::string(*sha256)};
  while (const auto line = after(next_line(text, at), "done ")) {
    const size_t blank = line->find(' ');
    if (blank == std::string_view::npos) break;
    const auto begin = number(line->substr(0, blank)), end = number(line->substr(blank + 1));
    if (!begin || !end || *begin >= *end || *end > journal.facts.bytes) break;
    journal.done.add({*begin, *end});
  }
  return journal;
}

Result<Journal> Journal::open(const std::string& path, const FileFacts& facts) {
  constexpr int64_t kLongest = 16 << 20;
  Journal journal;
  if (is_file(path)) {
    const Result<std::string> text = read_text(path, kLongest);
    const auto before = text ? parse_journal(*text) : std::nullopt;
    journal.resumed_ = before && facts.goes_on_from(before->facts) && before->done.bytes() > 0;
    journal.replaced_ = before && !facts.goes_on_from(before->facts);
    if (journal.resumed_) journal.done_ = before->done;
  }
  // Written anew either way: one line for each stretch, and no line that is cut short.
  std::string text = header(facts);
  for (const Stretch& stretch : journal.done_.all()) {
    text += fmt::format("done {} {}\n", stretch.begin, stretch.end);
  }
  TRY(write_atomically(path, text));
  journal.file_ = TRY(File::open_for_appending(path));
  return journal;
}

Result<void> Journal::add(Stretch stretch) {
  if (stretch.bytes() <= 0) return {};
  done_.add(stretch);
  return file_.write(fmt::format("done {} {}\n", stretch.begin, stretch.end));
}

}  // namespace issun::fetch
