// Tokenizer: text to tokens and back, as the metadata of a model file describes it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/byte_range.h"
#include "base/result.h"
#include "gguf/metadata.h"
#include "tokenizer/bpe.h"
#include "tokenizer/roles.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/spm.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace issun::tokenizer {

struct EncodeOptions {
  bool add_special = true;    // begin and end of text, where the model wants them
  bool parse_special = true;  // "<|im_end|>" in the text is the token, not ten characters
  // Where it is ten characters all the same: in order and apart. What reaches in is no token
  // either. The text around is cut into tokens as if they were not there.
  std::span<const ByteRange> literal = {};
};

// Immutable once created; every method may be called from many threads at a time.
class Tokenizer {
 public:
  // Strings are views into the file, which must outlive the result. Models: llama (SentencePiece
  // BPE), gpt2 (byte-level BPE), gemma4, bert (WordPiece) and t5 (SentencePiece Unigram). Error:
  // another model, or anything malformed. A missing or unknown tokenizer.ggml.pre means "default"
  // and a warning (decision 0008).
  static Result<Tokenizer> create(const gguf::Metadata& metadata);

  int vocabulary_size() const { return vocabulary_->size(); }
  // tokenizer.ggml.model and tokenizer.ggml.pre; pre() is empty for models that cut no words.
  std::string_view model() const { return model_; }
  std::string_view pre() const { return pre_; }
  // What was odd about the file, or is only nearly right: to be shown once.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Malformed UTF-8 is kept, byte by byte. Error: a text of 2 GiB or more.
  Result<std::vector<Token>> encode(std::string_view text, EncodeOptions options = {}) const;

  // Tokens with those around them that encode() puts there: what it gives with add_special, of what
  // it gives without.
  std::vector<Token> framed(std::span<const Token> plain) const;
  // A question and a text to judge by it, as models that judge pairs read them.
  std::vector<Token> framed_pair(std::span<const Token> first, std::span<const Token> second) const;

  // Appends the bytes of one token, which may be part of a character (see StreamDecoder). Control
  // and unknown tokens have none unless show_special, nor has an id that is no token.
  void append_piece(Token token, bool show_special, std::string& out) const;

  // The text of a whole sequence. The space that encode() put before a text is taken away again;
  // and where the vocabulary asks for it (old corpora of words) so are spaces before punctuation.
  // Without show_special a begin at the front and an end at the back, where encode() adds them, are
  // dropped first.
  std::string decode(std::span<const Token> tokens, bool show_special) const;

  Token bos() const { return roles_.bos; }  // kNoToken: the model has none; so for the others
  Token eos() const { return roles_.eos; }
  Token eot() const { return roles_.eot; }
  Token eom() const { return roles_.eom; }
  Token separator() const { return roles_.separator; }
  bool adds_bos() const { return roles_.add_bos; }
  bool adds_eos() const { return roles_.add_eos; }
  // Generation stops here: end of text, turn, message, infill.
  bool is_end(Token token) const;
  std::span<const Token> ends() const { return roles_.ends; }

  // As in the file, "▁the" or "Ġthe". The token must be below vocabulary_size().
  std::string_view token_text(Token token) const { return vocabulary_->text(token); }
  TokenKind kind(Token token) const { return vocabulary_->kind(token); }
  // The token of exactly this text, for markup like "<think>"; kNoToken if there is none.
  Token find(std::string_view text) const { return vocabulary_->find(text); }

 private:
  Tokenizer() = default;
  Result<void> create_model(const gguf::Metadata& metadata);
  Result<void> choose_preset(const gguf::Metadata& metadata);
  Result<int> create_bpe(const gguf::Metadata& metadata);
  Result<int> create_spm(const gguf::Metadata& metadata);
  Result<void> set_strips(const gguf::Metadata& metadata);
  void encode_plain(std::string_view text, bool after_special, std::vector<Token>& tokens) const;

  std::string_view model_, pre_;
  std::vector<std::string> warnings_;
  std::unique_ptr<Vocabulary>
      vocabulary_;  // where the models below find it whenever this object moves
  Roles roles_;
  SpecialTokens special_;
  std::variant<std::monostate, Spm, Bpe, WordPiece, Unigram> encoder_;
  bool add_space_prefix_ = false;
  bool spaces_as_marks_ = false;  // in the texts of tokens
  bool clean_spaces_ = false;
};

}  // namespace issun::tokenizer
