#include "tokenizer/tokenizer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/utf8.h"
#include "tokenizer/presets.h"

namespace issun::tokenizer {
namespace {

constexpr std::string_view kModels[] = {"llama", "gpt2", "gemma4", "bert", "t5"};

bool knows(std::string_view model) {
  return std::find(std::begin(kModels), std::end(kModels), model) != std::end(kModels);
}

// What holds in these kinds of vocabularies when the file does not say.
const Roles kLlamaRoles = {.bos = 1, .eos = 2, .unknown = 0, .add_bos = true};
const Roles kBertRoles = {.bos = 101, .unknown = 100, .separator = 102, .add_separator = true};
const Roles kT5Roles = {.eos = 1, .unknown = 2, .add_eos = true, .separates_pairs = true};

void append_marked(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
}

}  // namespace

Result<Tokenizer> Tokenizer::create(const gguf::Metadata& metadata) {
  Tokenizer tokenizer;
  tokenizer.model_ = TRY(metadata.require<std::string_view>("tokenizer.ggml.model"));
  if (!knows(tokenizer.model_)) {
    return fail("tokenizer.ggml.model: expected {}, found '{}'", fmt::join(kModels, ", "),
                tokenizer.model_.substr(0, 40));
  }
  tokenizer.vocabulary_ = std::make_unique<Vocabulary>(TRY(Vocabulary::load(metadata)));
  TRY(tokenizer.create_model(metadata));
  tokenizer.add_space_prefix_ =
      TRY(metadata.value_or<bool>("tokenizer.ggml.add_space_prefix", tokenizer.model_ == "llama"));
  tokenizer.special_ = SpecialTokens(*tokenizer.vocabulary_);
  TRY(tokenizer.set_strips(metadata));
  return tokenizer;
}

Result<void> Tokenizer::create_model(const gguf::Metadata& metadata) {
  int missing = 0;
  if (model_ == "llama") {
    missing = TRY(create_spm(metadata));
  } else if (model_ == "bert") {
    roles_ = TRY(Roles::read(metadata, kBertRoles, *vocabulary_, warnings_));
    encoder_ = TRY(WordPiece::create(*vocabulary_, metadata, roles_.unknown));
    spaces_as_marks_ = clean_spaces_ = true;
  } else if (model_ == "t5") {
    roles_ = TRY(Roles::read(metadata, kT5Roles, *vocabulary_, warnings_));
    encoder_ = TRY(Unigram::create(*vocabulary_, metadata, roles_.unknown));
    spaces_as_marks_ = true;
  } else {
    missing = TRY(create_bpe(metadata));
  }
  if (missing > 0) {
    warnings_.push_back(fmt::format(
        "the vocabulary has no token for {} of the 256 bytes: text that needs them loses them",
        missing));
  }
  return {};
}

// Both return how many bytes the vocabulary cannot express.
Result<int> Tokenizer::create_spm(const gguf::Metadata& metadata) {
  roles_ = TRY(Roles::read(metadata, kLlamaRoles, *vocabulary_, warnings_));
  Spm spm = TRY(Spm::create(*vocabulary_, roles_.unknown));
  const int missing = spm.missing_bytes();
  encoder_ = std::move(spm);
  spaces_as_marks_ = true;
  return missing;
}

Result<int> Tokenizer::create_bpe(const gguf::Metadata& metadata) {
  TRY(choose_preset(metadata));
  const Preset& preset = *find_preset(pre_);
  roles_ = TRY(Roles::read(metadata, {.add_bos = preset.add_bos}, *vocabulary_, warnings_));
  Bpe bpe = TRY(
      Bpe::create(*vocabulary_, preset,
                  TRY(metadata.require<std::vector<std::string_view>>("tokenizer.ggml.merges"))));
  const int missing = bpe.missing_bytes();
  encoder_ = std::move(bpe);
  spaces_as_marks_ = preset.spaces_as_marks;
  clean_spaces_ = preset.clean_spaces;
  return missing;
}

Result<void> Tokenizer::choose_preset(const gguf::Metadata& metadata) {
  pre_ = model_ == "gemma4"
             ? "gemma4"
             : TRY(metadata.value_or<std::string_view>("tokenizer.ggml.pre", std::string_view()));
  std::string problem;
  if (pre_.empty()) {
    problem = "is missing";
  } else if (find_preset(pre_) == nullptr) {
    problem = fmt::format("'{}' IS UNKNOWN to this version", pre_.substr(0, 40));
  }
  if (problem.empty()) return {};
  pre_ = "default";
  warnings_.push_back(
      fmt::format("tokenizer.ggml.pre: {}: words are cut by the rules 'default', which may not be "
                  "those the model was trained with; expect WORSE RESULTS than the model's own",
                  problem));
  return {};
}

// Which special tokens swallow whitespace is a fact that GGUF has no key for: the few vocabularies
// that need it are known by name, as in the reference engine.
Result<void> Tokenizer::set_strips(const gguf::Metadata& metadata) {
  const auto name =
      lower_ascii(TRY(metadata.value_or<std::string_view>("general.name", std::string_view())));
  const auto architecture =
      TRY(metadata.value_or<std::string_view>("general.architecture", std::string_view()));
  const auto named = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (pre_ == "jina-v2-de" || pre_ == "jina-v2-es" || pre_ == "jina-v2-code" ||
      architecture == "nomic-bert-moe" || architecture == "jina-bert-v3") {
    special_.strip_left(vocabulary_->find("<mask>"));
  } else if (named("phi-3") || named("phi3")) {
    for (const Token token : special_.tokens()) {
      const std::string_view text = vocabulary_->text(token);
      if (text != "<unk>" && text != "<s>" && text != "<|endoftext|>") special_.strip_right(token);
    }
  } else if (named("modern-bert")) {
    special_.strip_left(vocabulary_->find("[MASK]"));
  }
  return {};
}

Result<std::vector<Token>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() >= static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return fail("a text to encode: expected less than 2 GiB, found {} bytes", text.size());
  }
  std::vector<Fragment> fragments;
  special_.cut(text, options.parse_special, fragments, options.literal);
  std::vector<Token> tokens;
  bool after_special = true;  // so is the beginning
  for (const Fragment& fragment : fragments) {
    if (fragment.token != kNoToken) tokens.push_back(fragment.token);
    if (fragment.token == kNoToken) encode_plain(fragment.text, after_special, tokens);
    after_special = fragment.token != kNoToken;
  }
  return options.add_special ? framed(tokens) : tokens;
}

