#include "train/token_store.h"

#include <algorithm>
#include <cstring>

#include "base/load.h"
#include "train/token_file.h"

namespace issun::train {

namespace {

StoredDocument entry_at(const std::byte* entries, int64_t d) {
  return load<StoredDocument>(entries + d * static_cast<int64_t>(sizeof(StoredDocument)));
}

}  // namespace

Result<TokenStore> TokenStore::open(const std::string& path, int vocabulary) {
  MappedFile file = TRY(MappedFile::open(path));
  TokenStore store = TRY(parse(file.bytes(), path, vocabulary));
  TRY(file.still_whole());
  store.file_ = std::move(file);
  return store;
}

Result<TokenStore> TokenStore::parse(std::span<const std::byte> bytes, const std::string& name,
                                     int vocabulary) {
  if (bytes.size() < sizeof(StoreHead) + sizeof(StoreTrailer)) {
    return fail("{}: expected a file of tokens, found {} bytes", name, bytes.size());
  }
  const auto head = load<StoreHead>(bytes.data());
  if (std::memcmp(head.magic, kStoreMagic, sizeof head.magic) != 0) {
    return fail("{}: expected a file of tokens, found another kind", name);
  }
  if (head.version != kStoreVersion) {
    return fail("{}: expected version {}, found {}", name, kStoreVersion, head.version);
  }
  if (head.token_bytes != 2 && head.token_bytes != 4) {
    return fail("{}: expected tokens of 2 or 4 bytes, found {}", name, head.token_bytes);
  }
  const std::byte* end = bytes.data() + bytes.size();
  const auto trailer = load<StoreTrailer>(end - sizeof(StoreTrailer));
  if (trailer.trailer_hash != hash_of_numbers(trailer)) {
    return fail("{}: the end is damaged, or the file was cut short", name);
  }
  StoreLayout layout;
  TokenStore store;
  store.token_bytes_ = static_cast<int>(head.token_bytes);
  store.tokens_ = static_cast<int64_t>(trailer.tokens);
  store.documents_ = static_cast<int64_t>(trailer.documents);
  if (!StoreLayout::of(store.tokens_, store.documents_, store.token_bytes_, &layout) ||
      layout.end != static_cast<int64_t>(bytes.size())) {
    return fail("{}: {} bytes are not those of {} tokens in {} documents", name, bytes.size(),
                trailer.tokens, trailer.documents);
  }
  BlockHash hash;
  hash.add(bytes.first(static_cast<size_t>(layout.trailer)));
  if (hash.value() != trailer.payload_hash) return fail("{}: damaged: checksum differs", name);
  store.encoder_hash_ = trailer.encoder_hash;
  store.source_hash_ = trailer.source_hash;
  store.data_ = bytes.data() + layout.tokens;
  store.learnt_ = bytes.data() + layout.learnt;
  store.entries_ = bytes.data() + layout.documents;
  TRY(store.check(name, vocabulary));
  return store;
}

Result<void> TokenStore::check(const std::string& name, int vocabulary) {
  for (int64_t t = 0; t < tokens_; ++t) {
    const int32_t id = token(t);
    if (id < 0 || id >= vocabulary) {
      return fail("{}: token {}: expected an id below {}, found {}", name, t, vocabulary, id);
    }
    if (learnt_[t] > std::byte{1}) return fail("{}: token {}: expected learnt 0 or 1", name, t);
    learnt_tokens_ += is_learnt(t);
  }
  if (documents_ == 0 && tokens_ != 0) return fail("{}: tokens outside any document", name);
  int64_t begin = -1;
  for (int64_t d = 0; d < documents_; ++d) {
    const StoredDocument entry = entry_at(entries_, d);
    const int64_t next = static_cast<int64_t>(entry.begin);
    if ((d == 0 && next != 0) || next <= begin || next >= tokens_ || entry.whole > 1) {
      return fail("{}: document {} of {}: expected a begin behind the one before, found {}", name,
                  d, documents_, entry.begin);
    }
    begin = next;
  }
  return {};
}

int32_t TokenStore::token(int64_t t) const {
  if (token_bytes_ == 2) return load<uint16_t>(data_ + 2 * t);
  return load<int32_t>(data_ + 4 * t);
}

TokenDocument TokenStore::document(int64_t d) const {
  const StoredDocument entry = entry_at(entries_, d);
  const bool last = d + 1 == documents_;
  return {.begin = static_cast<int64_t>(entry.begin),
          .end = last ? tokens_ : static_cast<int64_t>(entry_at(entries_, d + 1).begin),
          .content = entry.content,
          .whole = entry.whole != 0};
}

}  // namespace issun::train
