// llama2.c: model files of version 0 and tokenizer.bin. Source: github.com/karpathy/llama2.c,
// export.py (legacy_export) and tokenizer.py (export).
#include <cmath>
#include <cstring>

#include "base/memory.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "gguf/value.h"
#include "import/prepared.h"

namespace issun::import {

namespace {

struct Header {
  int32_t width, hidden, layers, heads, kv_heads, vocabulary, context;
  bool shares_output = true;
};

constexpr int kMostLayers = 4096;

Result<Header> read_header(std::span<const std::byte> bytes) {
  int32_t fields[7];
  if (bytes.size() < sizeof fields) return fail("expected a header of {} bytes", sizeof fields);
  std::memcpy(fields, bytes.data(), sizeof fields);
  constexpr int32_t kMagic = 0x616b3432;  // "ak42", of versions 1 and 2
  if (fields[0] == kMagic) {
    return fail("expected a llama2.c file of version 0, found version {}, which cannot be imported",
                fields[1]);
  }
  Header header{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]};
  header.shares_output = header.vocabulary > 0;
  if (!header.shares_output && header.vocabulary != INT32_MIN) {
    header.vocabulary = -header.vocabulary;
  }
  const bool sizes = header.width > 0 && header.hidden > 0 && header.layers > 0 &&
                     header.layers <= kMostLayers && header.heads > 0 && header.kv_heads > 0 &&
                     header.vocabulary > 0 && header.vocabulary <= kMostTokens &&
                     header.context > 0;
  if (!sizes || header.width % (int64_t{2} * header.heads) != 0 ||
      header.heads % header.kv_heads != 0) {
    return fail(
        "expected a header of llama2.c (width, hidden width, layers, heads, key heads, "
        "vocabulary, context), found {}",
        fmt::join(fields, " "));
  }
  return header;
}

// Cuts the file into tensors, in its order.
class Cutter {
 public:
  Cutter(std::span<const std::byte> bytes, Prepared& prepared)
      : bytes_(bytes), prepared_(prepared) {}

  // One tensor, or one for each layer: `name` has a # then.
  Result<void> add(std::string_view name, int layers, std::vector<int64_t> shape) {
    static const safetensors::StoredType kFloat{"F32", 4, DType::F32};
    int64_t bytes = 4;
    for (const int64_t size : shape) bytes = saturating_mul(bytes, size);
    for (int l = 0; l < layers; ++l) {
      StoredTensor& piece = prepared_.pieces.emplace_back();
      piece.type = &kFloat;
      piece.shape = shape;
      piece.data = TRY(take(name, bytes));
      PlannedTensor planned;
      planned.name = numbered(name, l);
      piece.name = prepared_.keys.keep(planned.name);
      planned.size.assign(shape.rbegin(), shape.rend());
      planned.columns = piece.columns();
      planned.parts = {{{&piece}, 0, piece.rows()}};
      planned.layer = name.find('#') == std::string_view::npos ? -1 : l;
      prepared_.plan.tensors.push_back(std::move(planned));
    }
    return {};
  }
  Result<std::span<const std::byte>> take(std::string_view name, int64_t bytes) {
    if (bytes > static_cast<int64_t>(bytes_.size()) - at_) {
      return fail("{}: expected {} bytes at byte {}, found {}", name, bytes, at_,
                  static_cast<int64_t>(bytes_.size()) - at_);
    }
    const auto taken = bytes_.subspan(static_cast<size_t>(at_), static_cast<size_t>(bytes));
    at_ += bytes;
    return taken;
  }
  int64_t at() const { return at_; }

