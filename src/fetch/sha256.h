// SHA-256 of a file (FIPS 180-4), by OpenSSL's libcrypto, which uses the processor's instructions.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"

namespace issun::fetch {

// 64 digits in lower case. `progress` is called with the bytes read so far. Error: the file,
// Ctrl-C, libcrypto is not installed.
Result<std::string> sha256_of(const File& file, const std::function<void(int64_t)>& progress);

// Whether it is one, as sha256_of() writes it.
bool is_sha256(std::string_view text);

}  // namespace issun::fetch
