// Any bytes as a chat template, rendered with a small conversation: an error or a text, nothing
// else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "chat/jinja/eval.h"
#include "chat/jinja/json.h"
#include "chat/jinja/parser.h"

using namespace issun::chat::jinja;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  (void)parse_json(source);
  const auto body = parse(source);
  if (!body) return 0;
  static const Value conversation = *parse_json(
      R"([{"role":"system","content":"Be brief."},{"role":"user","content":"1 \u3042 <b>"},
          {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":
          {"x":[1,2.5,true]}}}]}])");
  const Globals globals = {{"messages", conversation},
                           {"tools", Value::list({Value::dict()})},
                           {"add_generation_prompt", true},
                           {"bos_token", "<s>"}};
  Limits limits;
  limits.steps = 50'000;
  limits.bytes = int64_t{4} << 20;
  limits.output_bytes = int64_t{1} << 20;
  (void)Interpreter(limits, 0).render(*body, globals);
  return 0;
}
