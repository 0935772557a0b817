#include "fetch/download.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/folder.h"
#include "base/terminal.h"
#include "fetch/address.h"
#include "fetch/journal.h"
#include "fetch/patience.h"
#include "fetch/sha256.h"

namespace issun::fetch {

namespace {

constexpr int64_t kSmallestPiece = 256 << 10, kLargestPiece = 64 << 20;
constexpr int64_t kNotedBytes = 8 << 20;       // what a kill may cost a stream
constexpr int64_t kForgivingBytes = 64 << 10;  // so many show that the server still serves

// A part of the file on its way.
struct Piece {
  Stretch stretch;
  size_t id = 0;
  int64_t got = 0, noted = 0;  // bytes, from its begin
  int64_t begin() const { return stretch.begin + noted; }
};

// One try: from what the journal has to the whole file.
class Transferring {
 public:
  Transferring(Http& http, const RemoteFile& file, const RemoteFacts& facts, File part,
               Journal journal, const DownloadOptions& options)
      : http_(http),
        file_(file),
        facts_(facts),
        part_(std::move(part)),
        journal_(std::move(journal)),
        options_(options),
        patience_(options.attempts),
        streams_(facts.in_ranges ? options.streams : 1) {}

  // Until all is there. Error: as download().
  Result<void> run() {
    const Result<void> done = bring_all();
    http_.drop_all();
    for (const auto& piece : pieces_) {  // what came is kept, whatever happened
      const Result<void> noted = note(*piece);
      if (done && !noted) return noted;
    }
    return done;
  }

  // The server has another file than at first.
  bool changed() const { return changed_; }
  // The server gave the whole file when it was asked for a part.
  bool ignores_ranges() const { return ignores_ranges_; }
  const File& part() const { return part_; }

 private:
  Result<void> bring_all() {
    const int64_t even = facts_.bytes / (4 * int64_t{std::max(1, options_.streams)});
    const int64_t size =
        facts_.in_ranges ? std::clamp(even, kSmallestPiece, kLargestPiece) : facts_.bytes;
    waiting_ = journal_.done().missing(facts_.bytes, size);
    std::reverse(waiting_.begin(), waiting_.end());  // taken from the back
    while (!waiting_.empty() || !pieces_.empty()) {
      while (!waiting_.empty() && static_cast<int>(pieces_.size()) < streams_ &&
             seconds_now() >= not_before_) {
        TRY(start(waiting_.back()));
        waiting_.pop_back();
      }
      if (pieces_.empty()) wait_seconds(0.05);
      for (Ended& ended : http_.wait()) TRY(finish(ended));
      if (Interrupts::pending()) return fail("{}: interrupted", shown_url(file_.url));
      tell();
    }
    return {};
  }

  void tell() const {
    int64_t here = journal_.done().bytes();
    for (const auto& piece : pieces_) here += piece->got - piece->noted;
    options_.on_progress(std::min(here, facts_.bytes), facts_.bytes);
  }

  Result<void> start(Stretch stretch) {
    pieces_.push_back(std::make_unique<Piece>(Piece{.stretch = stretch}));
    Piece& piece = *pieces_.back();
    Request request{.url = file_.url, .token = file_.token};
    if (facts_.in_ranges) request.stretch = stretch;
    request.on_head = [this, &piece](const Head& head) { return accept(piece, head); };
    request.on_body = [this, &piece](std::span<const std::byte> bytes) {
      return take(piece, bytes);
    };
    piece.id = TRY(http_.start(std::move(request)));
    return {};
  }

  // Whether what follows is the piece that was asked for.
  Result<bool> accept(const Piece& piece, const Head& head) {
    const int expected = facts_.in_ranges ? 206 : 200;
    if (head.status != 200 && head.status != 206) return false;
    const std::string range =
        fmt::format("bytes {}-{}/{}", piece.stretch.begin, piece.stretch.end - 1, facts_.bytes);
    const bool other = facts_.sha256.empty() && facts_.validator != head.validator();
    if (other || (head.status == 206 && head["content-range"] != range)) {
      changed_ = true;
      return fail("the file changed on the server while it was fetched");
    }
    if (head.status != expected) {
      ignores_ranges_ = true;
      return fail("the server gives no parts of the file any more");
    }
    return true;
  }

  Result<bool> take(Piece& piece, std::span<const std::byte> bytes) {
    const auto count = static_cast<int64_t>(bytes.size());
    if (piece.got + count > piece.stretch.bytes()) {
      return fail("expected {} bytes, the server sends more", piece.stretch.bytes());
    }
    TRY(part_.write_at(piece.stretch.begin + piece.got, bytes));
    piece.got += count;
    if (piece.got - piece.noted >= kNotedBytes && facts_.in_ranges) TRY(note(piece));
    return true;
  }

  // What came of it, in the journal. Without ranges nobody could go on from there.
  Result<void> note(Piece& piece) {
    if (piece.got == piece.noted) return {};
    if (!facts_.in_ranges && piece.got < piece.stretch.bytes()) return {};
    TRY(part_.sync());
    TRY(journal_.add({piece.begin(), piece.stretch.begin + piece.got}));
    piece.noted = piece.got;
    return {};
  }

