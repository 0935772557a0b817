#include "train/token_file.h"

#include <algorithm>
#include <cstring>

#include "base/memory.h"

namespace issun::train {

uint64_t hash_of_numbers(const StoreTrailer& trailer) {
  const auto bytes = std::as_bytes(std::span(&trailer, 1));
  return gguf::content_hash(bytes.first(bytes.size() - sizeof trailer.trailer_hash));
}

bool StoreLayout::of(int64_t tokens, int64_t documents, int token_bytes, StoreLayout* layout) {
  // Far above any corpus, and far below where sums of products overflow.
  constexpr int64_t kMost = int64_t{1} << 48;
  if (tokens < 0 || tokens > kMost || documents < 0 || documents > tokens) return false;
  layout->learnt = round_up(layout->tokens + tokens * token_bytes, 8);
  layout->documents = round_up(layout->learnt + tokens, 8);
  layout->trailer = layout->documents + documents * static_cast<int64_t>(sizeof(StoredDocument));
  layout->end = layout->trailer + static_cast<int64_t>(sizeof(StoreTrailer));
  return true;
}

Result<TokenFileWriter> TokenFileWriter::create(const std::string& path, int vocabulary) {
  const int token_bytes = vocabulary <= 1 << 16 ? 2 : 4;
  TokenFileWriter writer(TRY(AtomicFile::create(path)), token_bytes);
  StoreHead head{{}, kStoreVersion, static_cast<uint32_t>(token_bytes)};
  std::memcpy(head.magic, kStoreMagic, sizeof head.magic);
  TRY(writer.write(std::as_bytes(std::span(&head, 1))));
  return writer;
}

Result<void> TokenFileWriter::write(std::span<const std::byte> bytes) {
  hash_.add(bytes);
  written_ += static_cast<int64_t>(bytes.size());
  return file_.write(bytes);
}

Result<void> TokenFileWriter::pad() {
  constexpr std::byte kZeros[8] = {};
  return write(std::span(kZeros).first(static_cast<size_t>(round_up(written_, 8) - written_)));
}

Result<void> TokenFileWriter::add(const EncodedDocument& document, uint64_t content) {
  if (document.tokens.empty()) return {};
  documents_.push_back({static_cast<uint64_t>(tokens_), content, document.whole});
  tokens_ += static_cast<int64_t>(document.tokens.size());
  for (const uint8_t learnt : document.learnt) {
    if (learnt_.empty() || learnt_.back().first != learnt) learnt_.emplace_back(learnt, 0);
    ++learnt_.back().second;
  }
  if (token_bytes_ == 4) return write(std::as_bytes(std::span(document.tokens)));
  std::vector<uint16_t> narrow(document.tokens.size());
  std::transform(document.tokens.begin(), document.tokens.end(), narrow.begin(),
                 [](tokenizer::Token token) { return static_cast<uint16_t>(token); });
  return write(std::as_bytes(std::span(narrow)));
}

Result<void> TokenFileWriter::write_learnt() {
  constexpr int64_t kPiece = 1 << 16;
  std::vector<std::byte> piece;
  for (auto [value, length] : learnt_) {
    piece.assign(static_cast<size_t>(std::min(length, kPiece)), std::byte{value});
    for (; length > 0; length -= kPiece) {
      TRY(write(std::span(piece).first(static_cast<size_t>(std::min(length, kPiece)))));
    }
  }
  return {};
}

Result<void> TokenFileWriter::finish(uint64_t encoder_hash, uint64_t source_hash) {
  TRY(pad());
  TRY(write_learnt());
  TRY(pad());
  TRY(write(std::as_bytes(std::span(documents_))));
  StoreTrailer trailer{.tokens = static_cast<uint64_t>(tokens_),
                       .documents = documents_.size(),
                       .encoder_hash = encoder_hash,
                       .source_hash = source_hash,
                       .payload_hash = hash_.value(),
                       .trailer_hash = 0};
  trailer.trailer_hash = hash_of_numbers(trailer);
  TRY(write(std::as_bytes(std::span(&trailer, 1))));
  return file_.finish();
}

}  // namespace issun::train
