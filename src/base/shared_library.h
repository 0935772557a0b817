// A library of the system that is taken in only when it is needed: a program that never needs it
// starts without it, and runs where it is not installed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace issun {

// Stays loaded until the process ends, so that its functions may be kept.
class SharedLibrary {
 public:
  // The first of these names that there is. Error: none is installed; with the system's reason.
  static Result<SharedLibrary> open(const std::vector<std::string>& names);
  // Error: the library has none of that name.
  template <class Function>
  Result<void> find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(TRY(find_any(name)));
    return {};
  }

 private:
  SharedLibrary(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {}
  Result<void*> find_any(const char* name) const;
  std::string name_;
  void* handle_;
};

}  // namespace issun
