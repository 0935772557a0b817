#include "base/shared_library.h"

#include <dlfcn.h>

namespace issun {

Result<SharedLibrary> SharedLibrary::open(const std::vector<std::string>& names) {
  std::string reason = "no name to look for";
  for (const std::string& name : names) {
    void* const handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) return SharedLibrary(name, handle);
    reason = ::dlerror();
  }
  return fail("{}", reason);
}

Result<void*> SharedLibrary::find_any(const char* name) const {
  void* const found = ::dlsym(handle_, name);
  if (found == nullptr) return fail("{}: expected it to have {}", name_, name);
  return found;
}

}  // namespace issun
