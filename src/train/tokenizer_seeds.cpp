#include "train/tokenizer_seeds.h"

#include <algorithm>
#include <span>

namespace issun::train {

namespace {

constexpr int kStep = 4;  // characters in a key

// What finds seeds among the places that start with one character; one to a worker.
class SeedFinder {
 public:
  SeedFinder(const PieceText& text, const std::vector<uint32_t>& words, int64_t min_frequency,
             size_t most)
      : text_(text), words_(words), min_frequency_(min_frequency), most_(most) {}

  // Places that share their first character.
  void find(std::span<const uint32_t> places) {
    std::vector<Entry> entries;
    entries.reserve(places.size());
    for (const uint32_t place : places) entries.push_back({0, place, 0});
    refine(entries, 1);
  }

  // The best so far, in order.
  std::vector<Seed> take_best() {
    keep_best();
    std::sort(seeds_.begin(), seeds_.end(),
              [this](const Seed& a, const Seed& b) { return comes_first(text_, a, b); });
    return std::move(seeds_);
  }

  static bool comes_first(const PieceText& text, const Seed& a, const Seed& b) {
    const auto worth = [](const Seed& seed) { return seed.frequency * seed.size; };
    if (worth(a) != worth(b)) return worth(a) > worth(b);
    const auto first = text.chars.begin() + a.at, second = text.chars.begin() + b.at;
    return std::lexicographical_compare(first, first + a.size, second, second + b.size);
  }

 private:
  struct Entry {
    uint64_t key;  // the next kStep characters, 16 bits each: index + 1, or 0 behind the word
    uint32_t place;
    uint32_t unused;
  };

  const PieceText::Word& word_at(uint32_t place) const { return text_.words[words_[place]]; }

  int left_at(uint32_t place) const {
    const PieceText::Word& word = word_at(place);
    return static_cast<int>(word.begin + word.size - place);
  }

  uint64_t key_of(uint32_t place, int depth) const {
    const int left = left_at(place);
    uint64_t key = 0;
    for (int i = depth; i < depth + kStep; ++i) {
      key = key << 16 | (i < left ? text_.chars[place + static_cast<uint32_t>(i)] + 1u : 0u);
    }
    return key;
  }

  // The entries share `depth` characters.
  void refine(std::span<Entry> entries, int depth) {
    for (Entry& entry : entries) entry.key = key_of(entry.place, depth);
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });
    descend(entries, depth, 0);
  }

  // They share `depth` characters, of which `known` are in the sorted keys.
  void descend(std::span<Entry> entries, int depth, int known) {
    int64_t frequency = 0;
    for (const Entry& entry : entries) frequency += word_at(entry.place).count;
    if (frequency < min_frequency_) return;
    if (depth == kLongestPiece) return add(entries[0].place, depth, frequency);
    if (known == kStep) return refine(entries, depth);
    const int shift = 16 * (kStep - 1 - known);
    const auto next = [&](const Entry& entry) { return entry.key >> shift & 0xFFFF; };
    if (next(entries.front()) != next(entries.back()) || next(entries.front()) == 0) {
      add(entries[0].place, depth, frequency);
    }
    for (size_t begin = 0; begin < entries.size();) {
      size_t end = begin + 1;
      while (end < entries.size() && next(entries[end]) == next(entries[begin])) ++end;
      if (next(entries[begin]) != 0) {
        descend(entries.subspan(begin, end - begin), depth + 1, known + 1);
      }
      begin = end;
    }
  }

  void add(uint32_t place, int size, int64_t frequency) {
    if (size < 2) return;
    seeds_.push_back({place, static_cast<uint8_t>(size), frequency});
    if (seeds_.size() >= 2 * most_ + 1024) keep_best();
  }

  void keep_best() {
    if (seeds_.size() <= most_) return;
    std::nth_element(seeds_.begin(), seeds_.begin() + static_cast<int64_t>(most_), seeds_.end(),
                     [this](const Seed& a, const Seed& b) { return comes_first(text_, a, b); });
    seeds_.resize(most_);
  }

  const PieceText& text_;
  const std::vector<uint32_t>& words_;
  int64_t min_frequency_;
  size_t most_;
  std::vector<Seed> seeds_;
};

// All places, those of one character together; where each character's places end.
struct Buckets {
  std::vector<uint32_t> places;
  std::vector<size_t> ends;
};

Buckets bucket_places(const PieceText& text) {
  Buckets buckets;
  buckets.ends.assign(text.alphabet.size() + 1, 0);
  for (const uint16_t c : text.chars) ++buckets.ends[c + size_t{1}];
  for (size_t c = 1; c < buckets.ends.size(); ++c) buckets.ends[c] += buckets.ends[c - 1];
  buckets.places.resize(text.chars.size());
  for (uint32_t place = 0; place < text.chars.size(); ++place) {
    buckets.places[buckets.ends[text.chars[place]]++] = place;
  }
  buckets.ends.pop_back();
  return buckets;
}

}  // namespace

std::vector<Seed> find_seeds(const PieceText& text, int64_t min_frequency, size_t most,
                             Workers& workers) {
  std::vector<uint32_t> words(text.chars.size());  // of each place
  for (uint32_t w = 0; w < text.words.size(); ++w) {
    std::fill_n(words.begin() + text.words[w].begin, text.words[w].size, w);
  }
  const Buckets buckets = bucket_places(text);
  std::vector<SeedFinder> finders;
  for (int w = 0; w < workers.count(); ++w) finders.emplace_back(text, words, min_frequency, most);
  workers.for_each(static_cast<int64_t>(text.alphabet.size()), 1,
                   [&](int64_t c, int64_t, int worker) {
                     const size_t begin = c == 0 ? 0 : buckets.ends[static_cast<size_t>(c) - 1];
                     const size_t end = buckets.ends[static_cast<size_t>(c)];
                     if (begin == end) return;
                     finders[static_cast<size_t>(worker)].find(
                         std::span(buckets.places).subspan(begin, end - begin));
                   });
  std::vector<Seed> all;
  for (SeedFinder& finder : finders) {
    const std::vector<Seed> best = finder.take_best();
    all.insert(all.end(), best.begin(), best.end());
  }
  std::sort(all.begin(), all.end(),
            [&](const Seed& a, const Seed& b) { return SeedFinder::comes_first(text, a, b); });
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace issun::train
