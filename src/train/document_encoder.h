// Documents as tokens, each with whether it is learnt: every token of a text, and of a talk only
// what the assistant answers. Or pairs of texts, of which no token is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/documents.h"

namespace issun::train {

enum class EndOfText {
  AsVocabulary,  // behind a text where tokenizer.ggml.add_eos_token says so
  Always,        // behind every text
};

struct DocumentEncoderOptions {
  std::string chat_template = {};  // Jinja; empty: none, and talks are refused
  EndOfText end_of_text = EndOfText::AsVocabulary;
  bool special_in_text = false;          // "<|endoftext|>" in a text is the token
  bool completions_through_chat = true;  // where there is a template: prompt and answer as a talk
  bool pairs = false;                    // pairs, and nothing else
  std::optional<bool> thinking = {};     // enable_thinking; not set: the template's own default
  // For templates that name the date: seconds since 1970 as the clock on the wall shows them. One
  // for all documents, or a prompt would not begin the talk that goes on from it.
  int64_t clock = 0;
};

struct EncodedDocument {
  std::vector<tokenizer::Token> tokens;
  std::vector<uint8_t> learnt;  // 1: counts in the loss as a target; of a pair: begins a text
  bool whole = false;           // a talk or a pair: not to be cut where that can be helped
};

class DocumentEncoder {
 public:
  // The tokenizer must outlive the result. Error: the template does not parse.
  static Result<DocumentEncoder> create(const tokenizer::Tokenizer& tokenizer,
                                        DocumentEncoderOptions options);

  // One sequence; for a talk whose template rewrites earlier answers when the talk goes on (as
  // those do that drop old reasoning) one for each answer, ending with it. Of a pair its texts one
  // behind the other, each with the tokens around it that an embedder puts there. Any number of
  // threads. Error: the template refuses; a prompt does not begin the talk that goes on from it, so
  // that nobody could say where the answer begins; a talk without a template; a pair, or anything
  // else, where that is not wanted.
  Result<std::vector<EncodedDocument>> encode(const Document& document) const;

  const tokenizer::Tokenizer& tokenizer() const { return *tokenizer_; }
  // Of the vocabulary, of how it cuts the texts of its own tokens, of the template and of the
  // options: of all that decides what encode() gives.
  Result<uint64_t> fingerprint() const;
  // How many tokens stand behind each text of a pair.
  int ending_tokens() const;

 private:
  struct Rendered {
    std::string text;
    std::vector<tokenizer::Token> tokens;
  };
  struct Answer {
    Rendered talk;     // up to and with the answer
    size_t begin = 0;  // its first token, and one past the end of its turn
    size_t end = 0;
  };
  DocumentEncoder(const tokenizer::Tokenizer& tokenizer, DocumentEncoderOptions options)
      : tokenizer_(&tokenizer), options_(std::move(options)) {}
  Result<std::vector<EncodedDocument>> encode_chat(const Document& document) const;
  Result<EncodedDocument> encode_text(const std::string& text) const;
  Result<EncodedDocument> encode_completion(const Document& document) const;
  Result<EncodedDocument> encode_pair(const Document& document) const;
  Result<Rendered> render(const Document& document, size_t messages, bool ask) const;
  Result<Answer> find_answer(const Document& document, size_t message) const;

  const tokenizer::Tokenizer* tokenizer_;
  DocumentEncoderOptions options_;
  std::optional<chat::ChatTemplate> template_;
};

}  // namespace issun::train
