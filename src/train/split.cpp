#include "train/split.h"

#include <algorithm>

#include "train/random.h"

namespace issun::train {

namespace {

TokenRange range_of(const TokenDocument& document) {
  return {document.begin, document.end, document.whole};
}

// All documents say the same: the end of the last one is held out.
Result<DocumentSides> split_last(const TokenStore& store, const SplitOptions& options) {
  DocumentSides sides;
  for (int64_t d = 0; d < store.documents(); ++d)
    sides.train.push_back(range_of(store.document(d)));
  TokenRange& last = sides.train.back();
  if (last.whole) {
    return fail(
        "training data: expected at least two talks or pairs, so that one can be held out for "
        "validation; or a share of 0");
  }
  // Each side needs a token and the one that follows it.
  constexpr int64_t kLeast = 2;
  const int64_t length = last.end - last.begin;
  if (length < 2 * kLeast) {
    return fail(
        "training data: expected at least {} tokens, so that some can be held out for "
        "validation; found {}",
        2 * kLeast, length);
  }
  const auto share = static_cast<int64_t>(static_cast<double>(length) * options.valid_share);
  const int64_t cut = last.end - std::clamp(share, kLeast, length - kLeast);
  sides.valid = {{cut, last.end, false}};
  last.end = cut;
  sides.note = fmt::format(
      "there is one document: its last {} of {} tokens are held out for "
      "validation",
      sides.valid[0].end - cut, length);
  return sides;
}

}  // namespace

Result<DocumentSides> split_documents(const TokenStore& store, const SplitOptions& options) {
  if (!(options.valid_share >= 0 && options.valid_share <= 0.5)) {
    return fail("share for validation: expected 0 to 0.5, found {}", options.valid_share);
  }
  const auto draw = [&](const TokenDocument& document) {
    return mixed(document.content ^ mixed(options.seed));
  };
  uint64_t lowest = UINT64_MAX, highest = 0;
  for (int64_t d = 0; d < store.documents(); ++d) {
    const uint64_t drawn = draw(store.document(d));
    lowest = std::min(lowest, drawn);
    highest = std::max(highest, drawn);
  }
  if (store.documents() == 0) return fail("training data: expected documents, found none");
  if (options.valid_share > 0 && lowest == highest) return split_last(store, options);
  // 2^64 itself does not fit, but a share is at most a half.
  const auto bound = static_cast<uint64_t>(options.valid_share * 0x1p64);
  DocumentSides sides;
  for (int64_t d = 0; d < store.documents(); ++d) {
    const TokenDocument document = store.document(d);
    const uint64_t drawn = draw(document);
    const bool valid =
        options.valid_share > 0 && drawn != highest && (drawn < bound || drawn == lowest);
    (valid ? sides.valid : sides.train).push_back(range_of(document));
  }
  return sides;
}

}  // namespace issun::train
