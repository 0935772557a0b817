// libFuzzer target: any text through small vocabularies, and any vocabulary. The first byte
// chooses.
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "base/utf8.h"
#include "tokenizer/made_up_vocabulary.h"
#include "tokenizer/stream_decoder.h"

using namespace issun;
using namespace issun::tokenizer;

namespace {

// A vocabulary and the tokenizer that looks into it.
struct Subject {
  explicit Subject(MadeUpVocabulary v)
      : made_up(std::move(v)),
        metadata(made_up.metadata()),
        tokenizer(Tokenizer::create(metadata)) {}
  MadeUpVocabulary made_up;
  gguf::Metadata metadata;
  Result<Tokenizer> tokenizer;
};

// The tokens of a text say all its bytes, and stream as valid UTF-8.
void check_text(const Tokenizer& tokenizer, std::string_view text, const std::string& expected) {
  const auto tokens = tokenizer.encode(text, {.add_special = false, .parse_special = false});
  CHECK_THAT(tokens.has_value());
  std::string bytes, streamed;
  StreamDecoder decoder;
  for (const Token t : *tokens) {
    std::string piece;
    tokenizer.append_piece(t, false, piece);
    decoder.feed(piece, streamed);
    bytes += piece;
  }
  decoder.flush(streamed);
  CHECK_THAT(bytes == expected);
  CHECK_THAT(streamed == repaired_utf8(expected));
}

void fuzz_bpe(std::string_view text, uint8_t choice) {
  static const auto subjects = [] {
    std::vector<std::unique_ptr<Subject>> all;
    const std::string names = preset_names();
    for (size_t at = 0, end; at < names.size(); at = end + 1) {
      end = std::min(names.find(' ', at), names.size());
      const std::string name = names.substr(at, end - at);
      if (find_preset(name)->spaces_as_marks) continue;  // those need other byte tokens
      all.push_back(std::make_unique<Subject>(made_up_bpe(name)));
    }
    return all;
  }();
  const Tokenizer& tokenizer = *subjects[choice % subjects.size()]->tokenizer;
  check_text(tokenizer, text, std::string(text));
  const auto tokens = tokenizer.encode(text);
  CHECK_THAT(tokens.has_value());
  tokenizer.decode(*tokens, choice & 1);
}

void fuzz_spm(std::string_view text) {
  static const Subject subject(made_up_spm());
  // A mark in the text is a space afterwards: the format has no way to tell them apart.
  std::string expected = text.empty() ? "" : " ";
  for (size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at).starts_with(kSpaceMark);
    expected += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  check_text(*subject.tokenizer, text, expected);
}

// Lines up to an empty one are tokens ("kind score-byte text") and merges ("m left right"), the
// rest is text. A line "c..." adds bytes to the charsmap of t5.
void fuzz_vocabulary(std::string_view input, uint8_t choice) {
  constexpr const char* kModels[] = {"llama", "gpt2", "gemma4", "bert", "t5"};
  constexpr const char* kSplitters[] = {"", "gpt-2", "llama-bpe", "gemma4", "deepseek-llm"};
  MadeUpVocabulary v;
  v.model = kModels[choice % 5];
  v.pre = kSplitters[choice / 5 % 5];
  if (choice & 128) v.name = "phi-3";
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    if (line.empty()) break;
    if (line[0] == 'm') {
      v.merges.emplace_back(line.substr(1));
    } else if (line[0] == 'c') {
      v.charsmap.insert(v.charsmap.end(), line.begin() + 1, line.end());
    } else if (line.size() > 1) {
      v.add(std::string(line.substr(2)), static_cast<TokenKind>(line[0] % 8),
            static_cast<signed char>(line[1]));
    }
  }
  v.ids = {{"tokenizer.ggml.bos_token_id", static_cast<signed char>(choice)},
           {"tokenizer.ggml.eos_token_id", choice % 5},
           {"tokenizer.ggml.unknown_token_id", 0}};
  v.flags = {{"tokenizer.ggml.add_eos_token", choice % 2 == 0},
             {"tokenizer.ggml.add_space_prefix", choice % 4 == 0}};
  const Subject subject(std::move(v));
  if (!subject.tokenizer) return;
  for (const bool all : {false, true}) {
    const auto tokens =
        subject.tokenizer->encode(input, {.add_special = all, .parse_special = all});
    CHECK_THAT(tokens.has_value());
    for (const Token t : *tokens) CHECK_THAT(t >= 0 && t < subject.tokenizer->vocabulary_size());
    subject.tokenizer->decode(*tokens, all);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  if (data[0] % 3 == 0) fuzz_bpe(input, data[1]);
  if (data[0] % 3 == 1) fuzz_spm(input);
  if (data[0] % 3 == 2) fuzz_vocabulary(input, data[1]);
  return 0;
}
