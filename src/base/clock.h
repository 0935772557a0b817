// Time for measuring: seconds from an arbitrary start, never going back.
#pragma once

namespace issun {

double seconds_now();
// CPU seconds that this process has used so far, all threads together.
double cpu_seconds();
// The most memory this process has held so far, in bytes; 0 where the system does not say.
long long peak_memory_bytes();

}  // namespace issun
