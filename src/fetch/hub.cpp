#include "fetch/hub.h"

#include <algorithm>

#include "base/json.h"
#include "base/quote.h"
#include "fetch/address.h"
#include "fetch/file_name.h"
#include "fetch/patience.h"
#include "fetch/sha256.h"

namespace issun::fetch {

namespace {

constexpr size_t kLongestAnswer = 32 << 20;
constexpr int kMostPages = 100;

bool is_this_machine(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("//") + 2);
  if (host == "[::1]" || host.starts_with("[::1]:")) return true;
  host = host.substr(0, host.find(':'));
  return host == "localhost" || (host.starts_with("127.") &&
                                 host.find_first_not_of("0123456789.") == std::string_view::npos);
}

}  // namespace

Result<Hub> make_hub(std::string_view endpoint, std::string_view token) {
  const std::string origin = origin_of(endpoint);
  if (origin.empty() || endpoint.find_first_of("?#") != std::string_view::npos) {
    return fail("endpoint: expected an address that begins with https:// or http://, found '{}'",
                printable(endpoint));
  }
  for (const char c : token) {
    if (c <= 0x20 || c >= 0x7f) {
      return fail("token: expected one word of ASCII, found other characters");
    }
  }
  if (!token.empty() && origin.starts_with("http:") && !is_this_machine(origin)) {
    return fail("{}: expected https, since a token would be readable on its way", origin);
  }
  while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
  return Hub{std::string(endpoint), std::string(token)};
}

std::string Hub::file_url(std::string_view repository, std::string_view path) const {
  return fmt::format("{}/{}/resolve/main/{}", endpoint, repository, url_encoded_path(path));
}

std::string next_page(std::string_view link) {
  for (size_t at = 0; (at = link.find('<', at)) != std::string_view::npos;) {
    const size_t end = link.find('>', at);
    if (end == std::string_view::npos) return "";
    const size_t next = std::min(link.find(",", end), link.size());
    if (link.substr(end, next - end).find("rel=\"next\"") != std::string_view::npos) {
      return std::string(link.substr(at + 1, end - at - 1));
    }
    at = end;
  }
  return "";
}

Result<std::vector<HubFile>> read_file_list(std::string_view json) {
  const Json list = TRY(Json::parse(json));
  if (!list.is_array()) return fail("expected a list of files");
  std::vector<HubFile> files;
  for (const Json& entry : list.items()) {
    if (!entry["type"].is("file") || !entry["path"].is_string()) continue;
    const std::string& path = entry["path"].text();
    if (!is_gguf(path)) continue;
    TRY(expect_safe_path(path));
    const Json& stored = entry["lfs"];
    const Json& size = stored.is_object() ? stored["size"] : entry["size"];
    if (!size.is_integer() || size.integer() < 0) {
      return fail("{}: expected its size", printable(path));
    }
    HubFile file{.path = path, .bytes = size.integer(), .sha256 = {}};
    if (stored["oid"].is_string()) {
      if (!is_sha256(stored["oid"].text())) {
        return fail("{}: expected its SHA-256, found '{}'", printable(path),
                    printable(stored["oid"].text()));
      }
      file.sha256 = stored["oid"].text();
    }
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::vector<HubFile>> Hub::list_models(Http& http, std::string_view repository,
                                              int attempts) const {
  std::vector<HubFile> files;
  std::string url = fmt::format("{}/api/models/{}/tree/main?recursive=true", endpoint, repository);
  for (int page = 0; page < kMostPages; ++page) {
    std::string body;
    Request request{.url = url, .token = token};
    request.on_head = [&](const Head& head) -> Result<bool> {
      body.clear();
      return head.status == 200;
    };
    request.on_body = [&](std::span<const std::byte> piece) -> Result<bool> {
      if (body.size() + piece.size() > kLongestAnswer) {
        return fail("expected a list of at most {} bytes", kLongestAnswer);
      }
      body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      return true;
    };
    const Ended ended = TRY(ask_patiently(http, request, attempts));
    auto found = read_file_list(body);
    if (!found) return fail("{}: {}", shown_url(url), found.error().message);
    std::move(found->begin(), found->end(), std::back_inserter(files));
    url = next_page(ended.head["link"]);
    if (url.empty()) return files;
    if (origin_of(url) != origin_of(endpoint)) {
      return fail("{}: expected the next page of the list from the same server", shown_url(url));
    }
  }
  return fail("{}: expected a list of at most {} pages", repository, kMostPages);
}

}  // namespace issun::fetch
