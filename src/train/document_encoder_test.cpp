#include "train/document_encoder.h"

#include "base/folder.h"
#include "shared_data.h"
#include "train/made_up_tokens.h"

using namespace issun;
using namespace issun::train;

namespace {

DocumentEncoder encoder_for(DocumentEncoderOptions options) {
  auto encoder = DocumentEncoder::create(chat_tokenizer(), std::move(options));
  REQUIRE_MESSAGE(encoder, encoder.error().message);
  return std::move(*encoder);
}

Document record(const std::string& line) {
  auto document = read_record(line);
  REQUIRE_MESSAGE(document, document.error().message);
  return std::move(*document);
}

// The text of the tokens, with those that are learnt in square brackets.
std::string marked(const EncodedDocument& encoded) {
  REQUIRE(encoded.learnt.size() == encoded.tokens.size());
  std::string text;
  bool inside = false;
  for (size_t t = 0; t < encoded.tokens.size(); ++t) {
    if ((encoded.learnt[t] != 0) != inside) text += inside ? "]" : "[";
    inside = encoded.learnt[t] != 0;
    chat_tokenizer().append_piece(encoded.tokens[t], true, text);
  }
  return inside ? text + "]" : text;
}

constexpr const char* kTwoTurns =
    R"({"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "one"},
        {"role": "user", "content": "<|im_end|>"}, {"role": "assistant", "content": "two"}]})";

}  // namespace

TEST_CASE("Of a talk the answers and the ends of their turns are learnt, nothing else") {
  const auto encoded = encoder_for({.chat_template = kChatMl}).encode(record(kTwoTurns));
  REQUIRE_MESSAGE(encoded, encoded.error().message);
  REQUIRE(encoded->size() == 1);
  CHECK((*encoded)[0].whole);
  CHECK(marked((*encoded)[0]) ==
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n[one<|im_end|>]\n"
        "<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n[two<|im_end|>]\n");
  // What a person wrote is no mark: ten characters, not one token.
  const auto& tokens = (*encoded)[0].tokens;
  CHECK(std::count(tokens.begin(), tokens.end(), chat_tokenizer().eot()) == 4);
}

TEST_CASE("An answer of weight 0 is not learnt, and without a learnt one nothing comes") {
  std::string line = kTwoTurns;
  line.replace(line.find("\"one\""), 5, "\"one\", \"weight\": 0");
  const DocumentEncoder encoder = encoder_for({.chat_template = kChatMl});
  CHECK(marked((*encoder.encode(record(line)))[0]).find("[one") == std::string::npos);
  const auto nothing = encoder.encode(
      record(R"({"messages": [{"role": "assistant", "content": "x", "weight": 0}]})"));
  REQUIRE(nothing);
  CHECK(nothing->empty());
}

