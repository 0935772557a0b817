#include "fetch/http.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/quote.h"
#include "base/terminal.h"
#include "base/utf8.h"
#include "fetch/address.h"
#include "fetch/curl.h"

namespace issun::fetch {

namespace {

constexpr long kMostRedirections = 10;
constexpr size_t kMostHeadBytes = 256 << 10;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

const std::string& Head::operator[](const std::string& name) const {
  static const std::string none;
  const auto found = fields.find(name);
  return found == fields.end() ? none : found->second;
}

std::string Head::validator() const {
  constexpr size_t kLongest = 512;
  const std::string& tag = (*this)["etag"];
  return visible((tag.empty() ? (*this)["last-modified"] : tag).substr(0, kLongest));
}

// One request and what has come for it.
struct Transfer {
  const Curl* curl;
  size_t id;
  Request request;
  CURL* handle;
  curl_slist* lines = nullptr;
  Ended ended;
  size_t head_bytes = 0;
  bool head_told = false, enough = false;

  Transfer(const Curl& functions, size_t number, Request asked)
      : curl(&functions), id(number), request(std::move(asked)), handle(functions.easy_init()) {}
  ~Transfer() {
    curl->easy_cleanup(handle);
    curl->slist_free_all(lines);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  bool refuse(std::string why) {
    ended.failure = std::move(why);
    ended.refused = true;
    return false;
  }

  void set(auto option, auto value) { curl->easy_setopt(handle, option, value); }

  void prepare(const HttpOptions& options);
  bool take_head_line(std::string_view line);
  bool tell_head();
  bool take_body(std::span<const std::byte> bytes);
  void end(CURLcode code);
};

namespace {

size_t on_head_line(char* data, size_t, size_t bytes, void* transfer) {
  return static_cast<Transfer*>(transfer)->take_head_line({data, bytes}) ? bytes : 0;
}

size_t on_body_piece(char* data, size_t, size_t bytes, void* transfer) {
  const auto piece = std::as_bytes(std::span(data, bytes));
  return static_cast<Transfer*>(transfer)->take_body(piece) ? bytes : 0;
}

}  // namespace

void Transfer::prepare(const HttpOptions& options) {
  const bool secure = origin_of(request.url).starts_with("https:");
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kMostRedirections);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "issun");
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_seconds * 1000));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, std::max(1L, static_cast<long>(options.stall_seconds)));
  set(CURLOPT_HEADERFUNCTION, on_head_line);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, on_body_piece);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  if (options.direct) set(CURLOPT_PROXY, "");
  if (!options.certificates.empty()) set(CURLOPT_CAINFO, options.certificates.c_str());
  lines = curl->slist_append(lines, "Accept-Encoding: identity");
  set(CURLOPT_HTTPHEADER, lines);
  if (request.stretch) {
    const std::string range =
        fmt::format("{}-{}", request.stretch->begin, request.stretch->end - 1);
    set(CURLOPT_RANGE, range.c_str());
  }
  // Not a line of the head: a token given so is not repeated to another host or port.
  if (!request.token.empty()) {
    set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    set(CURLOPT_XOAUTH2_BEARER, request.token.c_str());
  }
}

bool Transfer::take_head_line(std::string_view line) {
  head_bytes += line.size();
  if (head_bytes > kMostHeadBytes) return refuse("the server's head does not end");
  Head& head = ended.head;
  if (line.starts_with("HTTP/")) {  // the next answer after a redirection
    head.earlier_fields.merge(head.fields);
    head.fields.clear();
    const size_t blank = line.find(' ');
    head.status = 0;
    if (blank != std::string_view::npos) {
      std::from_chars(line.data() + blank + 1, line.data() + line.size(), head.status);
    }
    return true;
  }
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    head.fields[lower_ascii(line.substr(0, colon))] = trimmed(line.substr(colon + 1));
  }
  return true;
}

bool Transfer::tell_head() {
  if (head_told) return true;
  head_told = true;
  const std::string& encoding = ended.head["content-encoding"];
  if (!encoding.empty() && encoding != "identity") {
    return refuse(
        fmt::format("expected the file as it is, found it compressed ({})", printable(encoding)));
  }
  if (!request.on_head) return true;
  const Result<bool> wanted = request.on_head(ended.head);
  if (!wanted) return refuse(wanted.error().message);
  enough = !*wanted;
  return *wanted;
}

