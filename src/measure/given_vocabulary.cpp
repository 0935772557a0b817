#include "measure/given_vocabulary.h"

#include "base/file.h"

namespace issun::measure {

namespace {

constexpr int64_t kLongestTokenizer = 128 << 20;

bool is_json(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace

Result<import::Vocabulary> read_vocabulary(const std::string& path) {
  const std::string text = TRY(read_text(path, kLongestTokenizer));
  if (is_json(text)) return import::read_tokenizer_json(text, path, "", false);
  import::Vocabulary vocabulary =
      TRY(import::read_sentencepiece(std::as_bytes(std::span(text)), path));
  if (vocabulary.ids.contains("bos")) vocabulary.adds["bos"] = true;
  return vocabulary;
}

Result<import::Vocabulary> fitted_vocabulary(import::Vocabulary vocabulary, int size) {
  if (vocabulary.tokens.size() > static_cast<size_t>(size)) {
    return fail("vocabulary: expected at most the {} tokens of the shape, found {}", size,
                vocabulary.tokens.size());
  }
  vocabulary.pad(size);
  return vocabulary;
}

}  // namespace issun::measure
