#include "train/tokenizer_words.h"

#include <algorithm>
#include <unordered_map>

#include "tokenizer/prefix_tree.h"

namespace issun::train {

namespace {

using tokenizer::PrefixTree;
using Counts = std::unordered_map<std::string_view, int64_t>;

// Calls body(part) for what lies between special texts.
template <class Body>
void each_plain_part(std::string_view text, const PrefixTree& special, const Body& body) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = special.longest_at(text, at).bytes;
    if (bytes == 0) {
      ++at;
      continue;
    }
    if (at > begin) body(text.substr(begin, at - begin));
    at += bytes;
    begin = at;
  }
  if (begin < text.size()) body(text.substr(begin));
}

}  // namespace

std::vector<WordCount> count_words(const TrainingText& text,
                                   const std::vector<std::string>& special, const CutWords& cut,
                                   Workers& workers) {
  std::vector<PrefixTree::Text> special_texts;
  for (const std::string& marker : special) special_texts.push_back({marker, 0});
  const PrefixTree markers(std::move(special_texts));
  std::vector<Counts> counts(static_cast<size_t>(workers.count()));
  workers.for_each(static_cast<int64_t>(text.chunks().size()), 1,
                   [&](int64_t chunk, int64_t, int worker) {
                     std::vector<std::string_view> words;
                     each_plain_part(text.chunks()[static_cast<size_t>(chunk)], markers,
                                     [&](std::string_view part) { cut(part, words); });
                     Counts& mine = counts[static_cast<size_t>(worker)];
                     for (const std::string_view word : words) ++mine[word];
                   });
  for (size_t w = 1; w < counts.size(); ++w) {
    for (const auto& [word, count] : counts[w]) counts[0][word] += count;
    Counts().swap(counts[w]);
  }
  std::vector<WordCount> result;
  result.reserve(counts[0].size());
  for (const auto& [word, count] : counts[0]) result.push_back({word, count});
  std::sort(result.begin(), result.end(),
            [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  return result;
}

}  // namespace issun::train
