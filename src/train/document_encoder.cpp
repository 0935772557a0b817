#include "train/document_encoder.h"

#include <algorithm>
#include <utility>

#include "base/quote.h"
#include "chat/prompt_tokens.h"
#include "train/block_hash.h"

namespace issun::train {

namespace {

using chat::jinja::Value;
using tokenizer::Token;

// How many tokens two sequences have in common from the front.
size_t common_tokens(const std::vector<Token>& a, const std::vector<Token>& b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(ends.first - a.begin());
}

bool learns_from(const Value& message) {
  if (message.entries().find("role")->text() != "assistant") return false;
  const Value* weight = message.entries().find("weight");
  return weight == nullptr || weight->number() != 0;
}

EncodedDocument all_learnt(std::vector<Token> tokens) {
  EncodedDocument encoded;
  encoded.learnt.assign(tokens.size(), 1);
  encoded.tokens = std::move(tokens);
  return encoded;
}

EncodedDocument nothing_learnt(std::vector<Token> tokens) {
  EncodedDocument encoded = all_learnt(std::move(tokens));
  std::fill(encoded.learnt.begin(), encoded.learnt.end(), uint8_t{0});
  encoded.whole = true;
  return encoded;
}

void learn(size_t begin, size_t end, EncodedDocument* encoded) {
  for (size_t t = begin; t < end; ++t) encoded->learnt[t] = 1;
}

const char* name_of(Document::Kind kind) {
  switch (kind) {
    case Document::Kind::Text:
      return "a text";
    case Document::Kind::Chat:
      return "a talk";
    case Document::Kind::Completion:
      return "a prompt with its answer";
    case Document::Kind::Pair:
      break;
  }
  return "a pair";
}

// A talk of a prompt and its answer.
Document as_chat(const Document& completion) {
  Document talk;
  talk.kind = Document::Kind::Chat;
  talk.messages =
      Value::list({Value::dict({{"role", "user"}, {"content", completion.prompt}}),
                   Value::dict({{"role", "assistant"}, {"content", completion.answer}})});
  return talk;
}

}  // namespace

Result<DocumentEncoder> DocumentEncoder::create(const tokenizer::Tokenizer& tokenizer,
                                                DocumentEncoderOptions options) {
  DocumentEncoder encoder(tokenizer, std::move(options));
  if (!encoder.options_.chat_template.empty()) {
    encoder.template_ = TRY(chat::ChatTemplate::parse(encoder.options_.chat_template));
  }
  return encoder;
}

Result<std::vector<EncodedDocument>> DocumentEncoder::encode(const Document& document) const {
  std::vector<EncodedDocument> one(1);
  if (options_.pairs && document.kind != Document::Kind::Pair) {
    return fail(
        "expected a pair for contrastive learning (query or anchor, and positive), found {}",
        name_of(document.kind));
  }
  switch (document.kind) {
    case Document::Kind::Text:
      one[0] = TRY(encode_text(document.text));
      return one;
    case Document::Kind::Chat:
      return encode_chat(document);
    case Document::Kind::Completion:
      if (template_ && options_.completions_through_chat) return encode_chat(as_chat(document));
      one[0] = TRY(encode_completion(document));
      return one;
    case Document::Kind::Pair:
      if (!options_.pairs) break;
      one[0] = TRY(encode_pair(document));
      return one;
  }
  return fail(
      "expected text, a talk or a prompt with its answer, found a pair, which is for contrastive "
      "learning (tune --contrastive)");
}

Result<EncodedDocument> DocumentEncoder::encode_text(const std::string& text) const {
  std::vector<Token> tokens = TRY(tokenizer_->encode(
      text, {.add_special = true, .parse_special = options_.special_in_text, .literal = {}}));
  const Token eos = tokenizer_->eos();
  const bool end = options_.end_of_text == EndOfText::Always && eos != tokenizer::kNoToken;
  if (end && (tokens.empty() || tokens.back() != eos)) tokens.push_back(eos);
  return all_learnt(std::move(tokens));
}

Result<EncodedDocument> DocumentEncoder::encode_completion(const Document& document) const {
  const std::string asked = document.prompt + document.separator;
  const tokenizer::EncodeOptions options = {
      .add_special = true, .parse_special = options_.special_in_text, .literal = {}};
  const std::vector<Token> prompt = TRY(tokenizer_->encode(asked, options));
  std::vector<Token> tokens = TRY(tokenizer_->encode(asked + document.answer, options));
  const Token eos = tokenizer_->eos();
  if (eos != tokenizer::kNoToken && (tokens.empty() || tokens.back() != eos)) {
    tokens.push_back(eos);
  }
  const size_t begin = common_tokens(prompt, tokens);
  EncodedDocument encoded = nothing_learnt(std::move(tokens));
  learn(begin, encoded.tokens.size(), &encoded);
  return encoded;
}

Result<EncodedDocument> DocumentEncoder::encode_pair(const Document& document) const {
  EncodedDocument pair;
  pair.whole = true;
  for (const std::string* text : {&document.query, &document.positive, &document.negative}) {
    if (text == &document.negative && text->empty()) break;  // none was given
    // As engine/embedder reads a text: special tokens in it are tokens.
    const std::vector<Token> tokens = TRY(tokenizer_->encode(*text));
    if (tokens.empty()) return fail("a text of the pair: expected at least one token, found none");
    pair.tokens.insert(pair.tokens.end(), tokens.begin(), tokens.end());
    pair.learnt.push_back(1);
    pair.learnt.resize(pair.tokens.size(), 0);
  }
  return pair;
}

int DocumentEncoder::ending_tokens() const {
  return static_cast<int>(tokenizer_->framed({}).size()) - (tokenizer_->adds_bos() ? 1 : 0);
}

// The first `messages` of the talk; `ask`: with what stands before the next answer.
Result<DocumentEncoder::Rendered> DocumentEncoder::render(const Document& document, size_t messages,
                                                          bool ask) const {
  const std::vector<Value>& all = document.messages.items().values;
  chat::ChatInput input;
  input.messages = Value::list({all.begin(), all.begin() + static_cast<ptrdiff_t>(messages)});
  input.tools = document.tools;
  input.add_generation_prompt = ask;
  input.enable_thinking = options_.thinking;
  input.clock = options_.clock;
  chat::name_text_ends(*tokenizer_, &input);
  chat::ChatPrompt prompt = TRY(template_->apply(input));
  std::vector<Token> tokens = TRY(chat::encode_prompt(*tokenizer_, prompt));
  // The end of a text where the vocabulary puts one: the talk goes on.
  if (tokenizer_->adds_eos() && !tokens.empty() && !prompt.text.ends_with(input.eos_token)) {
    tokens.pop_back();
  }
  return Rendered{std::move(prompt.text), std::move(tokens)};
}

Result<DocumentEncoder::Answer> DocumentEncoder::find_answer(const Document& document,
                                                             size_t message) const {
  const Rendered prompt = TRY(render(document, message, true));
  Answer answer;
  answer.talk = TRY(render(document, message + 1, false));
  const std::string& text = answer.talk.text;
  if (!text.starts_with(prompt.text)) {
    const auto ends =
        std::mismatch(prompt.text.begin(), prompt.text.end(), text.begin(), text.end());
    const size_t at = static_cast<size_t>(ends.first - prompt.text.begin());
    return fail(
        "message {}: the chat template's prompt for the answer does not begin the talk with "
        "the answer: at byte {} expected '{}', found '{}'",
        message, at, printable(std::string_view(prompt.text).substr(at)),
        printable(std::string_view(text).substr(at, 24)));
  }
  const std::vector<Token>& tokens = answer.talk.tokens;
  answer.begin = common_tokens(prompt.tokens, tokens);
  answer.end = tokens.size();
  // What stands behind the end of the turn is the template's, not the model's.
  for (size_t t = tokens.size(); t > answer.begin; --t) {
    if (!tokenizer_->is_end(tokens[t - 1])) continue;
    answer.end = t;
    break;
  }
  return answer;
}

Result<std::vector<EncodedDocument>> DocumentEncoder::encode_chat(const Document& document) const {
  if (!template_) return fail("a talk needs a chat template, and this model has none");
  const std::vector<Value>& messages = document.messages.items().values;
  std::vector<Answer> answers;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (learns_from(messages[i])) answers.push_back(TRY(find_answer(document, i)));
  }
  std::vector<EncodedDocument> encoded;
  if (answers.empty()) return encoded;
  // What stands behind the last answer teaches nothing.
  const Rendered& whole = answers.back().talk;
  const bool goes_on = std::all_of(answers.begin(), answers.end(), [&](const Answer& answer) {
    return whole.text.starts_with(answer.talk.text) &&
           common_tokens(answer.talk.tokens, whole.tokens) >= answer.end;
  });
  for (const Answer& answer : answers) {
    if (encoded.empty() || !goes_on) {
      encoded.push_back(nothing_learnt(goes_on ? whole.tokens : answer.talk.tokens));
    }
    learn(answer.begin, answer.end, &encoded.back());
  }
  return encoded;
}

