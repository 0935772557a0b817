// Pages that will not be read again.
#pragma once

#include <cstddef>
#include <span>

namespace issun {

// Lets the system take these bytes out of this process's memory. A later look brings those of a
// mapped file back; others are zeros then. Whole pages alone; nothing happens where the system
// knows no such thing.
void forget_pages(std::span<const std::byte> mapped);

}  // namespace issun
