// The token file's layout, and the writer of one. Not here: reading it (token_store.h).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "train/block_hash.h"
#include "train/document_encoder.h"

namespace issun::train {

constexpr char kStoreMagic[8] = {'i', 's', 's', 'u', 'n', 't', 'o', 'k'};
constexpr uint32_t kStoreVersion = 1;

struct StoreHead {
  char magic[8];
  uint32_t version;
  uint32_t token_bytes;
};
static_assert(sizeof(StoreHead) == 16);

struct StoredDocument {
  uint64_t begin;    // its first token
  uint64_t content;  // Document::content
  uint64_t whole;    // 0 or 1
};
static_assert(sizeof(StoredDocument) == 24);

struct StoreTrailer {
  uint64_t tokens, documents;
  uint64_t encoder_hash, source_hash;
  uint64_t payload_hash;  // BlockHash of all before the trailer
  uint64_t trailer_hash;  // XXH64 of the numbers above
};
static_assert(sizeof(StoreTrailer) == 48);

uint64_t hash_of_numbers(const StoreTrailer& trailer);

// Where the parts of a file begin.
struct StoreLayout {
  int64_t tokens = sizeof(StoreHead), learnt = 0, documents = 0, trailer = 0, end = 0;
  // False when the numbers are those of no file.
  static bool of(int64_t tokens, int64_t documents, int token_bytes, StoreLayout* layout);
};

class TokenFileWriter {
 public:
  // Tokens take two bytes where the vocabulary is that small.
  static Result<TokenFileWriter> create(const std::string& path, int vocabulary);
  Result<void> add(const EncodedDocument& document, uint64_t content);
  int64_t tokens() const { return tokens_; }
  // Puts the file in place. Error: the disk; nothing appears then.
  Result<void> finish(uint64_t encoder_hash, uint64_t source_hash);

 private:
  TokenFileWriter(AtomicFile file, int token_bytes)
      : file_(std::move(file)), token_bytes_(token_bytes) {}
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> pad();
  Result<void> write_learnt();
  AtomicFile file_;
  int token_bytes_;
  BlockHash hash_;
  int64_t written_ = 0, tokens_ = 0;
  std::vector<std::pair<uint8_t, int64_t>> learnt_;  // runs: value, length
  std::vector<StoredDocument> documents_;
};

}  // namespace issun::train
