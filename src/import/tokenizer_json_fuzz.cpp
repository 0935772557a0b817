// libFuzzer target: any tokenizer.json is refused, or becomes a vocabulary that a tokenizer takes
// or refuses.
#include "import/encode_made.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto vocabulary = issun::import::read_tokenizer_json(text, "fuzz", "", false);
  if (vocabulary) issun::import::encode_made(*vocabulary);
  return 0;
}
