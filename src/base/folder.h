// Folders: what is in them, and that what was put there stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace issun {

// The names in a folder without "." and "..", sorted by their bytes.
Result<std::vector<std::string>> list_folder(const std::string& path);

// The files in a folder and in the folders below it, in the order of their names' bytes, each path
// beginning with `folder`. Symbolic links to files count, those to folders are not followed; names
// that start with a dot are left out. Error: no such folder, or one that cannot be read.
Result<std::vector<std::string>> files_below(const std::string& folder);

// What a file takes of the disk, which is less than its size where it has holes; 0: no file.
int64_t disk_bytes(const std::string& path);

// Makes the folder where there is none; its parent has to be there.
Result<void> make_folder(const std::string& path);

// To the disk: which names the folder has, after a rename into it or a removal.
Result<void> sync_folder(const std::string& path);

// No error where it is gone already.
Result<void> remove_file(const std::string& path);

}  // namespace issun
