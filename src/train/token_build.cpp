// Building a TokenStore, or finding that the one there still fits.
#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/terminal.h"
#include "train/block_hash.h"
#include "train/token_file.h"
#include "train/token_store.h"

namespace issun::train {

namespace {

// Of the files' bytes in their order, and of how they are cut into documents.
Result<uint64_t> hash_of(const Sources& sources, const DocumentOptions& options) {
  BlockHash hash;
  const auto number = [&](int64_t value) { hash.add(std::as_bytes(std::span(&value, 1))); };
  number(static_cast<int64_t>(options.split));
  if (options.split == DocumentSplit::BlankLines) number(options.paragraph_bytes);
  for (const SourceFile& source : sources.files) {
    if (Interrupts::pending()) return fail("{}: interrupted", source.path);
    const MappedFile file = TRY(MappedFile::open(source.path));
    number(source.json_lines);
    number(static_cast<int64_t>(file.bytes().size()));
    hash.add(file.bytes());
    TRY(file.still_whole());
  }
  return hash.value();
}

// Documents are gathered and encoded side by side, then written in their order.
class Builder {
 public:
  Builder(const DocumentEncoder& encoder, const TokenStoreOptions& options, Workers& workers,
          TokenFileWriter writer)
      : encoder_(encoder), options_(options), workers_(workers), writer_(std::move(writer)) {}

  Result<void> add(Document document) {
    bytes_ += document.text.size() + 1;
    // Talks are rendered anew for each answer: a few of them are as much work as a long text.
    if (document.kind != Document::Kind::Text) bytes_ += 1 << 14;
    waiting_.push_back(std::move(document));
    return bytes_ < kBatchBytes ? Result<void>() : flush();
  }

  Result<void> flush() {
    if (Interrupts::pending()) return fail("interrupted after {} documents", documents_);
    using Encoded = Result<std::vector<EncodedDocument>>;
    std::vector<Encoded> encoded(waiting_.size());
    workers_.for_each(static_cast<int64_t>(waiting_.size()), 1,
                      [&](int64_t begin, int64_t end, int) {
                        for (int64_t i = begin; i < end; ++i) {
                          const auto at = static_cast<size_t>(i);
                          encoded[at] = encoder_.encode(waiting_[at]);
                        }
                      });
    for (size_t i = 0; i < encoded.size(); ++i) {
      if (!encoded[i]) return fail("{}: {}", waiting_[i].origin, encoded[i].error().message);
      for (const EncodedDocument& one : *encoded[i]) TRY(writer_.add(one, waiting_[i].content));
    }
    documents_ += static_cast<int64_t>(waiting_.size());
    waiting_.clear();
    bytes_ = 0;
    if (options_.progress) options_.progress(documents_, writer_.tokens());
    return {};
  }

  TokenFileWriter& writer() { return writer_; }

 private:
  static constexpr size_t kBatchBytes = 4 << 20;
  const DocumentEncoder& encoder_;
  const TokenStoreOptions& options_;
  Workers& workers_;
  TokenFileWriter writer_;
  std::vector<Document> waiting_;
  size_t bytes_ = 0;
  int64_t documents_ = 0;
};

Result<void> build(const std::string& path, const DocumentEncoder& encoder,
                   const TokenStoreOptions& options, const Sources& sources, Workers& workers,
                   uint64_t source_hash) {
  const int vocabulary = encoder.tokenizer().vocabulary_size();
  Builder builder(encoder, options, workers, TRY(TokenFileWriter::create(path, vocabulary)));
  TRY(read_documents(sources, options.documents,
                     [&](Document document) { return builder.add(std::move(document)); }));
  TRY(builder.flush());
  if (builder.writer().tokens() == 0) {
    return fail("{}: expected tokens to learn from, found none", sources.files[0].path);
  }
  TRY(builder.writer().finish(TRY(encoder.fingerprint()), source_hash));
  return {};
}

}  // namespace

Result<TokenStore> open_or_build(const std::string& path, const DocumentEncoder& encoder,
                                 const TokenStoreOptions& options, Workers& workers,
                                 TokenStoreReport* report) {
  const Sources sources = TRY(find_sources(options.sources));
  *report = {};
  report->files = static_cast<int64_t>(sources.files.size());
  report->skipped = sources.skipped;
  const uint64_t source_hash = TRY(hash_of(sources, options.documents));
  const int vocabulary = encoder.tokenizer().vocabulary_size();
  if (is_file(path)) {
    Result<TokenStore> found = TokenStore::open(path, vocabulary);
    if (!found) {
      report->rebuilt = found.error().message;
    } else if (found->source_hash() != source_hash) {
      report->rebuilt = fmt::format("{}: made of other text", path);
    } else if (found->encoder_hash() != TRY(encoder.fingerprint())) {
      report->rebuilt = fmt::format("{}: made with another tokenizer or template", path);
    } else {
      report->reused = true;
      return found;
    }
  }
  TRY(build(path, encoder, options, sources, workers, source_hash));
  return TokenStore::open(path, vocabulary);
}

}  // namespace issun::train