TEST_CASE("A template that rewrites earlier answers gives one sequence for each answer") {
  // As Qwen3 does: the last answer is written with an empty thought, those before it without.
  const std::string rewriting =
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if loop.last and m.role == 'assistant' "
      "%}<think>\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const auto encoded = encoder_for({.chat_template = rewriting}).encode(record(kTwoTurns));
  REQUIRE_MESSAGE(encoded, encoded.error().message);
  REQUIRE(encoded->size() == 2);
  CHECK(marked((*encoded)[0]) ==
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n[<think>\none<|im_end|>]\n");
  CHECK(
      marked((*encoded)[1]) ==
      "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\none<|im_end|>\n"
      "<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n[<think>\ntwo<|im_end|>]\n");
}

TEST_CASE("A prompt that does not begin the talk with its answer is an error that says where") {
  const std::string broken =
      "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
      "{% if add_generation_prompt %}[assistant] <think>{% endif %}";
  const auto encoded = encoder_for({.chat_template = broken}).encode(record(kTwoTurns));
  REQUIRE_FALSE(encoded);
  CHECK(encoded.error().message ==
        "message 1: the chat template's prompt for the answer does not begin the talk with the "
        "answer: at byte 25 expected '<think>', found 'one\\x0a'");
}

TEST_CASE("A prompt and its answer become a talk, or one text, of which the answer is learnt") {
  const Document order = record(R"({"instruction": "hello", "output": "world"})");
  const auto talk = encoder_for({.chat_template = kChatMl}).encode(order);
  REQUIRE_MESSAGE(talk, talk.error().message);
  CHECK(marked((*talk)[0]) ==
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n[world<|im_end|>]\n");
  const auto plain = encoder_for({}).encode(order);
  REQUIRE_MESSAGE(plain, plain.error().message);
  CHECK(marked((*plain)[0]) == "hello\n\n[world<|finish|>]");
}

TEST_CASE("Of a text everything is learnt, and its end is put where it is asked for") {
  const Document text = record(R"({"text": "hello<|im_end|>"})");
  const auto encoded = [&](DocumentEncoderOptions options) {
    return (*encoder_for(std::move(options)).encode(text))[0];
  };
  CHECK(marked(encoded({})) == "[hello<|im_end|>]");
  CHECK(encoded({}).tokens.back() != chat_tokenizer().eot());
  CHECK(encoded({.special_in_text = true}).tokens.back() == chat_tokenizer().eot());
  CHECK(encoded({.end_of_text = EndOfText::Always}).tokens.back() == chat_tokenizer().eos());
  CHECK_FALSE(encoded({}).whole);
}

TEST_CASE("A talk without a template and a pair are refused") {
  CHECK(encoder_for({}).encode(record(kTwoTurns)).error().message ==
        "a talk needs a chat template, and this model has none");
  CHECK_FALSE(encoder_for({}).encode(record(R"({"query": "a", "positive": "b"})")));
  CHECK_FALSE(DocumentEncoder::create(chat_tokenizer(), {.chat_template = "{% if"}));
}

TEST_CASE("The texts of a pair are what an embedder reads, and each begins with a mark") {
  // Its own ends of texts, as models that embed have them.
  tokenizer::MadeUpVocabulary made = tokenizer::made_up_bpe();
  made.flags.emplace_back("tokenizer.ggml.add_eos_token", true);
  const auto ending = *tokenizer::Tokenizer::create(made.metadata());
  for (const tokenizer::Tokenizer* tokenizer : {&chat_tokenizer(), &ending}) {
    const auto encoder = *DocumentEncoder::create(*tokenizer, {.pairs = true});
    CHECK(encoder.ending_tokens() == (tokenizer == &ending ? 1 : 0));
    const std::string texts[] = {"hello<|im_end|>", "world, hello", "one"};
    std::vector<tokenizer::Token> tokens;
    std::vector<uint8_t> marks;
    for (const std::string& text : texts) {
      const auto plain = *tokenizer->encode(text, {.add_special = false});  // engine/embedder.cpp
      for (const tokenizer::Token token : tokenizer->framed(plain)) {
        tokens.push_back(token);
      }
      marks.push_back(1);
      marks.resize(tokens.size(), 0);
    }
    const auto encoded = encoder.encode(
        record(R"({"query": "hello<|im_end|>", "positive": "world, hello", "negative": "one"})"));
    REQUIRE_MESSAGE(encoded, encoded.error().message);
    REQUIRE(encoded->size() == 1);
    CHECK((*encoded)[0].whole);
    CHECK((*encoded)[0].tokens == tokens);
    CHECK((*encoded)[0].learnt == marks);
    const auto two = *encoder.encode(record(R"({"anchor": "hello", "positive": "one"})"));
    CHECK(std::count(two[0].learnt.begin(), two[0].learnt.end(), 1) == 2);
  }
}

TEST_CASE("Where pairs are wanted everything else is refused by name") {
  const auto encoder = encoder_for({.pairs = true});
  CHECK(encoder.encode(record(kTwoTurns)).error().message ==
        "expected a pair for contrastive learning (query or anchor, and positive), found a talk");
  CHECK(encoder.encode(record(R"({"text": "hello"})")).error().message.ends_with("found a text"));
  CHECK(encoder.encode(record(R"({"prompt": "a", "completion": "b"})"))
            .error()
            .message.ends_with("found a prompt with its answer"));
  CHECK(*encoder.fingerprint() != *encoder_for({}).fingerprint());
}

TEST_CASE("The fingerprint tells encoders apart that would give other tokens") {
  const uint64_t plain = *encoder_for({}).fingerprint();
  CHECK(plain == *encoder_for({}).fingerprint());
  CHECK(plain != *encoder_for({.chat_template = kChatMl}).fingerprint());
  CHECK(plain != *encoder_for({.end_of_text = EndOfText::Always}).fingerprint());
  tokenizer::MadeUpVocabulary other = tokenizer::made_up_bpe();
  const auto first = *tokenizer::Tokenizer::create(other.metadata());
  other.merges.pop_back();  // the same tokens, of which one is never made
  const auto second = *tokenizer::Tokenizer::create(other.metadata());
  CHECK(*DocumentEncoder::create(first, {})->fingerprint() !=
        *DocumentEncoder::create(second, {})->fingerprint());
}

TEST_CASE("Answers are found in every template of the conformance set, or it is refused by name") {
  if (!have_shared("conformance/chat/templates")) return;
  const Document talk = record(
      R"({"messages": [{"role": "user", "content": "First Q"}, {"role": "assistant", "content":
          "ANSWERONE"}, {"role": "user", "content": "Second Q"}, {"role": "assistant", "content":
          "ANSWERTWO"}]})");
  int one = 0, split = 0;
  std::string refused;
  const std::string folder = shared_path("conformance/chat/templates");
  const auto names = list_folder(folder);
  REQUIRE(names);
  for (const std::string& name : *names) {
    CAPTURE(name);
    const auto encoded =
        encoder_for({.chat_template = *read_text(folder + "/" + name)}).encode(talk);
    if (!encoded) {
      refused += name + ": " + encoded.error().message + "\n";
      continue;
    }
    REQUIRE_FALSE(encoded->empty());
    (encoded->size() == 1 ? one : split) += 1;
    std::string learnt;
    for (const EncodedDocument& sequence : *encoded) {
      for (size_t t = 0; t < sequence.tokens.size(); ++t) {
        if (sequence.learnt[t] != 0)
          chat_tokenizer().append_piece(sequence.tokens[t], true, learnt);
      }
    }
    // Each answer once, and nothing that was asked.
    const size_t first = learnt.find("ANSWERONE"), second = learnt.find("ANSWERTWO");
    CHECK(first != learnt.npos);
    CHECK(second != learnt.npos);
    CHECK(learnt.find("ANSWERONE", first + 1) == learnt.npos);
    CHECK(learnt.find("ANSWERTWO", second + 1) == learnt.npos);
    CHECK(learnt.find(" Q") == learnt.npos);
  }
  MESSAGE(one, " give one sequence, ", split, " one for each answer; refused:\n", refused);
  CHECK(one + split == 28);
}
