#include "measure/probes.h"

#include <charconv>

#include "base/file.h"

namespace issun::measure {

namespace {

std::string head_of(uint64_t identity) { return fmt::format("issun-probes 2 {:016x}", identity); }

std::string key_of(const std::string& tensor, DType type) {
  return fmt::format("{} {}", tensor, name(type));
}

}  // namespace

Result<Probes> Probes::open(const std::string& path, uint64_t identity) {
  Probes probes;
  probes.path_ = path;
  probes.identity_ = identity;
  if (path.empty() || !is_file(path)) return probes;
  const std::string content = TRY(read_text(path));
  std::string_view text = content;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number == 1) {
      if (line == head_of(identity)) continue;
      return fail("{}: expected measurements of this model, importance and text, found others",
                  path);
    }
    const size_t split = line.rfind(' ');
    double value = -1;
    if (split != std::string_view::npos)
      std::from_chars(line.data() + split + 1, line.data() + line.size(), value);
    if (!(value >= 0))
      return fail("{}: line {}: expected a tensor, a type and a number", path, number);
    probes.values_[std::string(line.substr(0, split))] = value;
  }
  return probes;
}

std::optional<double> Probes::find(const std::string& tensor, DType type) const {
  const auto found = values_.find(key_of(tensor, type));
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

Result<void> Probes::add(const std::string& tensor, DType type, double divergence) {
  values_[key_of(tensor, type)] = divergence;
  if (path_.empty()) return {};
  std::string text = head_of(identity_) + "\n";
  for (const auto& [key, value] : values_) text += fmt::format("{} {}\n", key, value);
  return write_atomically(path_, text);
}

}  // namespace issun::measure
