#include "train/pair_batches.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "train/packing.h"

namespace issun::train {

Result<PairBatches> PairBatches::create(const TokenStore& store,
                                        const std::vector<TokenRange>& ranges,
                                        const PairBatchOptions& options) {
  if (options.length < options.ending + 1) {
    return fail("length of a sequence: expected at least {} tokens, found {}", options.ending + 1,
                options.length);
  }
  PairBatches batches(store, options);
  for (const TokenRange& range : ranges) {
    const Pair pair = TRY(batches.find_texts(range));
    if (!TRY(batches.fits_or_is_cut(pair))) continue;
    batches.tokens_ += batches.length_of(pair);
    batches.pairs_.push_back(pair);
  }
  batches.items_ = static_cast<int64_t>(batches.pairs_.size());
  if (batches.items_ < 2) {
    return fail(
        "training data: expected at least two pairs, so that each has others to be told apart "
        "from; found {}",
        batches.items_);
  }
  return batches;
}

// Each text of a pair begins with a token that is marked as learnt.
Result<PairBatches::Pair> PairBatches::find_texts(const TokenRange& range) const {
  Pair pair{};
  for (int64_t t = range.begin; t < range.end; ++t) {
    if (!store_->is_learnt(t)) continue;
    if (pair.texts == 3) return fail("tokens: expected pairs of two or three texts, found more");
    pair.bounds[static_cast<size_t>(pair.texts++)] = t;
  }
  if (pair.texts < 2 || pair.bounds[0] != range.begin) {
    return fail("tokens: expected pairs of texts, found other documents");
  }
  pair.bounds[static_cast<size_t>(pair.texts)] = range.end;
  return pair;
}

// False when the pair is left out.
Result<bool> PairBatches::fits_or_is_cut(const Pair& pair) {
  bool kept = true;
  for (int i = 0; i < pair.texts; ++i) {
    const auto text = static_cast<size_t>(i);
    const int64_t length = pair.bounds[text + 1] - pair.bounds[text];
    if (length <= options_.length) continue;
    if (options_.long_text == LongTalk::Refuse) {
      return fail(
          "a text of {} tokens: expected at most {}, the length of a sequence; --long-talks "
          "truncate cuts it, skip leaves its pair out",
          length, options_.length);
    }
    if (options_.long_text == LongTalk::Skip) {
      kept = false;
      continue;
    }
    ++report_.truncated;
    report_.lost_tokens += length - options_.length;
  }
  if (kept) return true;
  ++report_.skipped;
  report_.lost_tokens += pair.bounds[static_cast<size_t>(pair.texts)] - pair.bounds[0];
  return false;
}

int64_t PairBatches::length_of(const Pair& pair, int text) const {
  const auto i = static_cast<size_t>(text);
  return std::min<int64_t>(options_.length, pair.bounds[i + 1] - pair.bounds[i]);
}

int64_t PairBatches::length_of(const Pair& pair) const {
  int64_t sum = 0;
  for (int text = 0; text < pair.texts; ++text) sum += length_of(pair, text);
  return sum;
}

// Of two sequences one behind the other, as the texts are put together, no text of the second fits
// into the first: both hold more than a length. Hence a bound from the longest pairs there are.
int PairBatches::most_sequences(int items) const {
  std::vector<int64_t> lengths;
  int64_t texts = 0;
  for (const Pair& pair : pairs_) {
    lengths.push_back(length_of(pair));
    texts = std::max<int64_t>(texts, pair.texts);
  }
  const auto most = std::min<size_t>(static_cast<size_t>(items), lengths.size());
  const auto end = lengths.begin() + static_cast<ptrdiff_t>(most);
  std::partial_sort(lengths.begin(), end, lengths.end(), std::greater<>());
  const int64_t tokens = std::accumulate(lengths.begin(), end, int64_t{0});
  const int64_t sequences = 2 * (tokens / (int64_t{options_.length} + 1)) + 1;
  return static_cast<int>(
      std::min({sequences, texts * static_cast<int64_t>(most), int64_t{INT32_MAX}}));
}

void PairBatches::fill(std::span<const int64_t> items, Batch* batch) const {
  const std::vector<Text> texts = texts_of(items);
  std::vector<int32_t> lengths;
  for (const Text& text : texts) {
    lengths.push_back(static_cast<int32_t>(length_of(*text.pair, text.index)));
  }
  const Bins bins = pack_first_fit(lengths, options_.length, static_cast<int>(texts.size()));
  const auto sequences = bins.begin.size() - 1;
  std::vector<int> filled(sequences);
  for (size_t s = 0; s < sequences; ++s) {
    for (int64_t i = bins.begin[s]; i < bins.begin[s + 1]; ++i) {
      filled[s] += lengths[static_cast<size_t>(bins.items[static_cast<size_t>(i)])];
    }
  }
  // No longer than the fullest sequence.
  batch->clear(static_cast<int>(sequences),
               filled.empty() ? 0 : *std::max_element(filled.begin(), filled.end()));
  std::vector<TextRows> rows(texts.size());
  for (size_t s = 0; s < sequences; ++s) {
    int64_t at = static_cast<int64_t>(s) * batch->length;
    for (int64_t i = bins.begin[s]; i < bins.begin[s + 1]; ++i) {
      const auto text = static_cast<size_t>(bins.items[static_cast<size_t>(i)]);
      put(texts[text], at, batch);
      rows[text] = {at, lengths[text]};
      at += lengths[text];
    }
  }
  const auto pairs =
      std::count_if(texts.begin(), texts.end(), [](const Text& text) { return text.index == 0; });
  batch->queries.assign(rows.begin(), rows.begin() + pairs);
  batch->candidates.assign(rows.begin() + pairs, rows.end());
  batch->used = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  batch->learnt = pairs;
}

// Queries, then their answers, then what answers none.
std::vector<PairBatches::Text> PairBatches::texts_of(std::span<const int64_t> items) const {
  std::vector<const Pair*> pairs;
  std::set<int64_t> seen;
  for (const int64_t item : items) {
    if (seen.insert(item).second) pairs.push_back(&pairs_[static_cast<size_t>(item)]);
  }
  std::vector<Text> texts;
  for (int index = 0; index < 3; ++index) {
    for (const Pair* pair : pairs) {
      if (index < pair->texts) texts.push_back({pair, index});
    }
  }
  return texts;
}

// From row `at` of the batch on.
void PairBatches::put(const Text& text, int64_t at, Batch* batch) const {
  const int64_t begin = text.pair->bounds[static_cast<size_t>(text.index)];
  const int64_t end = text.pair->bounds[static_cast<size_t>(text.index) + 1];
  const int64_t length = length_of(*text.pair, text.index);
  for (int64_t i = 0; i < length; ++i) {
    const auto row = static_cast<size_t>(at + i);
    const bool ends = i >= length - options_.ending;
    batch->tokens[row] = store_->token(ends ? end - length + i : begin + i);
    batch->positions[row] = static_cast<int32_t>(i);
    batch->visible_begin[row] = static_cast<int32_t>(at % batch->length);
  }
}

}  // namespace issun::train
