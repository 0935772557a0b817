// Base64, as JSON files carry bytes (RFC 4648, with or without padding).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace issun::import {

// nullopt: a character that is none of it, or bits that no whole byte needs.
std::optional<std::vector<uint8_t>> from_base64(std::string_view text);

}  // namespace issun::import
