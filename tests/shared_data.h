// The conformance data beside the source tree: where it is, and a spoken skip where it is not.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/folder.h"

inline std::string shared_path(const std::string& relative) {
  const char* root = std::getenv("ISSUN_SHARED");
  return std::string(root != nullptr ? root : "../shared") + "/" + relative;
}

// False, with a message, when the data is not on this machine.
inline bool have_shared(const std::string& relative) {
  if (issun::is_file(shared_path(relative)) || issun::is_directory(shared_path(relative)))
    return true;
  MESSAGE("skipped: no " << relative << " (no shared data)");
  return false;
}

// The names in a folder that end so, without that end.
inline std::vector<std::string> shared_names(const std::string& relative, const std::string& end) {
  const auto all = issun::list_folder(shared_path(relative));
  REQUIRE_MESSAGE(all.has_value(), "cannot read " << relative);
  std::vector<std::string> names;
  for (const std::string& name : *all)
    if (name.ends_with(end)) names.push_back(name.substr(0, name.size() - end.size()));
  return names;
}

inline std::vector<std::byte> read_shared(const std::string& relative) {
  const auto text = issun::read_text(shared_path(relative));
  REQUIRE_MESSAGE(text.has_value(), "cannot read " << relative);
  const auto* data = reinterpret_cast<const std::byte*>(text->data());
  return {data, data + text->size()};
}
