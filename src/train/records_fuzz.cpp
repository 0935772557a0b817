// libFuzzer target: any line is a document or is refused, and any document that is one can be
// encoded or is refused.
#include <cstdint>
#include <string_view>

#include "tokenizer/made_up_vocabulary.h"
#include "train/document_encoder.h"

namespace {

using namespace issun;
using namespace issun::train;

const DocumentEncoder& encoder() {
  static const tokenizer::MadeUpVocabulary vocabulary = tokenizer::made_up_bpe();
  static const tokenizer::Tokenizer tokenizer =
      *tokenizer::Tokenizer::create(vocabulary.metadata());
  static const DocumentEncoder made = *DocumentEncoder::create(
      tokenizer,
      {.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|finish|>\n"
                        "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"});
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto document = read_record(line);
  if (!document) {
    if (document.error().message.empty()) __builtin_trap();
    return 0;
  }
  const auto encoded = encoder().encode(*document);
  if (!encoded) return 0;
  for (const EncodedDocument& one : *encoded) {
    if (one.tokens.size() != one.learnt.size()) __builtin_trap();
  }
  return 0;
}
