// The file of BaseLogits.
#include <bit>
#include <cstring>

#include "gguf/content_hash.h"
#include "measure/base_logits.h"

namespace issun::measure {

namespace {

// In front of the file, little-endian; docs/evaluation.md says the rest.
struct Header {
  char magic[8];
  uint64_t hash;  // XXH64 of all bytes from `version` to the rows
  uint32_t version, type, vocabulary, protocol;
  int32_t context, stride, bos;
  uint32_t about_bytes;
  uint64_t token_count, vocabulary_hash;
};
static_assert(sizeof(Header) == 64 && std::endian::native == std::endian::little);

constexpr char kMagic[8] = {'I', 'S', 'S', 'U', 'N', 'K', 'L', 'D'};
constexpr size_t kHashed = offsetof(Header, version);
constexpr uint32_t kVersion = 1, kMostAbout = 64 << 10, kMostVocabulary = 1 << 26;

uint64_t hash_of(std::span<const std::byte> front) {
  return gguf::content_hash(front.subspan(kHashed));
}

// Where the rows begin: behind the header, the tokens and the words, on a multiple of 64. Error: a
// number that the file's length does not bear out.
Result<int64_t> rows_begin(const Header& header, int64_t bytes) {
  const uint64_t room = static_cast<uint64_t>(bytes) - sizeof(Header);
  if (header.about_bytes > kMostAbout || header.token_count > room / sizeof(int32_t))
    return fail("expected a file of at least {} tokens", header.token_count);
  const int64_t begin =
      round_up(static_cast<int64_t>(sizeof(Header) + header.token_count * sizeof(int32_t) +
                                    header.about_bytes),
               kCacheLine);
  if (begin > bytes) return fail("expected at least {} bytes, found {}", begin, bytes);
  return begin;
}

Result<void> check(const Header& header) {
  if (header.version != kVersion)
    return fail("expected version {}, found {}", kVersion, header.version);
  if (header.type > 1) return fail("expected F32 (0) or F16 (1) as type, found {}", header.type);
  if (header.vocabulary < 1 || header.vocabulary > kMostVocabulary)
    return fail("expected a vocabulary of 1 to {}, found {}", kMostVocabulary, header.vocabulary);
  if (header.protocol > 1) return fail("expected protocol 0 or 1, found {}", header.protocol);
  if (header.bos < -1 || header.bos >= static_cast<int32_t>(header.vocabulary))
    return fail("expected a BOS token of the vocabulary, found {}", header.bos);
  return {};
}

}  // namespace

Result<void> BaseLogits::save(const std::string& path, uint64_t vocabulary_hash,
                              const std::string& about) const {
  CHECK_THAT(about.size() <= kMostAbout);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.type = type_ == DType::F16;
  header.vocabulary = static_cast<uint32_t>(vocabulary_);
  header.protocol = options_.protocol == Protocol::Halves;
  header.context = options_.context;
  header.stride = options_.stride;
  header.bos = options_.bos;
  header.about_bytes = static_cast<uint32_t>(about.size());
  header.token_count = tokens_.size();
  header.vocabulary_hash = vocabulary_hash;
  std::string front(reinterpret_cast<const char*>(&header), sizeof(header));
  front.append(reinterpret_cast<const char*>(tokens_.data()), tokens_.size() * sizeof(int32_t));
  front += about;
  front.resize(static_cast<size_t>(round_up(std::ssize(front), kCacheLine)), '\0');
  const uint64_t hash = hash_of(std::as_bytes(std::span(front)));
  std::memcpy(front.data() + offsetof(Header, hash), &hash, sizeof(hash));
  AtomicFile file = TRY(AtomicFile::create(path));
  TRY(file.write(front));
  TRY(file.write({row_bytes_at(0), static_cast<size_t>(planned_bytes(rows_, vocabulary_, type_))}));
  return file.finish();
}

Result<BaseLogits> BaseLogits::load(const std::string& path) {
  BaseLogits result;
  result.file_ = TRY(MappedFile::open(path));
  const auto bytes = result.file_.bytes();
  const auto read = [&]() -> Result<void> {
    Header header;
    if (bytes.size() < sizeof(header) || std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) != 0)
      return fail("expected the logits of a base as issun eval kld-base writes them");
    std::memcpy(&header, bytes.data(), sizeof(header));
    TRY(check(header));
    const int64_t begin = TRY(rows_begin(header, std::ssize(bytes)));
    if (hash_of(bytes.first(static_cast<size_t>(begin))) != header.hash)
      return fail("expected the hash {:016x} in front of the logits, found another", header.hash);
    result.tokens_.resize(header.token_count);
    std::memcpy(result.tokens_.data(), bytes.data() + sizeof(header),
                header.token_count * sizeof(int32_t));
    result.about_.assign(reinterpret_cast<const char*>(bytes.data()) + sizeof(header) +
                             header.token_count * sizeof(int32_t),
                         header.about_bytes);
    result.options_ = {header.protocol == 1 ? Protocol::Halves : Protocol::Strided, header.context,
                       header.stride, header.bos};
    result.vocabulary_ = static_cast<int>(header.vocabulary);
    result.vocabulary_hash_ = header.vocabulary_hash;
    result.type_ = header.type == 1 ? DType::F16 : DType::F32;
    TRY(expect_tokens_below(result.vocabulary_, result.tokens_));
    result.windows_ = TRY(plan_windows(std::ssize(result.tokens_), result.options_));
    result.rows_ = scored_tokens(result.windows_);
    result.file_offset_ = begin;
    const int64_t expected =
        saturating_add(begin, planned_bytes(result.rows_, result.vocabulary_, result.type_));
    if (expected != std::ssize(bytes))
      return fail("expected {} bytes, found {}", expected, bytes.size());
    return {};
  }();
  if (!read) return fail("{}: {}", path, read.error().message);
  return result;
}

uint64_t vocabulary_hash(const tokenizer::Tokenizer& tokenizer) {
  std::string texts;
  for (int32_t t = 0; t < tokenizer.vocabulary_size(); ++t)
    (texts += tokenizer.token_text(t)) += '\0';
  return gguf::content_hash(std::as_bytes(std::span(texts)));
}

}  // namespace issun::measure
