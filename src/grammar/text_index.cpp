#include "grammar/text_index.h"

#include <algorithm>
#include <map>

#include "grammar/json_spelling.h"
#include "grammar/prefix_walk.h"
#include "grammar/token_mask.h"

namespace issun::grammar {

struct TextIndex::Spelled {
  Token token = tokenizer::kNoToken;
  std::u32string characters;
  bool quote = false;       // comes behind them
  std::string_view tail;    // behind the quote
  std::vector<Range> next;  // what the beginning of a character behind them may become
};

namespace {

// Sets that strings are often limited to.
std::vector<CharSet> common_sets() {
  CharSet lower = CharSet::within('a', 'z');
  CharSet letters = lower;
  letters |= CharSet::within('A', 'Z');
  CharSet words = letters;
  words |= CharSet::within('0', '9');
  CharSet names = words;
  for (const char32_t mark : {'-', '.', '_', ' '}) names |= CharSet::within(mark, mark);
  return {lower, letters, words, names, CharSet::within(0x20, 0x7F), CharSet::all()};
}

CharSet characters_of(std::u32string_view text) {
  CharSet set;
  for (const char32_t character : text) set.add(CharSet::class_of(character));
  return set;
}

}  // namespace

TextIndex::TextIndex(std::span<const std::string> texts) {
  std::vector<Spelled> whole, ending;
  for (size_t token = 0; token < texts.size(); ++token) {
    if (texts[token].empty()) continue;
    Spelled spelled;
    spelled.token = static_cast<Token>(token);
    Spelling at;
    SpellingStep step;
    for (size_t i = 0; i < texts[token].size() && !spelled.quote; ++i) {
      step = spell(at, static_cast<uint8_t>(texts[token][i]));
      if (step.kind == SpellingStep::Kind::Refused) break;
      at = step.next;
      if (step.kind == SpellingStep::Kind::Character) spelled.characters += step.character;
      if (step.kind == SpellingStep::Kind::Quote) {
        spelled.quote = true;
        spelled.tail = std::string_view(texts[token]).substr(i + 1);
      }
    }
    if (step.kind == SpellingStep::Kind::Refused) continue;
    if (step.kind == SpellingStep::Kind::Inside) {
      spelled.next.assign(step.possible.begin(), step.possible.begin() + step.ranges);
    }
    (step.kind == SpellingStep::Kind::Character ? whole : ending).push_back(std::move(spelled));
  }
  add_characters(std::move(whole), (texts.size() + 63) / 64);
  add_endings(std::move(ending));
}

void TextIndex::add_characters(std::vector<Spelled> spelled, size_t words) {
  for (Mask& mask : short_) mask.resize(words);
  for (CharSet& characters : common_sets()) common_.push_back({characters, Mask(words)});
  build(spelled, nodes_, [&](const Spelled& text) { tokens_.push_back(text.token); });
  for (const Spelled& text : spelled) {
    longest_ = std::max(longest_, text.characters.size());
    for (size_t i = 0; i < kLengths.size(); ++i) {
      if (text.characters.size() <= kLengths[i]) allow(short_[i], text.token);
    }
    allow(short_.back(), text.token);
    const CharSet characters = characters_of(text.characters);
    for (size_t i = 0; i < CharSet::kClasses; ++i) {
      if (!characters.has(i)) continue;
      having_[i].resize(words);
      allow(having_[i], text.token);
    }
    for (Common& common : common_) {
      if (common.characters.holds(characters)) allow(common.mask, text.token);
    }
  }
}

void TextIndex::add_endings(std::vector<Spelled> spelled) {
  std::map<std::string_view, uint32_t> tails;
  std::map<std::vector<Range>, uint32_t> beginnings;
  for (const Spelled& text : spelled) {
    if (text.quote) tails.try_emplace(text.tail);
    if (!text.quote) beginnings.try_emplace(text.next);
  }
  PrefixWalk<TailNode> tail_walk(tail_nodes_);
  for (auto& [tail, number] : tails) {
    number = static_cast<uint32_t>(tails_.size());
    tails_.push_back({std::string(tail), std::ranges::count(tail, '"') >= 2});
    longest_tail_ = std::max(longest_tail_, tail.size());
    if (tail.empty()) {
      empty_tail_ = number;
      continue;
    }
    tail_walk.add(tail, [](TailNode& node, char byte, size_t depth) {
      node.byte = static_cast<uint8_t>(byte);
      node.depth = static_cast<uint16_t>(depth);
    });
    tail_nodes_.back().tail = number;
  }
  tail_walk.finish();
  for (auto& [ranges, number] : beginnings) {
    number = static_cast<uint32_t>(beginnings_.size());
    beginnings_.push_back(ranges);
  }
  build(spelled, ending_nodes_, [&](const Spelled& text) {
    const uint32_t what = text.quote ? tails[text.tail] : kUnfinished + beginnings[text.next];
    endings_.push_back({text.token, what});
    longest_ending_ = std::max(longest_ending_, text.characters.size());
  });
}

// Sorts the tokens into a tree; add(text) puts each behind those before it.
template <class Add>
void TextIndex::build(std::vector<Spelled>& spelled, std::vector<Node>& nodes, Add add) {
  // Those of one block together.
  const auto block = [](const Spelled& text) {
    const bool ascii = text.characters.empty() || text.characters[0] < 0x80;
    return ascii ? size_t{0} : CharSet::class_of(text.characters[0]);
  };
  std::sort(spelled.begin(), spelled.end(), [&](const Spelled& a, const Spelled& b) {
    const size_t first = block(a), second = block(b);
    return std::tie(first, a.characters, a.token) < std::tie(second, b.characters, b.token);
  });
  nodes.emplace_back();
  PrefixWalk<Node> walk(nodes);
  uint32_t added = 0;
  std::u32string path;
  for (const Spelled& text : spelled) {
    const size_t number = block(text), blocks = number == 0 ? 0 : 1;
    path.assign(blocks, static_cast<char32_t>(kBlock + number));
    path += text.characters;
    walk.add(path, [&](Node& node, char32_t character, size_t depth) {
      node.character = character;
      node.depth = static_cast<uint16_t>(depth - blocks);
      node.first = added;
    });
    add(text);
    ++added;
    Node& node = nodes.back();
    node.longest = static_cast<uint16_t>(text.characters.size());
    node.characters = characters_of(text.characters);
  }
  walk.finish();
  nodes.front().after = static_cast<uint32_t>(nodes.size());
  for (size_t i = nodes.size(); i-- > 0;) {
    for (uint32_t child = static_cast<uint32_t>(i) + 1; child < nodes[i].after;
         child = nodes[child].after) {
      nodes[i].longest = std::max(nodes[i].longest, nodes[child].longest);
      nodes[i].characters |= nodes[child].characters;
    }
  }
  nodes.emplace_back().first = added;
}

uint32_t TextIndex::whole_run(const TextRuns& runs) const {
  if (runs.free >= longest_) return runs.free;
  uint32_t run = 0;
  for (const uint32_t length : kLengths) {
    if (length <= runs.free) run = length;
  }
  return run;
}

void TextIndex::add_within(const TextRuns& runs, std::span<uint64_t> mask) const {
  const uint32_t run = whole_run(runs);
  if (run == 0) return;
  size_t i = 0;
  while (i < kLengths.size() && kLengths[i] != run) ++i;
  const Mask& lengths = run >= longest_ ? short_.back() : short_[i];
  const Common* common = common_.data();
  while (!common->characters.holds(runs.alphabet)) ++common;
  std::vector<const uint64_t*> missing;
  for (size_t c = 0; c < CharSet::kClasses; ++c) {
    if (common->characters.without(runs.alphabet).has(c) && !having_[c].empty()) {
      missing.push_back(having_[c].data());
    }
  }
  constexpr size_t kPiece = 64;
  for (size_t begin = 0; begin < mask.size(); begin += kPiece) {
    const size_t n = std::min(kPiece, mask.size() - begin);
    uint64_t other[kPiece] = {};
    for (const uint64_t* having : missing) {
      for (size_t w = 0; w < n; ++w) other[w] |= having[begin + w];
    }
    for (size_t w = 0; w < n; ++w) {
      mask[begin + w] |= lengths[begin + w] & common->mask[begin + w] & ~other[w];
    }
  }
}

}  // namespace issun::grammar
