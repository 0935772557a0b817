// Any bytes as a JSON Schema: an error, or an automaton that nothing leads to a dead end of.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "grammar/json_machine.h"
#include "grammar/random_walk.h"
#include "grammar/schema_compiler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  issun::grammar::Work work;
  auto rules = issun::grammar::compile_schema(text, work);
  if (!rules) return 0;
  const issun::grammar::JsonMachine machine(std::move(*rules));
  issun::grammar::walk_randomly(machine, size * 0x9e3779b97f4a7c15, 60);
  return 0;
}
