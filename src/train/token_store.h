// TokenStore: all documents as tokens in one file, made once and mapped from then on, so that a
// corpus takes no memory of the process.
//
// The file, numbers little-endian: magic "issuntok", version (u32), bytes of a token (u32, 2 or 4);
// the tokens; for each a byte that is 1 where it is learnt; for each document a StoredDocument; a
// StoreTrailer. Every part begins at a multiple of 8 bytes, zeros between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/threads.h"
#include "train/document_encoder.h"
#include "train/documents.h"

namespace issun::train {

struct TokenDocument {
  int64_t begin = 0, end = 0;  // tokens begin .. end - 1
  uint64_t content = 0;        // Document::content of what it came from
  bool whole = false;          // not to be cut where that can be helped
};

class TokenStore {
 public:
  // Reads the file once to check it. Error: it is damaged, of another version, or has a token that
  // is not below `vocabulary`.
  static Result<TokenStore> open(const std::string& path, int vocabulary);
  // The same of bytes, which must outlive the result; `name` is for messages.
  static Result<TokenStore> parse(std::span<const std::byte> bytes, const std::string& name,
                                  int vocabulary);

  int64_t tokens() const { return tokens_; }
  int64_t documents() const { return documents_; }
  int64_t learnt_tokens() const { return learnt_tokens_; }
  int32_t token(int64_t t) const;
  bool is_learnt(int64_t t) const { return learnt_[t] != std::byte{0}; }
  TokenDocument document(int64_t d) const;  // never empty
  // Of the file as it is now. Error: it became shorter, and what was read since is worthless.
  Result<void> still_whole() const { return file_.still_whole(); }

  // What it was made with and of.
  uint64_t encoder_hash() const { return encoder_hash_; }
  uint64_t source_hash() const { return source_hash_; }

 private:
  Result<void> check(const std::string& name, int vocabulary);
  MappedFile file_;
  const std::byte* data_ = nullptr;  // the tokens
  const std::byte* learnt_ = nullptr;
  const std::byte* entries_ = nullptr;
  int token_bytes_ = 4;
  int64_t tokens_ = 0, documents_ = 0, learnt_tokens_ = 0;
  uint64_t encoder_hash_ = 0, source_hash_ = 0;
};

struct TokenStoreOptions {
  std::vector<std::string> sources;  // files and folders
  DocumentOptions documents = {};
  // Called while documents are read: how many, and the tokens so far.
  std::function<void(int64_t documents, int64_t tokens)> progress = {};
};

struct TokenStoreReport {
  bool reused = false;               // the file fitted already
  std::string rebuilt;               // why a file that was there did not serve; empty: none was
  int64_t files = 0;                 // read
  std::vector<std::string> skipped;  // files in folders whose ending is unknown
};

// The store at `path` where it was made of the same sources in the same way, or else a new one in
// its place, put there whole. Error: of the sources and documents with file and line, no token at
// all, the disk, Ctrl-C; a file that was there stays as it is then.
Result<TokenStore> open_or_build(const std::string& path, const DocumentEncoder& encoder,
                                 const TokenStoreOptions& options, Workers& workers,
                                 TokenStoreReport* report);

}  // namespace issun::train
