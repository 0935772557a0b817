#include "train/tokenizer_trainer.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "base/file.h"
#include "base/folder.h"
#include "gguf/reader.h"
#include "scratch_folder.h"
#include "shared_data.h"
#include "tokenizer/tokenizer.h"

using namespace issun;
using namespace issun::train;

namespace {

// A trained vocabulary, written to a file and opened from it.
struct TrainedTokenizer {
  TrainedTokenizer(const std::vector<std::string>& inputs, const TokenizerOptions& options,
                   int threads = 2, int64_t sample = 0) {
    const auto workers = *Workers::create(threads);
    auto text = TrainingText::open({.inputs = inputs, .sample_bytes = sample}, *workers);
    REQUIRE_MESSAGE(text.has_value(), text.error().message);
    const auto vocabulary = train_tokenizer(*text, options, *workers);
    REQUIRE_MESSAGE(vocabulary.has_value(), vocabulary.error().message);
    REQUIRE(write_vocabulary(*vocabulary, folder.path("v.gguf")));
    file = std::make_unique<gguf::GgufFile>(*gguf::GgufFile::open(folder.path("v.gguf")));
    auto opened = tokenizer::Tokenizer::create(file->metadata());
    REQUIRE_MESSAGE(opened.has_value(), opened.error().message);
    tokenizer = std::make_unique<tokenizer::Tokenizer>(std::move(*opened));
  }

  std::vector<tokenizer::Token> encode(std::string_view text) const {
    return *tokenizer->encode(text, {.add_special = false});
  }

  ScratchFolder folder;
  std::unique_ptr<gguf::GgufFile> file;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
};

// Words of few syllables between others that repeat, from a fixed seed.
std::string small_text() {
  std::mt19937 random(17);
  const std::vector<std::string> syllables = {"na", "me", "ta",   "lo", "ri",
                                              "の", "猫", "ある", "無", "い"};
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    const size_t first = random() % 2 * 5;
    std::string word;
    for (size_t n = 2 + random() % 3; n > 0; --n) word += syllables[first + random() % 5];
    text += first == 0 ? " The " + word + " has no name.\n"
                       : "吾輩は" + word + "である。名前は、まだ。\n";
  }
  return text + "稀\n";
}

constexpr TokenizerType kTypes[] = {TokenizerType::Bpe, TokenizerType::Unigram};

}  // namespace

TEST_CASE("A trained vocabulary has the size asked for, its roles, and spells all of its text") {
  const ScratchFolder folder;
  const std::string text = small_text();
  REQUIRE(write_atomically(folder.path("t.txt"), text));
  for (const TokenizerType type : kTypes) {
    const TrainedTokenizer trained({folder.path("t.txt")}, {.type = type, .vocabulary_size = 360});
    const tokenizer::Tokenizer& t = *trained.tokenizer;
    CHECK(t.vocabulary_size() == 360);
    CHECK(t.warnings().empty());
    CHECK(t.token_text(t.bos()) == "<s>");
    CHECK(t.token_text(t.eos()) == "</s>");
    CHECK(t.token_text(t.eot()) == "<|im_end|>");
    CHECK(t.is_end(t.eot()));
    CHECK(t.adds_bos());
    CHECK_FALSE(t.adds_eos());
    CHECK(t.kind(t.find("<|im_start|>")) == tokenizer::TokenKind::Control);
    const auto tokens = trained.encode(text);
    CHECK(t.decode(tokens, false) == text);
    CHECK(tokens.size() < text.size() / 3);
    // What the text never had is spelt in bytes.
    const std::string foreign = " ß🐈\x01  zz\r\n";
    CHECK(t.decode(trained.encode(foreign), false) == foreign);
  }
}

TEST_CASE("Of equal text and options comes an equal vocabulary, for any number of workers") {
  const ScratchFolder folder;
  REQUIRE(write_atomically(folder.path("a.txt"), small_text()));
  REQUIRE(write_atomically(folder.path("b.txt"), "Another text, with other words. 別の文。\n"));
  for (const TokenizerType type : kTypes) {
    const TokenizerOptions options = {.type = type, .vocabulary_size = 350};
    std::set<std::string> files;
    for (const int threads : {1, 2, 3, 7}) {
      const TrainedTokenizer trained({folder.path("")}, options, threads);
      files.insert(*read_text(trained.folder.path("v.gguf")));
    }
    CHECK(files.size() == 1);
  }
}

TEST_CASE("Japanese and English books come back from the tokens of either type") {
  if (!have_shared("data/corpora/aozora") || !have_shared("data/corpora/gutenberg")) return;
  const std::vector<std::string> books = {shared_path("data/corpora/aozora"),
                                          shared_path("data/corpora/gutenberg")};
  for (const TokenizerType type : kTypes) {
    const TrainedTokenizer trained(books, {.type = type, .vocabulary_size = 4096}, 2, 2 << 20);
    size_t bytes = 0, tokens = 0;
    for (const std::string& folder : books) {
      const std::vector<std::string> paths = *files_below(folder);
      for (const std::string& path : paths) {
        const std::string text = *read_text(path);
        const auto encoded = trained.encode(text);
        const bool same = trained.tokenizer->decode(encoded, false) == text;
        CHECK_MESSAGE(same, path);
        bytes += text.size(), tokens += encoded.size();
      }
    }
    // Bytes alone are one a token, characters of Japanese three.
    CHECK(static_cast<double>(bytes) / static_cast<double>(tokens) > 2);
  }
}