  Result<void> finish(const Ended& ended) {
    const auto found = std::find_if(pieces_.begin(), pieces_.end(),
                                    [&](const auto& piece) { return piece->id == ended.id; });
    const std::unique_ptr<Piece> piece = std::move(*found);
    pieces_.erase(found);
    TRY(note(*piece));
    const Stretch left{facts_.in_ranges ? piece->stretch.begin + piece->got : 0,
                       piece->stretch.end};
    const bool complete = piece->got == piece->stretch.bytes();
    if (complete || (facts_.in_ranges && piece->got >= kForgivingBytes)) patience_.progressed();
    if (complete) return {};
    Ended failed = ended;
    if (ended.whole && (ended.head.status == 200 || ended.head.status == 206)) {
      failed.failure =
          fmt::format("expected {} bytes, found {}", piece->stretch.bytes(), piece->got);
    }
    const auto pause = patience_.pause_after(failed);
    if (!pause) return fail("{}", describe(file_.url, failed, !file_.token.empty()));
    if (failed.head.status == 429 || failed.head.status == 503)
      streams_ = std::max(1, streams_ / 2);
    not_before_ = std::max(not_before_, seconds_now() + *pause);
    waiting_.push_back(left);
    return {};
  }

  Http& http_;
  const RemoteFile& file_;
  const RemoteFacts& facts_;
  File part_;
  Journal journal_;
  const DownloadOptions& options_;
  Patience patience_;
  int streams_;
  std::vector<Stretch> waiting_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  double not_before_ = 0;
  bool changed_ = false, ignores_ranges_ = false;
};

Result<void> expect_room(const std::string& path, int64_t bytes) {
  std::error_code failed;
  const auto folder = std::filesystem::path(path).parent_path();
  const auto space = std::filesystem::space(folder, failed);
  if (failed || static_cast<int64_t>(space.available) >= bytes) return {};
  return fail("{}: expected room for {} more bytes, found {}", folder.string(), bytes,
              space.available);
}

// Which try this is, and what the ones before taught.
struct Tries {
  bool without_ranges = false;
  int changes = 0, wrong_sums = 0;
};

// Nothing: to be tried anew.
Result<std::optional<Downloaded>> try_once(Http& http, const RemoteFile& file,
                                           const std::string& path, const DownloadOptions& options,
                                           Tries& tries) {
  const std::string part = path + ".part", ranges = part + ".ranges";
  RemoteFacts facts = TRY(look_at(http, file, options.attempts));
  facts.in_ranges = facts.in_ranges && !tries.without_ranges;
  if (!file.sha256.empty()) facts.sha256 = file.sha256;
  if (!is_file(part) || !facts.in_ranges) TRY(remove_file(ranges));
  Journal journal = TRY(Journal::open(ranges, {facts.bytes, facts.validator, facts.sha256}));
  const int64_t here = journal.done().bytes();
  if (journal.replaced()) options.on_note("it changed on the server: from the beginning");
  if (journal.resumed()) {
    options.on_note(fmt::format("going on: {} of {} bytes are here", here, facts.bytes));
  }
  TRY(expect_room(path, facts.bytes - here));
  File file_here = TRY(File::open_for_updating(part));
  TRY(file_here.resize(facts.bytes));
  Transferring transferring(http, file, facts, std::move(file_here), std::move(journal), options);
  if (const Result<void> done = transferring.run(); !done) {
    if (transferring.ignores_ranges() && !tries.without_ranges) {
      tries.without_ranges = true;
      return std::nullopt;
    }
    if (transferring.changed() && tries.changes++ == 0) return std::nullopt;
    return fail("{}", done.error().message);
  }
  const std::string sum = TRY(sha256_of(
      transferring.part(), [&](int64_t checked) { options.on_check(checked, facts.bytes); }));
  if (!facts.sha256.empty() && sum != facts.sha256) {
    TRY(remove_file(part));
    TRY(remove_file(ranges));
    if (tries.wrong_sums++ == 0) {
      options.on_note("what came has another SHA-256 than it should: from the beginning");
      return std::nullopt;
    }
    return fail("{}: expected SHA-256 {}, found {}; nothing is kept of it", shown_url(file.url),
                facts.sha256, sum);
  }
  std::error_code failed;
  std::filesystem::rename(part, path, failed);
  if (failed) return fail("{}: cannot put in place: {}", path, failed.message());
  TRY(remove_file(ranges));
  TRY(sync_folder(std::filesystem::path(path).parent_path().string()));
  return Downloaded{.bytes = facts.bytes,
                    .sha256 = sum,
                    .validator = facts.validator,
                    .was_known = !facts.sha256.empty()};
}

}  // namespace

Result<Downloaded> download(Http& http, const RemoteFile& file, const std::string& path,
                            const DownloadOptions& options) {
  Tries tries;
  for (;;) {
    const auto done = TRY(try_once(http, file, path, options, tries));
    if (done) return *done;
  }
}

}  // namespace issun::fetch
