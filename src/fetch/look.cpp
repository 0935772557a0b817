// The first question about a file: what the server says of it, and whether it is a model at all.
#include <charconv>

#include "base/quote.h"
#include "fetch/address.h"
#include "fetch/download.h"
#include "fetch/patience.h"
#include "fetch/sha256.h"

namespace issun::fetch {

namespace {

constexpr int64_t kMagicBytes = 4;
constexpr int64_t kMostBytes = int64_t{1} << 44;

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

// The length of the whole file; -1: the server does not say.
int64_t length_of(const Head& head) {
  const std::string& range = head["content-range"];
  const size_t slash = range.rfind('/');
  if (head.status == 206 && slash == std::string::npos) return -1;
  return whole_number(head.status == 206 ? std::string_view(range).substr(slash + 1)
                                         : std::string_view(head["content-length"]))
      .value_or(-1);
}

std::string unquoted(std::string text) {
  std::erase(text, '"');
  return text;
}

// Repositories name the content's sum in the answer that leads to where it lies.
std::string linked_sha256(const Head& head) {
  const std::string name = "x-linked-etag";
  const auto earlier = head.earlier_fields.find(name);
  const std::string sum = unquoted(!head[name].empty()                    ? head[name]
                                   : earlier != head.earlier_fields.end() ? earlier->second
                                                                          : std::string());
  return is_sha256(sum) ? sum : "";
}

Result<void> expect_model(const std::string& url, const std::string& start, const Head& head) {
  if (start == "GGUF") return {};
  const bool page = head["content-type"].starts_with("text/html") || start.starts_with("<");
  return fail(
      "{}: expected a model in GGUF, found {}", shown_url(url),
      page ? "a page in HTML" : fmt::format("a file that begins with '{}'", printable(start)));
}

}  // namespace

Result<RemoteFacts> look_at(Http& http, const RemoteFile& file, int attempts) {
  std::string start;
  Request request{.url = file.url, .token = file.token, .stretch = Stretch{0, kMagicBytes}};
  request.on_head = [&](const Head& head) -> Result<bool> {
    start.clear();
    return head.status == 200 || head.status == 206;
  };
  request.on_body = [&](std::span<const std::byte> piece) -> Result<bool> {
    const auto text = std::string_view(reinterpret_cast<const char*>(piece.data()), piece.size());
    start += text.substr(0, static_cast<size_t>(kMagicBytes) - start.size());
    return start.size() < static_cast<size_t>(kMagicBytes);
  };
  const Ended ended = TRY(ask_patiently(http, request, attempts));
  TRY(expect_model(file.url, start, ended.head));
  const RemoteFacts facts{.bytes = length_of(ended.head),
                          .validator = ended.head.validator(),
                          .sha256 = linked_sha256(ended.head),
                          .in_ranges = ended.head.status == 206};
  const std::string url = shown_url(file.url);
  if (facts.bytes < 0) return fail("{}: expected the server to say how long the file is", url);
  if (facts.bytes > kMostBytes) return fail("{}: expected a length of less than 16 TiB", url);
  if (file.bytes >= 0 && facts.bytes != file.bytes) {
    return fail("{}: expected {} bytes, as the repository says; the server has {}", url, file.bytes,
                facts.bytes);
  }
  return facts;
}

}  // namespace issun::fetch
