#include "train/tokenizer_trainer.h"

#include <algorithm>

#include "base/quote.h"
#include "base/utf8.h"
#include "tokenizer/byte_chars.h"
#include "tokenizer/presets.h"
#include "tokenizer/pretokenize.h"
#include "train/tokenizer_bpe.h"
#include "train/tokenizer_words.h"

namespace issun::train {

namespace {

using tokenizer::TokenKind;

constexpr size_t kLongestSpecial = 64;
constexpr const char* kUnknown = "<unk>";
constexpr const char* kBegin = "<s>";
constexpr const char* kEnd = "</s>";
constexpr const char* kEndOfTurn = "<|im_end|>";

// All special tokens, those first that the type needs.
Result<std::vector<std::string>> special_tokens(const TokenizerOptions& options) {
  std::vector<std::string> special = {kBegin, kEnd};
  if (options.type == TokenizerType::Unigram) special.insert(special.begin(), kUnknown);
  for (const std::string& text : options.special) {
    if (text.empty() || text.size() > kLongestSpecial || !valid_utf8(text)) {
      return fail("special token '{}': expected 1 to {} bytes of UTF-8", visible(text),
                  kLongestSpecial);
    }
    if (std::find(special.begin(), special.end(), text) != special.end()) {
      return fail("special token '{}': expected each once, found it again", visible(text));
    }
    special.push_back(text);
  }
  return special;
}

void add_special(const std::vector<std::string>& special, TrainedVocabulary& vocabulary) {
  for (const std::string& text : special) {
    vocabulary.add(text, text == kUnknown ? TokenKind::Unknown : TokenKind::Control);
  }
  vocabulary.unknown = vocabulary.find(kUnknown);
  vocabulary.bos = vocabulary.find(kBegin);
  vocabulary.eos = vocabulary.find(kEnd);
  vocabulary.eot = vocabulary.find(kEndOfTurn);
}

std::string chars_of_bytes(std::string_view bytes) {
  std::string chars;
  for (const char byte : bytes) chars += tokenizer::char_of_byte(static_cast<uint8_t>(byte));
  return chars;
}

Result<const tokenizer::Preset*> word_cutter(const std::string& name) {
  const tokenizer::Preset* preset = tokenizer::find_preset(name);
  if (preset == nullptr) {
    return fail("pre: expected one of {}, found '{}'", tokenizer::preset_names(), printable(name));
  }
  if (preset->spaces_as_marks) {
    return fail("pre: {} cuts no words for BPE on bytes, expected another", name);
  }
  return preset;
}

Result<TrainedVocabulary> train_bpe(const TrainingText& text, const TokenizerOptions& options,
                                    Workers& workers) {
  constexpr int kBytes = 256;
  const std::vector<std::string> special = TRY(special_tokens(options));
  const tokenizer::Preset* preset = TRY(word_cutter(options.pre));
  const auto needed = kBytes + static_cast<int>(special.size());
  if (options.vocabulary_size < needed) {
    return fail("vocabulary size: expected at least {} ({} bytes and {} special tokens), found {}",
                needed, kBytes, special.size(), options.vocabulary_size);
  }
  const tokenizer::Pretokenizer pretokenizer(*preset);
  const auto cut = [&](std::string_view part, std::vector<std::string_view>& words) {
    tokenizer::Pretokenizer::Scratch scratch;
    pretokenizer.split(part, scratch);
    size_t begin = 0;
    for (const size_t end : scratch.ends) {
      words.push_back(part.substr(begin, end - begin));
      begin = end;
    }
  };
  options.progress("counting words");
  const std::vector<WordCount> words = count_words(text, special, cut, workers);
  const int size = options.vocabulary_size - static_cast<int>(special.size());
  const LearntMerges learnt = learn_merges(
      words, {.size = size, .min_frequency = options.min_frequency, .progress = [&](int tokens) {
                if (tokens % 64 == 0)
                  options.progress(fmt::format("{} of {} tokens", tokens, size));
              }});
  if (static_cast<int>(learnt.tokens.size()) < size) {
    return fail(
        "vocabulary size: expected at most {}, which is what {} bytes of text with pairs that "
        "occur "
        "{} times or more allow, found {}",
        learnt.tokens.size() + special.size(), text.bytes(), options.min_frequency,
        options.vocabulary_size);
  }
  TrainedVocabulary vocabulary;
  vocabulary.model = "gpt2", vocabulary.pre = options.pre;
  for (const std::string& token : learnt.tokens) {
    vocabulary.add(chars_of_bytes(token), TokenKind::Normal);
  }
  for (const auto& [left, right] : learnt.merges) {
    vocabulary.merges.push_back(vocabulary.tokens[static_cast<size_t>(left)] + " " +
                                vocabulary.tokens[static_cast<size_t>(right)]);
  }
  for (const std::string& token : special) {
    if (vocabulary.find(token) == tokenizer::kNoToken) continue;
    return fail("special token '{}': it is a token of the text as well", visible(token));
  }
  add_special(special, vocabulary);
  return vocabulary;
}

}  // namespace

Result<TrainedVocabulary> train_tokenizer(const TrainingText& text, const TokenizerOptions& options,
                                          Workers& workers) {
  return train_bpe(text, options, workers);
}

}  // namespace issun::train
