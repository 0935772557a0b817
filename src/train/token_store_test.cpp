#include "train/token_store.h"

#include <filesystem>

#include "little_disk.h"
#include "train/made_up_tokens.h"
#include "train/split.h"

using namespace issun;
using namespace issun::train;

namespace {

struct Corpus {
  ScratchFolder scratch;
  std::unique_ptr<Workers> workers = *Workers::create(3);
  DocumentEncoder encoder = *DocumentEncoder::create(chat_tokenizer(), {.chat_template = kChatMl});
  TokenStoreReport report;

  Corpus() {
    std::filesystem::create_directory(scratch.path("text"));
    for (int i = 0; i < 40; ++i) {
      REQUIRE(write_atomically(scratch.path(fmt::format("text/{:02}.txt", i)),
                               fmt::format("document {} says hello", i)));
    }
    REQUIRE(write_atomically(
        scratch.path("text/talk.jsonl"),
        "{\"prompt\": \"hello\", \"completion\": \"one\"}\n{\"text\": \"the last\"}\n"));
  }
  Result<TokenStore> open() {
    return open_or_build(scratch.path("store"), encoder, {.sources = {scratch.path("text")}},
                         *workers, &report);
  }
};

std::string text_of(const TokenStore& store, int64_t d, bool learnt_only = false) {
  std::string text;
  const TokenDocument document = store.document(d);
  for (int64_t t = document.begin; t < document.end; ++t) {
    if (!learnt_only || store.is_learnt(t)) {
      chat_tokenizer().append_piece(store.token(t), true, text);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("A store has the documents in their order, whatever the number of threads") {
  Corpus corpus;
  const auto store = corpus.open();
  REQUIRE_MESSAGE(store, store.error().message);
  CHECK_FALSE(corpus.report.reused);
  CHECK(corpus.report.files == 41);
  REQUIRE(store->documents() == 42);
  for (int i = 0; i < 40; ++i) {
    CHECK(text_of(*store, i) == fmt::format("document {} says hello", i));
    CHECK_FALSE(store->document(i).whole);
  }
  CHECK(text_of(*store, 40, true) == "one<|im_end|>");
  CHECK(store->document(40).whole);
  CHECK(text_of(*store, 41) == "the last");
  CHECK(store->learnt_tokens() < store->tokens());
}

TEST_CASE("A store is used again while it fits, and made anew when text or template change") {
  Corpus corpus;
  REQUIRE(corpus.open());
  REQUIRE(corpus.open());
  CHECK(corpus.report.reused);
  REQUIRE(write_atomically(corpus.scratch.path("text/00.txt"), "another text"));
  const auto other_text = corpus.open();
  REQUIRE(other_text);
  CHECK(text_of(*other_text, 0) == "another text");
  CHECK(corpus.report.rebuilt == corpus.scratch.path("store") + ": made of other text");
  corpus.encoder = *DocumentEncoder::create(chat_tokenizer(), {});
  REQUIRE(corpus.open());
  CHECK(corpus.report.rebuilt ==
        corpus.scratch.path("store") + ": made with another tokenizer or template");
  REQUIRE(write_atomically(corpus.scratch.path("store"), "something else"));
  REQUIRE(corpus.open());
  CHECK(corpus.report.rebuilt.find("expected a file of tokens") != std::string::npos);
}

TEST_CASE("Any damaged byte and any cut of a store is found") {
  Corpus corpus;
  REQUIRE(corpus.open());
  const std::string bytes = *read_text(corpus.scratch.path("store"));
  const int vocabulary = chat_tokenizer().vocabulary_size();
  const auto parses = [&](const std::string& changed) {
    return TokenStore::parse(std::as_bytes(std::span(changed)), "store", vocabulary).has_value();
  };
  CHECK(parses(bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    CHECK_MESSAGE(!parses(changed), "byte ", i);
  }
  for (size_t length = 0; length < bytes.size(); ++length) {
    CHECK_MESSAGE(!parses(bytes.substr(0, length)), "length ", length);
  }
  const auto small = TokenStore::open(corpus.scratch.path("store"), 100);
  REQUIRE_FALSE(small);
  CHECK(small.error().message.find("expected an id below 100, found") != std::string::npos);
}

TEST_CASE("A disk that is full leaves the store that was there, and no half of another") {
  Corpus corpus;
  REQUIRE(corpus.open());
  const std::string before = *read_text(corpus.scratch.path("store"));
  REQUIRE(write_atomically(corpus.scratch.path("text/00.txt"), std::string(50'000, 'x')));
  const auto store = [&] {
    const LittleDisk disk(4096);
    return corpus.open();
  }();
  REQUIRE_FALSE(store);
  CHECK(store.error().message.find("cannot write: File too large") != std::string::npos);
  CHECK(*read_text(corpus.scratch.path("store")) == before);
  CHECK(corpus.scratch.count() == 2);  // the texts and the store
}

TEST_CASE("An error in a document names its file and line") {
  Corpus corpus;
  corpus.encoder = *DocumentEncoder::create(chat_tokenizer(), {});
  REQUIRE(write_atomically(corpus.scratch.path("text/zz.jsonl"),
                           "{\"text\": \"a\"}\n{\"query\": \"a\", \"positive\": \"b\"}\n"));
  const auto store = corpus.open();
  REQUIRE_FALSE(store);
  CHECK(store.error().message.starts_with(corpus.scratch.path("text/zz.jsonl") + ":2: expected"));
}

TEST_CASE("Documents are split by what they say: equal ones together, others undisturbed") {
  const ScratchFolder scratch;
  const TokenStore store = counted_store(scratch, std::vector<int>(1000, 3));
  const auto sides = split_documents(store, {.valid_share = 0.1, .seed = 7});
  REQUIRE(sides);
  CHECK(sides->note.empty());
  CHECK(sides->train.size() + sides->valid.size() == 1000);
  CHECK(sides->valid.size() > 60);  // 100 expected, standard deviation 9.5
  CHECK(sides->valid.size() < 140);
  CHECK(split_documents(store, {.valid_share = 0.1, .seed = 7})->valid == sides->valid);
  CHECK(split_documents(store, {.valid_share = 0.1, .seed = 8})->valid != sides->valid);
  CHECK(split_documents(store, {.valid_share = 0, .seed = 7})->valid.empty());
  CHECK_FALSE(split_documents(store, {.valid_share = 0.6, .seed = 7}));
}

TEST_CASE("Both sides have a document as soon as there are two, and one alone is cut") {
  const ScratchFolder scratch;
  const TokenStore two = counted_store(scratch, {5, 5});
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto sides = split_documents(two, {.valid_share = 0.02, .seed = seed});
    CHECK(sides->train.size() == 1);
    CHECK(sides->valid.size() == 1);
  }
  const TokenStore one = counted_store(scratch, {100});
  const auto sides = split_documents(one, {.valid_share = 0.1, .seed = 0});
  CHECK(sides->train == std::vector<TokenRange>{{0, 90, false}});
  CHECK(sides->valid == std::vector<TokenRange>{{90, 100, false}});
  CHECK(sides->note ==
        "there is one document: its last 10 of 100 tokens are held out for validation");
  CHECK_FALSE(split_documents(counted_store(scratch, {3}), {}));
  CHECK_FALSE(split_documents(counted_store(scratch, {100}, true), {}));
}
