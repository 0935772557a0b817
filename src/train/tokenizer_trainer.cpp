#include "train/tokenizer_trainer.h"

#include <algorithm>

#include "base/quote.h"
#include "base/utf8.h"
#include "tokenizer/byte_chars.h"
#include "tokenizer/presets.h"
#include "tokenizer/pretokenize.h"
#include "train/tokenizer_bpe.h"
#include "train/tokenizer_charsmap.h"
#include "train/tokenizer_nfkc.h"
#include "train/tokenizer_unigram.h"
#include "train/tokenizer_words.h"

namespace issun::train {

namespace {

using tokenizer::TokenKind;

constexpr int kByteTokens = 256;
constexpr size_t kLongestSpecial = 64;
constexpr const char* kUnknown = "<unk>";
constexpr const char* kBegin = "<s>";
constexpr const char* kEnd = "</s>";
constexpr const char* kEndOfTurn = "<|im_end|>";

void say(const TokenizerOptions& options, std::string_view what) {
  if (options.progress) options.progress(what);
}

tl::unexpected<Error> too_many(const TokenizerOptions& options, const TrainingText& text,
                               size_t possible) {
  return fail(
      "vocabulary size: expected at most {}, which is what {} bytes of text allow when a token "
      "occurs {} times or more, found {}",
      possible, text.bytes(), options.min_frequency, options.vocabulary_size);
}

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

Result<const tokenizer::Preset*> find_word_cutter(const std::string& name) {
  const tokenizer::Preset* preset = tokenizer::find_preset(name);
  if (preset == nullptr) {
    return fail("pre: expected one of {}, found '{}'", tokenizer::preset_names(), printable(name));
  }
  if (preset->spaces_as_marks) {
    return fail("pre: {} cuts no words for BPE on bytes, expected another", name);
  }
  return preset;
}

// The texts of learnt tokens are no special ones: their places in the text were cut out.
Result<void> check_apart(const std::vector<std::string>& special,
                         const TrainedVocabulary& vocabulary) {
  for (const std::string& token : special) {
    if (vocabulary.find(token) == tokenizer::kNoToken) continue;
    return fail("special token '{}': expected what is no token otherwise", visible(token));
  }
  return {};
}

CutWords word_cutter(const tokenizer::Preset& preset) {
  return [pretokenizer = tokenizer::Pretokenizer(preset)](std::string_view part,
                                                          std::vector<std::string_view>& words) {
    tokenizer::Pretokenizer::Scratch scratch;
    pretokenizer.split(part, scratch);
    size_t begin = 0;
    for (const size_t end : scratch.ends) {
      words.push_back(part.substr(begin, end - begin));
      begin = end;
    }
  };
}

Result<TrainedVocabulary> train_bpe(const TrainingText& text, const TokenizerOptions& options,
                                    Workers& workers) {
  if (options.nfkc) {
    return fail("normalisation nfkc: a vocabulary of type bpe has no place to record it");
  }
  const std::vector<std::string> special = TRY(special_tokens(options));
  const tokenizer::Preset* preset = TRY(find_word_cutter(options.pre));
  const auto needed = kByteTokens + static_cast<int>(special.size());
  if (options.vocabulary_size < needed) {
    return fail("vocabulary size: expected at least {} ({} bytes and {} special tokens), found {}",
                needed, kByteTokens, special.size(), options.vocabulary_size);
  }
  say(options, "counting words");
  const std::vector<WordCount> words = count_words(text, special, word_cutter(*preset), workers);
  const int size = options.vocabulary_size - static_cast<int>(special.size());
  const auto tell = [&](int tokens) {
    if (tokens % 64 == 0) say(options, fmt::format("{} of {} tokens", tokens, size));
  };
  const LearntMerges learnt =
      learn_merges(words, {.size = size, .min_frequency = options.min_frequency, .progress = tell});
  if (static_cast<int>(learnt.tokens.size()) < size) {
    return too_many(options, text, learnt.tokens.size() + special.size());
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
  TRY(check_apart(special, vocabulary));
  add_special(special, vocabulary);
  return vocabulary;
}

void add_bytes(TrainedVocabulary& vocabulary) {
  for (int byte = 0; byte < kByteTokens; ++byte) {
    vocabulary.add(fmt::format("<0x{:02X}>", byte), TokenKind::Byte);
  }
}

Result<TrainedVocabulary> train_unigram(TrainingText& text, const TokenizerOptions& options,
                                        Workers& workers) {
  TrainedVocabulary vocabulary;
  vocabulary.model = "t5", vocabulary.pre = "default";
  const std::vector<std::string> special = TRY(special_tokens(options));
  add_special(special, vocabulary);
  if (options.byte_fallback) add_bytes(vocabulary);
  if (options.nfkc) {
    say(options, "normalising");
    vocabulary.charsmap = make_charsmap(nfkc_replacements());
    text.normalise(TRY(tokenizer::Charsmap::parse(vocabulary.charsmap)), workers);
  }
  say(options, "counting words");
  const auto cut = [&](std::string_view part, std::vector<std::string_view>& words) {
    cut_pieces(part, options.cut, words);
  };
  // All tokens so far: "<0x0A>" in a text is no piece either.
  const std::vector<WordCount> words = count_words(text, vocabulary.tokens, cut, workers);
  const PieceText pieces = index_words(words, options.character_coverage);
  const auto others = static_cast<int>(vocabulary.tokens.size());
  const int needed = others + static_cast<int>(pieces.alphabet.size());
  if (options.vocabulary_size < needed) {
    return fail(
        "vocabulary size: expected at least {} ({} characters at a coverage of {}, {} bytes and {} "
        "special tokens), found {}",
        needed, pieces.alphabet.size(), options.character_coverage,
        options.byte_fallback ? kByteTokens : 0, special.size(), options.vocabulary_size);
  }
  const auto tell = [&](int count, double log_likelihood) {
    say(options, fmt::format("{} pieces, log likelihood {:.0f}", count, log_likelihood));
  };
  say(options, "finding frequent pieces");
  const ScoredPieces learnt = learn_pieces(pieces,
                                           {.pieces = options.vocabulary_size - others,
                                            .min_frequency = options.min_frequency,
                                            .progress = tell},
                                           workers);
  if (static_cast<int>(learnt.size()) + others < options.vocabulary_size) {
    return too_many(options, text, learnt.size() + static_cast<size_t>(others));
  }
  for (const auto& [piece, score] : learnt) vocabulary.add(piece, TokenKind::Normal, score);
  return vocabulary;
}

}  // namespace

Result<TrainedVocabulary> train_tokenizer(TrainingText& text, const TokenizerOptions& options,
                                          Workers& workers) {
  if (options.type == TokenizerType::Unigram) return train_unigram(text, options, workers);
  return train_bpe(text, options, workers);
}

}  // namespace issun::train
