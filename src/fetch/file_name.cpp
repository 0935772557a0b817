#include "fetch/file_name.h"

#include <algorithm>

#include "base/quote.h"

namespace issun::fetch {

namespace {

std::string_view last_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_type(std::string_view word) {
  for (const std::string_view plain : {"F16", "FP16", "BF16", "F32", "FP32", "F64"}) {
    if (word == plain) return true;
  }
  for (const std::string_view start : {"Q", "IQ", "TQ", "MXFP", "NVFP"}) {
    if (!word.starts_with(start) || word.size() == start.size()) continue;
    const std::string_view rest = word.substr(start.size());
    if (!is_digit(rest[0])) continue;
    return std::all_of(rest.begin(), rest.end(),
                       [](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; });
  }
  return false;
}

// The last word that is a type, words being what stands between '-' and '.'.
std::string last_type(std::string_view name) {
  const std::string text = upper_case(name);
  for (size_t end = text.size();;) {
    const size_t before = end == 0 ? std::string::npos : text.find_last_of("-.", end - 1);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    if (is_type(word)) return std::string(word);
    if (before == std::string::npos) return "";
    end = before;
  }
}

}  // namespace

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

Result<void> expect_safe_path(std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return fail("'{}': expected the name of a file below its folder, found {}", printable(path),
                why);
  };
  constexpr size_t kLongestPath = 1024, kLongestName = 255 - sizeof(".part.ranges");
  if (path.empty()) return refuse("nothing");
  if (path.size() > kLongestPath) return refuse("too long a path");
  if (std::any_of(path.begin(), path.end(), is_control)) return refuse("control characters");
  if (path.find('\\') != std::string_view::npos) return refuse("a backslash");
  if (visible(path) != path) return refuse("text that is no plain UTF-8");
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    if (name.empty()) return refuse("an empty name");
    if (name.starts_with('.')) return refuse("a name that starts with a dot");
    if (name.size() > kLongestName) return refuse("too long a name");
    at = end + 1;
  }
  return {};
}

bool is_gguf(std::string_view path) { return upper_case(path).ends_with(".GGUF"); }

std::optional<PartName> part_name(std::string_view path) {
  // -00001-of-00003.gguf
  constexpr size_t kDigits = 5, kEnding = 1 + kDigits + 4 + kDigits + 5;
  if (path.size() <= kEnding || !is_gguf(path)) return std::nullopt;
  const std::string_view ending = path.substr(path.size() - kEnding);
  const std::string_view number = ending.substr(1, kDigits), count = ending.substr(10, kDigits);
  const auto all_digits = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_digit);
  };
  if (ending[0] != '-' || ending.substr(6, 4) != "-of-" || !all_digits(number) ||
      !all_digits(count)) {
    return std::nullopt;
  }
  PartName part{std::string(path.substr(0, path.size() - kEnding)), std::stoi(std::string(number)),
                std::stoi(std::string(count))};
  if (part.number < 1 || part.number > part.count) return std::nullopt;
  return part;
}

std::string stem(std::string_view path) {
  if (const auto part = part_name(path)) return std::string(last_name(part->prefix));
  std::string_view name = last_name(path);
  if (is_gguf(name)) name.remove_suffix(5);
  return std::string(name);
}

std::string type_label(std::string_view path) {
  std::string label = last_type(stem(path));
  if (!label.empty() || last_name(path).size() == path.size()) return label;
  return last_type(last_name(path.substr(0, path.size() - last_name(path).size() - 1)));
}

bool has_type(std::string_view path, std::string_view type) {
  const std::string wanted = upper_case(type), name = upper_case(stem(path));
  return wanted == type_label(path) || name == wanted || name.ends_with("-" + wanted) ||
         name.ends_with("." + wanted);
}

}  // namespace issun::fetch
