// Sizes of memory and files as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace issun {

// A number and a unit: 900MB, 1.5GiB, 6G (GiB, as for programs that limit memory), 123456.
// nullopt: none of that, or not above 0.
std::optional<int64_t> parse_size(const std::string& text);

// "1.50 GB"
std::string readable_size(int64_t bytes);

}  // namespace issun
