#include "tokenizer/bpe.h"

#include <bit>
#include <utility>

#include "base/utf8.h"
#include "tokenizer/byte_chars.h"

namespace issun::tokenizer {

struct Bpe::Scratch {
  Pretokenizer::Scratch words;
  MergeScratch merge;
  std::vector<Symbol> symbols;
  std::string encoded;
};

Bpe::Bpe(const Vocabulary& vocabulary, const Preset& preset)
    : vocabulary_(&vocabulary), preset_(&preset), pretokenizer_(preset) {}

Result<Bpe> Bpe::create(const Vocabulary& vocabulary, const Preset& preset,
                        const std::vector<std::string_view>& merges) {
  if (merges.size() >= Merge::kNone) {
    return fail("tokenizer.ggml.merges: expected fewer than 2^32, found {}", merges.size());
  }
  Bpe bpe(vocabulary, preset);
  bpe.slots_.resize(std::bit_ceil(merges.size() * 2 + 2));
  for (int byte = 0; byte < 256; ++byte) {
    const auto b = static_cast<uint8_t>(byte);
    bpe.byte_symbols_[b] = bpe.intern(char_of_byte(b));
    bpe.byte_tokens_[b] =
        preset.spaces_as_marks ? vocabulary.byte_token(b) : vocabulary.find(char_of_byte(b));
  }
  for (size_t i = 0; i < merges.size(); ++i) {
    TRY(bpe.add_merge(merges[i], static_cast<uint32_t>(i)));
  }
  return bpe;
}

Result<void> Bpe::add_merge(std::string_view merge, uint32_t rank) {
  const size_t space = merge.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == merge.size()) {
    return fail("tokenizer.ggml.merges: entry {} is not two texts with a space between", rank);
  }
  std::string merged(merge);
  merged.erase(space, 1);
  const int32_t left = intern(merge.substr(0, space));
  const int32_t right = intern(merge.substr(space + 1));
  Slot& slot = slots_[slot_of(left, right)];
  if (slot.left >= 0) return {};  // the first of its kind counts
  // Most vocabularies number their tokens in the order of the merges that make them. Looking there
  // first: 65 -> 51 ms for 100,000 merges.
  const bool in_order = vocabulary_->has(next_made_) && vocabulary_->text(next_made_) == merged;
  slot = {left, right, {rank, in_order ? next_made_ : intern(merged)}};
  next_made_ = slot.merge.id + 1;
  if (preset_->spaces_as_marks) word_starts_.add(merged);
  return {};
}

int32_t Bpe::intern(std::string_view text) {
  const Token token = vocabulary_->find(text);
  if (token != kNoToken) return token;
  const auto next =
      static_cast<int32_t>(vocabulary_->size() + static_cast<int>(extra_symbols_.size()));
  return extra_symbols_.try_emplace(std::string(text), next).first->second;
}

int32_t Bpe::symbol_of(std::string_view text) const {
  const Token token = vocabulary_->find(text);
  if (token != kNoToken || extra_symbols_.empty()) return token;
  const auto extra = extra_symbols_.find(std::string(text));
  return extra == extra_symbols_.end() ? -1 : extra->second;
}

size_t Bpe::slot_of(int32_t left, int32_t right) const {
  const auto wide = [](int32_t id) { return uint64_t{static_cast<uint32_t>(id)}; };
  const uint64_t hash = (wide(left) << 32 | wide(right)) * 0x9E3779B97F4A7C15;
  const size_t mask = slots_.size() - 1;
  size_t slot = (hash >> 32 ^ hash >> 12) & mask;
  while (slots_[slot].left >= 0 && (slots_[slot].left != left || slots_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

int Bpe::missing_bytes() const {
  int missing = 0;
  for (const Token token : byte_tokens_) missing += token == kNoToken;
  return missing;
}

void Bpe::encode(std::string_view text, std::vector<Token>& out) const {
  Scratch scratch;
  pretokenizer_.split(text, scratch.words);
  size_t begin = 0;
  for (const size_t end : scratch.words.ends) {
    std::string_view word = text.substr(begin, end - begin);
    begin = end;
    while (!word.empty()) {
      const size_t length = preset_->spaces_as_marks ? word_starts_.word_end(word) : word.size();
      encode_word(word.substr(0, length), scratch, out);
      word.remove_prefix(length);
    }
  }
}

void Bpe::encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  if (preset_->spaces_as_marks) {
    // Runs of line breaks are tokens that no merge makes.
    if (word[0] == '\n') {
      const Token token = vocabulary_->find(word);
      if (token != kNoToken) return out.push_back(token);
    }
    for (size_t at = 0; at < word.size();) {
      const auto bytes = static_cast<uint32_t>(decode_utf8(word, at).bytes);
      symbols.push_back({symbol_of(word.substr(at, bytes)), static_cast<uint32_t>(at), bytes});
      at += bytes;
    }
  } else {
    if (preset_->whole_words) {
      scratch.encoded.clear();
      for (const char c : word) scratch.encoded += char_of_byte(static_cast<uint8_t>(c));
      const Token token = vocabulary_->find(scratch.encoded);
      if (token != kNoToken) return out.push_back(token);
    }
    for (uint32_t i = 0; i < word.size(); ++i) {
      symbols.push_back({byte_symbols_[static_cast<uint8_t>(word[i])], i, 1});
    }
  }
  const auto rule = [this](const Symbol& left, const Symbol& right) -> Merge {
    if (left.id < 0 || right.id < 0) return {};
    return slots_[slot_of(left.id, right.id)].merge;
  };
  merge_symbols(rule, scratch.merge, symbols);
  for (const Symbol& s : symbols) append_symbol(word.substr(s.begin, s.bytes), s.id, out);
}

void Bpe::append_symbol(std::string_view text, int32_t id, std::vector<Token>& out) const {
  if (vocabulary_->has(id)) return out.push_back(id);
  for (const char c : text) {
    const Token token = byte_tokens_[static_cast<uint8_t>(c)];
    if (token != kNoToken) out.push_back(token);
  }
}

}  // namespace issun::tokenizer