 private:
  std::span<const std::byte> bytes_;
  Prepared& prepared_;
  int64_t at_ = sizeof(int32_t) * 7;
};

Result<void> cut(const Header& h, std::span<const std::byte> bytes, Prepared& prepared) {
  Cutter cutter(bytes, prepared);
  const int64_t width = h.width, keys = width / h.heads * h.kv_heads;
  TRY(cutter.add("token_embd.weight", 1, {h.vocabulary, width}));
  TRY(cutter.add("blk.#.attn_norm.weight", h.layers, {width}));
  TRY(cutter.add("blk.#.attn_q.weight", h.layers, {width, width}));
  TRY(cutter.add("blk.#.attn_k.weight", h.layers, {keys, width}));
  TRY(cutter.add("blk.#.attn_v.weight", h.layers, {keys, width}));
  TRY(cutter.add("blk.#.attn_output.weight", h.layers, {width, width}));
  TRY(cutter.add("blk.#.ffn_norm.weight", h.layers, {width}));
  TRY(cutter.add("blk.#.ffn_gate.weight", h.layers, {h.hidden, width}));
  TRY(cutter.add("blk.#.ffn_down.weight", h.layers, {width, h.hidden}));
  TRY(cutter.add("blk.#.ffn_up.weight", h.layers, {h.hidden, width}));
  TRY(cutter.add("output_norm.weight", 1, {width}));
  // Cosines and sines of the rotation, which are computed here.
  TRY(cutter.take("the table of rotations",
                  saturating_mul(int64_t{4} * h.context, width / h.heads)));
  if (!h.shares_output) TRY(cutter.add("output.weight", 1, {h.vocabulary, width}));
  if (cutter.at() == static_cast<int64_t>(bytes.size())) return {};
  return fail("expected {} bytes by its header, found {}", cutter.at(), bytes.size());
}

void set_keys(const Header& h, Keys& keys) {
  keys.set_count("block_count", h.layers);
  keys.set_count("context_length", h.context);
  keys.set_count("embedding_length", h.width);
  keys.set_count("feed_forward_length", h.hidden);
  keys.set_count("attention.head_count", h.heads);
  keys.set_count("attention.head_count_kv", h.kv_heads);
  keys.set_count("rope.dimension_count", h.width / h.heads);
  keys.set_number("attention.layer_norm_rms_epsilon", 1e-5);  // a constant of its code
  keys.set_number("rope.freq_base", 10000);
}

Result<Vocabulary> read_tokens(std::span<const std::byte> bytes, int64_t count) {
  if (count < 3) return fail("expected at least unknown, begin and end, found {} tokens", count);
  Vocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.pre = "default";
  vocabulary.add_space_prefix = true;
  size_t at = sizeof(int32_t);  // after the length of the longest token
  for (int64_t id = 0; id < count; ++id) {
    float score = 0;
    int32_t length = 0;
    if (at > bytes.size() || bytes.size() - at < sizeof score + sizeof length) {
      return fail("expected {} tokens, found {}", count, id);
    }
    std::memcpy(&score, bytes.data() + at, sizeof score);
    std::memcpy(&length, bytes.data() + at + sizeof score, sizeof length);
    at += sizeof score + sizeof length;
    if (length < 0 || static_cast<size_t>(length) > bytes.size() - at) {
      return fail("token {}: expected a length that fits the file, found {}", id, length);
    }
    std::string text;
    for (const std::byte byte : bytes.subspan(at, static_cast<size_t>(length))) {
      if (static_cast<char>(byte) == ' ') {
        text += "▁";
      } else {
        text += static_cast<char>(byte);
      }
    }
    at += static_cast<size_t>(length);
    if (!valid_utf8(text) || score != score)
      return fail("token {}: expected UTF-8 and a score", id);
    TokenKind kind = TokenKind::Normal;
    if (id < 3) {  // unknown, begin and end; the last two stand between line ends there
      constexpr const char* kNames[] = {"<unk>", "<s>", "</s>"};
      kind = id == 0 ? TokenKind::Unknown : TokenKind::Control;
      text = kNames[id];
    } else if (id < 3 + 256) {
      if (text != fmt::format("<0x{:02X}>", id - 3)) {
        return fail("token {}: expected the byte <0x{:02X}>, found '{}'", id, id - 3,
                    printable(text));
      }
      kind = TokenKind::Byte;
    }
    vocabulary.tokens.push_back(std::move(text));
    vocabulary.scores.push_back(score);
    vocabulary.kinds.push_back(kind);
  }
  if (at != bytes.size()) return fail("expected {} bytes, found {}", at, bytes.size());
  vocabulary.ids = {{"unk", 0}, {"bos", 1}, {"eos", 2}};
  vocabulary.adds = {{"bos", true}, {"eos", false}};
  return vocabulary;
}

}  // namespace

Result<Vocabulary> read_llama2c_tokenizer(std::span<const std::byte> bytes, std::string_view name,
                                          int64_t count) {
  Result<Vocabulary> vocabulary = read_tokens(bytes, count);
  if (!vocabulary) return fail("{}: {}", name, vocabulary.error().message);
  return vocabulary;
}

Result<int64_t> read_llama2c(std::span<const std::byte> bytes, Prepared& prepared) {
  const Header header = TRY(read_header(bytes));
  TRY(cut(header, bytes, prepared));
  set_keys(header, prepared.keys);
  return header.vocabulary;
}

Result<std::unique_ptr<Prepared>> prepare_llama2c(const std::string& path,
                                                  const ImportOptions& options) {
  auto prepared = std::make_unique<Prepared>("llama");
  prepared->file = TRY(MappedFile::open(path));
  const Result<int64_t> tokens = read_llama2c(prepared->file.bytes(), *prepared);
  if (!tokens) return fail("{}: {}", path, tokens.error().message);
  prepared->keys.set_general("general.type", gguf::make_string("model"));
  prepared->keys.set_general("general.name",
                             gguf::make_string(prepared->keys.keep(plain_name(path))));
  const std::string beside = path.substr(0, path.rfind('/') + 1) + "tokenizer.bin";
  const std::string tokenizer = options.tokenizer.empty() ? beside : options.tokenizer;
  const MappedFile file = TRY(MappedFile::open(tokenizer));
  Vocabulary vocabulary = tokenizer.ends_with(".model")
                              ? TRY(read_sentencepiece(file.bytes(), tokenizer))
                              : TRY(read_llama2c_tokenizer(file.bytes(), tokenizer, *tokens));
  TRY(add_vocabulary(std::move(vocabulary), *prepared));
  return prepared;
}

}  // namespace issun::import
