// What running costs: time and memory, for measuring.
#pragma once

namespace issun {

// From an arbitrary start, never going back.
double seconds_now();
// Of the clock on the wall, since 1970 (UTC).
long long unix_seconds();
// Does nothing for so long, or until Ctrl-C is pressed (base/terminal.h).
void wait_seconds(double seconds);
// CPU seconds that this process has used so far, all threads together.
double cpu_seconds();
// The most memory this process has held so far, in bytes; 0 where the system does not say.
long long peak_memory_bytes();
// The memory this process holds now, touched pages of mapped files included; 0 where the system
// does not say.
long long resident_memory_bytes();

}  // namespace issun
