// Any bytes as a GBNF text: an error, or a grammar that nothing leads to a dead end of.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "grammar/gbnf.h"
#include "grammar/random_walk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto machine = issun::grammar::compile_gbnf(text, nullptr);
  if (machine) issun::grammar::walk_randomly(*machine, size * 0x9e3779b97f4a7c15, 60);
  return 0;
}
