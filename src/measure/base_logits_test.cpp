#include "measure/base_logits.h"

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>

#include "base/file.h"
#include "gguf/content_hash.h"
#include "measure/divergence.h"
#include "measure/random_rows.h"
#include "model/fake.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::measure;

namespace {

constexpr int kSmallVocabulary = 7;

struct Recorded {
  explicit Recorded(DType type) {
    WindowOptions options;
    options.context = 10;
    options.stride = 6;
    options.bos = 1;
    std::vector<int32_t> tokens;
    for (int t = 0; t < 25; ++t) tokens.push_back((t * t) % kSmallVocabulary);
    auto recorded = BaseLogits::record({decoder, *cache}, *workers, tokens, options, type);
    REQUIRE_MESSAGE(recorded.has_value(), recorded.error().message);
    base = std::move(*recorded);
  }
  model::FakeDecoder decoder{kSmallVocabulary, 4, 8};
  Result<cache::PagedKv> cache = cache::PagedKv::create(model::FakeDecoder::kv_shape(), 64);
  std::unique_ptr<Workers> workers = *Workers::create(1);
  BaseLogits base;
};

}  // namespace

TEST_CASE("a base comes back from its file as it was recorded") {
  const ScratchFolder folder;
  for (const DType type : {DType::F32, DType::F16}) {
    Recorded recorded(type);
    const std::string path = folder.path(name(type));
    REQUIRE(recorded.base.save(path, 0x1234, "about 一寸").has_value());
    const auto loaded = BaseLogits::load(path);
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    CHECK(loaded->rows() == 24);
    CHECK(loaded->vocabulary_hash() == 0x1234);
    CHECK(loaded->about() == "about 一寸");
    CHECK(loaded->options().stride == 6);
    CHECK(std::equal(loaded->tokens().begin(), loaded->tokens().end(),
                     recorded.base.tokens().begin(), recorded.base.tokens().end()));
    std::vector<float> a(kSmallVocabulary), b(kSmallVocabulary);
    for (int64_t row = 0; row < 24; ++row) {
      recorded.base.read_row(row, a);
      loaded->read_row(row, b);
      CHECK(a == b);
    }
    const auto divergence =
        measure_divergence(*loaded, {recorded.decoder, *recorded.cache}, *recorded.workers);
    REQUIRE(divergence.has_value());
    CHECK(divergence->mean().value < 1e-12);
    CHECK(divergence->tokens.size() == 24);
  }
}

TEST_CASE("a file that is cut, longer, or changed in front of its logits is refused") {
  const ScratchFolder folder;
  Recorded recorded(DType::F16);
  const std::string path = folder.path("base");
  REQUIRE(recorded.base.save(path, 5, "about").has_value());
  const std::string sound = read_text(path).value();
  const size_t front = sound.size() - 24 * kSmallVocabulary * 2;
  const auto loads = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return BaseLogits::load(path).has_value();
  };
  for (size_t length = 0; length < sound.size(); ++length)
    CHECK_FALSE(loads(sound.substr(0, length)));
  CHECK_FALSE(loads(sound + '\0'));
  for (size_t at = 0; at < front; ++at) {
    std::string changed = sound;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    CAPTURE(at);
    CHECK_FALSE(loads(changed));
  }
  CHECK(loads(sound));
}

TEST_CASE("random bytes in a header, with the right hash, end in an error or a sound base") {
  const ScratchFolder folder;
  Recorded recorded(DType::F32);
  const std::string path = folder.path("base");
  REQUIRE(recorded.base.save(path, 5, "about").has_value());
  const std::string sound = read_text(path).value();
  const size_t front = sound.size() - 24 * kSmallVocabulary * 4;
  Random random(11);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = sound;
    for (int flips = 0; flips < 3; ++flips)
      changed[16 + random.next() % (front - 16)] = static_cast<char>(random.next());
    const uint64_t hash =
        gguf::content_hash(std::as_bytes(std::span(changed)).subspan(16, front - 16));
    std::memcpy(changed.data() + 8, &hash, sizeof(hash));
    std::ofstream(path, std::ios::binary | std::ios::trunc) << changed;
    const auto loaded = BaseLogits::load(path);
    if (!loaded) {
      ++refused;
      continue;
    }
    CHECK(loaded->rows() * loaded->vocabulary() <= 24 * kSmallVocabulary * 2);
    std::vector<float> row(static_cast<size_t>(loaded->vocabulary()));
    loaded->read_row(loaded->rows() - 1, row);
    if (loaded->vocabulary() == kSmallVocabulary && loaded->options().context <= 64) {
      const auto result =
          measure_divergence(*loaded, {recorded.decoder, *recorded.cache}, *recorded.workers);
      CHECK((result.has_value() || !result.error().message.empty()));
    }
  }
  CHECK(refused > 500);
  CHECK(refused < 3000);
}
