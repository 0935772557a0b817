// Names of model files as strangers give them: which may become a path here, which are parts of one
// model, and which type of weights they tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace issun::fetch {

// A path below a folder, '/' between its names. Error: it is absolute, leads elsewhere ("..", ".",
// an empty name), hides (a name that starts with a dot), has control characters or a backslash, is
// no UTF-8 or too long for a disk (255 bytes a name, 1024 in all).
Result<void> expect_safe_path(std::string_view path);

// Which part of a split model a name says it is.
struct PartName {
  std::string prefix;         // what precedes "-00001-of-00003.gguf"
  int number = 0, count = 0;  // from 1
};
std::optional<PartName> part_name(std::string_view path);

bool is_gguf(std::string_view path);  // by its ending, in any case

// The last name of a path without ".gguf" and without a part's number.
std::string stem(std::string_view path);

// The type of the weights as people write it at the end of a file's name, in capitals: "Q4_K_M",
// "IQ2_XS", "BF16"; of the folder when the file does not say; empty when neither does.
std::string type_label(std::string_view path);

// Whether `type`, in any case, is the file's label or what its stem ends in ("UD-Q4_K_XL").
bool has_type(std::string_view path, std::string_view type);

std::string upper_case(std::string_view text);  // of ASCII alone

}  // namespace issun::fetch
