#include "gguf/expert_names.h"

#include <fmt/format.h>

#include <charconv>

namespace issun::gguf {

namespace {

constexpr std::string_view kBlock = "blk.", kStack = "_exps", kWeight = ".weight";
constexpr int kMost = 1 << 20;  // no layer and no expert has a greater number

bool take(std::string_view prefix, std::string_view* text) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// A number as it is printed: without zeros before it, so that the name is made again from it.
bool take_number(std::string_view* text, int* number) {
  const char* const end = text->data() + text->size();
  const auto [next, error] = std::from_chars(text->data(), end, *number);
  const auto length = static_cast<size_t>(next - text->data());
  if (error != std::errc() || *number < 0 || *number > kMost) return false;
  if (text->front() == '-' || (text->front() == '0' && length > 1)) return false;
  text->remove_prefix(length);
  return true;
}

}  // namespace

std::string ExpertName::in_stack() const {
  return fmt::format("{}{}.{}{}{}", kBlock, layer, part, kStack, kWeight);
}

std::string ExpertName::alone(int number) const {
  return fmt::format("{}{}.{}.{}{}", kBlock, layer, part, number, kWeight);
}

std::optional<ExpertName> expert_name(std::string_view tensor) {
  ExpertName name;
  std::string_view rest = tensor;
  if (!take(kBlock, &rest) || !take_number(&rest, &name.layer) || !take(".", &rest))
    return std::nullopt;
  for (const std::string_view part : kExpertParts) {
    std::string_view behind = rest;
    if (!take(part, &behind)) continue;
    name.part = part;
    if (!take(kStack, &behind) && (!take(".", &behind) || !take_number(&behind, &name.expert)))
      continue;
    if (behind == kWeight) return name;
  }
  return std::nullopt;
}

std::string name_in_stack(std::string_view tensor) {
  const std::optional<ExpertName> name = expert_name(tensor);
  return name && name->expert != ExpertName::kAll ? name->in_stack() : std::string(tensor);
}

}  // namespace issun::gguf