bool Transfer::take_body(std::span<const std::byte> bytes) {
  if (!tell_head()) return false;
  if (!request.on_body) return true;
  const Result<bool> wanted = request.on_body(bytes);
  if (!wanted) return refuse(wanted.error().message);
  enough = !*wanted;
  return *wanted;
}

void Transfer::end(CURLcode code) {
  if (code == CURLE_OK) tell_head();  // of an answer without a body
  ended.id = id;
  ended.whole = !ended.refused && (code == CURLE_OK || enough);
  if (ended.whole || ended.refused) return;
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
      refuse(fmt::format("a redirection to {}: expected {}",
                         shown_url(ended.head["location"].substr(0, 200)),
                         origin_of(request.url).starts_with("https:") ? "https" : "http or https"));
      break;
    case CURLE_TOO_MANY_REDIRECTS:
      refuse(fmt::format("expected at most {} redirections", kMostRedirections));
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      refuse("the server's certificate is not to be trusted");
      break;
    case CURLE_PARTIAL_FILE:
      ended.failure = "the connection broke off";
      break;
    default:
      ended.failure = curl->easy_strerror(code);
  }
}

struct Http::Inside {
  Curl curl;
  HttpOptions options;
  CURLM* multi;
  size_t next_id = 0;
  std::vector<std::unique_ptr<Transfer>> transfers = {};
};

Result<std::unique_ptr<Http>> Http::create(HttpOptions options) {
  const Curl curl = TRY(Curl::load());
  CURLM* const multi = curl.multi_init();
  if (multi == nullptr) return fail("libcurl does not start");
  return std::unique_ptr<Http>(
      new Http(std::make_unique<Inside>(Inside{.curl = curl, .options = options, .multi = multi})));
}

Http::Http(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}

Http::~Http() {
  drop_all();
  inside_->curl.multi_cleanup(inside_->multi);
}

void Http::drop_all() {
  for (const auto& transfer : inside_->transfers) {
    inside_->curl.multi_remove_handle(inside_->multi, transfer->handle);
  }
  inside_->transfers.clear();
}

size_t Http::running() const { return inside_->transfers.size(); }

Result<size_t> Http::start(Request request) {
  auto transfer = std::make_unique<Transfer>(inside_->curl, inside_->next_id++, std::move(request));
  if (transfer->handle == nullptr) return fail("libcurl: expected room for one more request");
  transfer->prepare(inside_->options);
  if (inside_->curl.multi_add_handle(inside_->multi, transfer->handle) != CURLM_OK) {
    return fail("libcurl: expected room for one more request");
  }
  inside_->transfers.push_back(std::move(transfer));
  return inside_->transfers.back()->id;
}

std::vector<Ended> Http::wait() {
  constexpr int kLongestMs = 100;
  Inside& in = *inside_;
  int running = 0, left = 0;
  in.curl.multi_perform(in.multi, &running);
  std::vector<Ended> ended;
  const auto collect = [&] {
    while (const CURLMsg* message = in.curl.multi_info_read(in.multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto found = std::find_if(
          in.transfers.begin(), in.transfers.end(),
          [&](const auto& transfer) { return transfer->handle == message->easy_handle; });
      (*found)->end(message->data.result);
      ended.push_back(std::move((*found)->ended));
      in.curl.multi_remove_handle(in.multi, (*found)->handle);
      in.transfers.erase(found);
    }
  };
  collect();
  if (!ended.empty()) return ended;
  in.curl.multi_poll(in.multi, nullptr, 0, kLongestMs, nullptr);
  in.curl.multi_perform(in.multi, &running);
  collect();
  return ended;
}

Result<Ended> ask(Http& http, Request request) {
  const std::string url = shown_url(request.url);
  TRY(http.start(std::move(request)));
  for (;;) {
    std::vector<Ended> ended = http.wait();
    if (!ended.empty()) return std::move(ended.front());
    if (Interrupts::pending()) {
      http.drop_all();
      return fail("{}: interrupted", url);
    }
  }
}

}  // namespace issun::fetch
