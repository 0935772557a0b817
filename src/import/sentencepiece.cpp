// SentencePiece models: the few fields that matter, out of the wire format of protocol buffers.
// Source: sentencepiece_model.proto (field numbers), protobuf.dev "Encoding".
#include <cstring>

#include "base/utf8.h"
#include "import/vocabulary.h"

namespace issun::import {

namespace {

// One field of a message: a number, or bytes.
struct Field {
  uint32_t number = 0;
  uint64_t value = 0;  // of a varint, or the bits of a fixed number
  std::span<const std::byte> bytes;
  bool has_bytes = false;

  std::string text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  float floating() const {
    const auto bits = static_cast<uint32_t>(value);
    return __builtin_bit_cast(float, bits);
  }
};

// Walks the fields of a message. Never reads past its end.
class Message {
 public:
  explicit Message(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool more() const { return at_ < bytes_.size(); }
  Result<Field> next() {
    const uint64_t tag = TRY(varint());
    Field field;
    field.number = static_cast<uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0:
        field.value = TRY(varint());
        return field;
      case 1:
        return fixed(field, 8);
      case 2:
        field.has_bytes = true;
        field.bytes = TRY(take(TRY(varint())));
        return field;
      case 5:
        return fixed(field, 4);
      default:
        return fail("expected a protocol buffer, found wire type {} at byte {}", tag & 7, at_);
    }
  }

 private:
  Result<std::span<const std::byte>> take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      return fail("expected {} bytes at byte {}, found {}", count, at_, bytes_.size() - at_);
    }
    const auto taken = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return taken;
  }
  Result<Field> fixed(Field field, size_t width) {
    const auto taken = TRY(take(width));
    std::memcpy(&field.value, taken.data(), width);
    return field;
  }
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return fail("expected a number, found the end");
      const auto byte = static_cast<uint64_t>(bytes_[at_++]);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return fail("expected a number of at most ten bytes at byte {}", at_);
  }

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

constexpr int kUnigram = 1, kBpe = 2;

// The proto's defaults where the file leaves a field out.
struct Spec {
  int64_t model_type = kUnigram;
  int64_t unknown = 0, begin = 1, end = 2, pad = -1;
  bool dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  bool whitespace_as_suffix = false;
};

Result<void> read_piece(std::span<const std::byte> bytes, Vocabulary& vocabulary) {
  std::string text;
  float score = 0;
  uint64_t kind = static_cast<uint64_t>(TokenKind::Normal);
  for (Message piece(bytes); piece.more();) {
    const Field field = TRY(piece.next());
    if (field.number == 1 && field.has_bytes) text = field.text();
    if (field.number == 2) score = field.floating();
    if (field.number == 3) kind = field.value;
  }
  if (kind < 1 || kind > 6)
    return fail("piece {}: unknown kind {}", vocabulary.tokens.size(), kind);
  if (!valid_utf8(text)) return fail("piece {}: expected UTF-8", vocabulary.tokens.size());
  if (score != score) return fail("piece {}: its score is not a number", vocabulary.tokens.size());
  if (static_cast<int64_t>(vocabulary.tokens.size()) >= kMostTokens) {
    return fail("expected at most {} pieces", kMostTokens);
  }
  // The kinds are numbered as GGUF numbers them, which took them from here.
  vocabulary.tokens.push_back(std::move(text));
  vocabulary.scores.push_back(score);
  vocabulary.kinds.push_back(static_cast<TokenKind>(kind));
  return {};
}

Result<void> read_trainer(std::span<const std::byte> bytes, Spec& spec) {
  for (Message trainer(bytes); trainer.more();) {
    const Field field = TRY(trainer.next());
    const auto number = static_cast<int64_t>(field.value);
    if (field.number == 3) spec.model_type = number;
    if (field.number == 24) spec.whitespace_as_suffix = number != 0;
    if (field.number == 40) spec.unknown = number;
    if (field.number == 41) spec.begin = number;
    if (field.number == 42) spec.end = number;
    if (field.number == 43) spec.pad = number;
  }
  return {};
}

Result<void> read_normalizer(std::span<const std::byte> bytes, Spec& spec, Vocabulary& vocabulary) {
  for (Message normalizer(bytes); normalizer.more();) {
    const Field field = TRY(normalizer.next());
    if (field.number == 2 && field.has_bytes) {
      const auto* data = reinterpret_cast<const uint8_t*>(field.bytes.data());
      vocabulary.charsmap.assign(data, data + field.bytes.size());
    }
    if (field.number == 3) spec.dummy_prefix = field.value != 0;
    if (field.number == 4) spec.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5) spec.escape_whitespaces = field.value != 0;
  }
  return {};
}

Result<Vocabulary> read_model(std::span<const std::byte> bytes) {
  Vocabulary vocabulary;
  Spec spec;
  for (Message model(bytes); model.more();) {
    const Field field = TRY(model.next());
    if (!field.has_bytes) continue;
    if (field.number == 1) TRY(read_piece(field.bytes, vocabulary));
    if (field.number == 2) TRY(read_trainer(field.bytes, spec));
    if (field.number == 3) TRY(read_normalizer(field.bytes, spec, vocabulary));
  }
  if (vocabulary.tokens.empty()) return fail("expected pieces, found none");
  if (spec.model_type != kUnigram && spec.model_type != kBpe) {
    return fail("expected a unigram or BPE model, found model type {}", spec.model_type);
  }
  if (spec.whitespace_as_suffix || !spec.escape_whitespaces) {
    return fail("expected spaces written as marks before words, found another treatment of them");
  }
  const bool bpe = spec.model_type == kBpe;
  vocabulary.model = bpe ? "llama" : "t5";
  vocabulary.pre = "default";
  vocabulary.add_space_prefix = spec.dummy_prefix;
  if (bpe) {
    vocabulary.charsmap.clear();  // the byte-exact models have none that changes a text
  } else {
    vocabulary.remove_extra_whitespaces = spec.remove_extra_whitespaces;
  }
  const auto size = static_cast<int64_t>(vocabulary.tokens.size());
  const auto role = [&](const char* name, int64_t id) {
    if (id >= 0 && id < size) vocabulary.ids[name] = static_cast<int32_t>(id);
  };
  role("unk", spec.unknown);
  role("bos", spec.begin);
  role("eos", spec.end);
  role("pad", spec.pad);
  return vocabulary;
}

}  // namespace

Result<Vocabulary> read_sentencepiece(std::span<const std::byte> bytes, std::string_view name) {
  Result<Vocabulary> vocabulary = read_model(bytes);
  if (!vocabulary) return fail("{}: {}", name, vocabulary.error().message);
  return vocabulary;
}

}  // namespace issun::import
