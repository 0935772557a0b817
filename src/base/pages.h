// Pages of mapped files that were read and will not be again.
#pragma once

#include <cstddef>
#include <span>

namespace issun {

// Lets the system take these bytes of a mapped file out of this process's memory; a later look
// brings them back. Whole pages alone; nothing happens where the system knows no such thing.
void forget_pages(std::span<const std::byte> mapped);

}  // namespace issun
