#include "fetch/address.h"

#include <algorithm>

#include "base/quote.h"
#include "base/utf8.h"
#include "fetch/file_name.h"

namespace issun::fetch {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool is_identifier(std::string_view text) {
  constexpr size_t kLongest = 96;
  return !text.empty() && text.size() <= kLongest && text[0] != '.' && text[0] != '-' &&
         text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), is_word);
}

// Where the host begins; npos: no address of the web.
size_t authority_at(std::string_view url) {
  const std::string start = lower_ascii(url.substr(0, 8));
  if (start == "https://") return 8;
  return start.starts_with("http://") ? 7 : std::string_view::npos;
}

size_t authority_end(std::string_view url, size_t begin) {
  return std::min(url.find_first_of("/?#", begin), url.size());
}

Result<Address> parse_repository(std::string_view text) {
  const auto refuse = [&] {
    return fail("hf:{}: expected hf:OWNER/NAME, hf:OWNER/NAME:TYPE or hf:OWNER/NAME/FILE.gguf",
                printable(text));
  };
  Address address{.kind = Address::Kind::Repository};
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return refuse();
  const size_t end = std::min(text.find_first_of("/:", slash + 1), text.size());
  if (!is_identifier(text.substr(0, slash)) ||
      !is_identifier(text.substr(slash + 1, end - slash - 1))) {
    return refuse();
  }
  address.repository = text.substr(0, end);
  if (end == text.size()) return address;
  const std::string_view rest = text.substr(end + 1);
  if (text[end] == ':') {
    if (!is_identifier(rest)) return refuse();
    address.type = rest;
  } else {
    if (!is_gguf(rest)) return refuse();
    TRY(expect_safe_path(rest));
    address.file = rest;
  }
  return address;
}

Result<Address> parse_url(std::string_view text) {
  const size_t host = authority_at(text);
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  constexpr size_t kLongest = 4096;
  if (host == std::string_view::npos || authority_end(text, host) == host || !plain ||
      text.size() > kLongest) {
    return fail("'{}': expected an address that begins with https:// or http://", printable(text));
  }
  TRY(file_of_url(text));
  return Address{.kind = Address::Kind::Url, .url = std::string(text.substr(0, text.find('#')))};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string Address::text() const {
  if (kind == Kind::Name) return name;
  if (kind == Kind::Url) return url;
  if (!file.empty()) return fmt::format("hf:{}/{}", repository, file);
  return type.empty() ? "hf:" + repository : fmt::format("hf:{}:{}", repository, type);
}

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("hf:")) return parse_repository(text.substr(3));
  if (text.starts_with("url:")) return parse_url(text.substr(4));
  if (authority_at(text) != std::string_view::npos) return parse_url(text);
  return Address{.kind = Address::Kind::Name, .name = std::string(text)};
}

std::string origin_of(std::string_view url) {
  const size_t begin = authority_at(url);
  if (begin == std::string_view::npos) return "";
  const std::string scheme = lower_ascii(url.substr(0, begin));
  std::string host = lower_ascii(url.substr(begin, authority_end(url, begin) - begin));
  host = host.substr(host.find('@') == std::string::npos ? 0 : host.rfind('@') + 1);
  const std::string usual = begin == 8 ? ":443" : ":80";
  if (host.ends_with(usual)) host.resize(host.size() - usual.size());
  return scheme + host;
}

std::string shown_url(std::string_view url) {
  const size_t begin = authority_at(url);
  if (begin == std::string_view::npos) return printable(url);
  const size_t path = authority_end(url, begin);
  const std::string_view rest = url.substr(path);
  return visible(origin_of(url) + std::string(rest.substr(0, rest.find_first_of("?#"))));
}

Result<std::string> file_of_url(std::string_view url) {
  const size_t host = authority_at(url);
  const size_t path = host == std::string_view::npos ? url.size() : authority_end(url, host);
  std::string_view name = url.substr(path);
  name = name.substr(0, name.find_first_of("?#"));
  name = name.substr(name.find('/') == std::string_view::npos ? 0 : name.rfind('/') + 1);
  std::string decoded;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool escaped = name[i] == '%' && i + 2 < name.size() && hex_value(name[i + 1]) >= 0 &&
                         hex_value(name[i + 2]) >= 0;
    decoded +=
        escaped ? static_cast<char>(hex_value(name[i + 1]) * 16 + hex_value(name[i + 2])) : name[i];
    if (escaped) i += 2;
  }
  const Result<void> safe = expect_safe_path(decoded);
  if (!safe || decoded.find('/') != std::string::npos || !is_gguf(decoded)) {
    return fail("{}: expected the address of a file NAME.gguf", shown_url(url));
  }
  return decoded;
}

std::string url_encoded_path(std::string_view path) {
  std::string encoded;
  for (const char c : path) {
    if (is_word(c) || c == '~' || c == '/') {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace issun::fetch
