#ifdef __wasm__
// doctest can write its report to a file, for which libc++ has no streams there: a file that opens
// never.
#include <iostream>
template <>
class std::basic_fstream<char> : public std::iostream {
 public:
  basic_fstream() : std::iostream(nullptr) {}
  void open(const char*, std::ios_base::openmode) { setstate(std::ios_base::failbit); }
  bool is_open() const { return false; }
  void close() {}
};
#endif

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