Result<uint64_t> DocumentEncoder::fingerprint() const {
  BlockHash hash;
  const auto text = [&](std::string_view value) {
    const uint64_t size = value.size();
    hash.add(std::as_bytes(std::span(&size, 1)));
    hash.add(std::as_bytes(std::span(value)));
  };
  const auto number = [&](int64_t value) { hash.add(std::as_bytes(std::span(&value, 1))); };
  text(tokenizer_->model());
  text(tokenizer_->pre());
  // How words are merged does not show in the tokens, but in what comes of their texts.
  constexpr size_t kProbeBytes = 1 << 18;
  std::string probe;
  const int size = tokenizer_->vocabulary_size();
  for (Token token = 0; token < size; ++token) {
    text(tokenizer_->token_text(token));
    number(static_cast<int64_t>(tokenizer_->kind(token)));
    if (probe.size() < kProbeBytes) tokenizer_->append_piece(size - 1 - token, false, probe);
  }
  const auto tokens = TRY(tokenizer_->encode(probe));
  for (const Token token : tokens) number(token);
  for (const Token token : {tokenizer_->bos(), tokenizer_->eos()}) number(token);
  for (const Token token : tokenizer_->ends()) number(token);
  text(options_.chat_template);
  number(static_cast<int64_t>(options_.end_of_text));
  number(options_.special_in_text);
  number(options_.completions_through_chat);
  number(options_.thinking ? *options_.thinking : -1);
  if (options_.pairs) text("pairs");
  return hash.value();
}

}  // namespace issun::train
