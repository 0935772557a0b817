// libFuzzer target: any SentencePiece model is refused, or becomes a vocabulary that a tokenizer
// takes or refuses.
#include "import/encode_made.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto vocabulary = issun::import::read_sentencepiece(bytes, "fuzz");
  if (vocabulary) issun::import::encode_made(*vocabulary);
  return 0;
}
