// What lies in a folder of the file system.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace issun {

// The files in a folder and in the folders below it, in the order of their names' bytes, each path
// beginning with `folder`. Symbolic links to files count, those to folders are not followed; names
// that start with a dot are left out. Error: no such folder, or one that cannot be read.
Result<std::vector<std::string>> files_below(const std::string& folder);

}  // namespace issun