std::vector<Token> Tokenizer::framed(std::span<const Token> plain) const {
  std::vector<Token> tokens;
  tokens.reserve(plain.size() + 2);
  if (roles_.add_bos) tokens.push_back(roles_.bos);
  tokens.insert(tokens.end(), plain.begin(), plain.end());
  if (roles_.end() != kNoToken) tokens.push_back(roles_.end());
  return tokens;
}

std::vector<Token> Tokenizer::framed_pair(std::span<const Token> first,
                                          std::span<const Token> second) const {
  std::vector<Token> tokens = framed(first);
  if (roles_.separates_pairs) tokens.push_back(roles_.separator);
  tokens.insert(tokens.end(), second.begin(), second.end());
  if (roles_.end() != kNoToken) tokens.push_back(roles_.end());
  return tokens;
}

void Tokenizer::encode_plain(std::string_view text, bool after_special,
                             std::vector<Token>& tokens) const {
  if (const auto* words = std::get_if<WordPiece>(&encoder_)) return words->encode(text, tokens);
  if (const auto* unigram = std::get_if<Unigram>(&encoder_)) return unigram->encode(text, tokens);
  std::string marked;
  if (spaces_as_marks_) {
    if (model_ == "llama" && add_space_prefix_ && after_special) marked += kSpaceMark;
    append_marked(text, marked);
    text = marked;
  }
  if (const auto* spm = std::get_if<Spm>(&encoder_)) spm->encode(text, tokens);
  if (const auto* bpe = std::get_if<Bpe>(&encoder_)) bpe->encode(text, tokens);
}

bool Tokenizer::is_end(Token token) const {
  return std::binary_search(roles_.ends.begin(), roles_.ends.end(), token);
}

}  // namespace issun::tokenizer
