#include "model/buffers.h"

#include <algorithm>

namespace issun::model {

namespace {

struct Widths {
  int64_t query = 0, key = 0, value = 0, attended = 0;  // of all heads together
  int64_t feed_forward = 0;
  int64_t widest_input = 0;  // of any matrix: what is quantised
  int64_t group = 0;         // query heads that share a kv head
  int64_t key_head = 0, value_head = 0;
};

Widths widths_of(const ModelConfig& config) {
  Widths widths;
  for (const LayerConfig& layer : config.layers) {
    widths.query = std::max(widths.query, int64_t{layer.heads} * layer.key_width);
    widths.key = std::max(widths.key, int64_t{layer.kv_heads} * layer.key_width);
    widths.value = std::max(widths.value, int64_t{layer.kv_heads} * layer.value_width);
    widths.attended = std::max(widths.attended, int64_t{layer.heads} * layer.value_width);
    widths.group = std::max<int64_t>(widths.group, layer.heads / layer.kv_heads);
    widths.key_head = std::max<int64_t>(widths.key_head, layer.key_width);
    widths.value_head = std::max<int64_t>(widths.value_head, layer.value_width);
  }
  widths.feed_forward = config.widest_feed_forward();
  widths.widest_input =
      std::max({int64_t{config.embedding_length}, widths.attended, widths.feed_forward});
  return widths;
}

// Reserves a part now and remembers which span it belongs to.
class Layout {
 public:
  explicit Layout(Arena* arena) : arena_(arena) {}
  template <class T>
  void add(std::span<T>* span, int64_t count) {
    const Arena::Part part = arena_->reserve<T>(count);
    fill_.push_back({span, part, [](Arena* arena, void* target, Arena::Part where) {
                       *static_cast<std::span<T>*>(target) = arena->at<T>(where);
                     }});
  }
  void fill() {
    for (const Entry& entry : fill_) entry.fill(arena_, entry.span, entry.part);
  }

 private:
  struct Entry {
    void* span;
    Arena::Part part;
    void (*fill)(Arena*, void*, Arena::Part);
  };
  Arena* arena_;
  std::vector<Entry> fill_;
};

}  // namespace

Result<Forward::Buffers> Forward::Buffers::make(const ModelConfig& config,
                                                const kernels::KernelTable& kernels,
                                                const ForwardOptions& options, int workers,
                                                bool allocate) {
  Buffers b;
  const Widths widths = widths_of(config);
  const int64_t rows = options.max_rows;
  const int64_t wide_rows = std::max(options.max_rows, options.max_outputs);
  Layout layout(&b.arena);
  layout.add(&b.residual, rows * config.embedding_length);
  layout.add(&b.normed, wide_rows * config.embedding_length);
  layout.add(&b.query, rows * widths.query);
  layout.add(&b.key, rows * widths.key);
  layout.add(&b.value, rows * widths.value);
  layout.add(&b.attended, rows * widths.attended);
  layout.add(&b.gate, rows * widths.feed_forward);
  layout.add(&b.up, rows * widths.feed_forward);
  layout.add(&b.projected, rows * config.embedding_length);
  layout.add(&b.q8, wide_rows * kernels::q8_bytes(widths.widest_input));
  layout.add(&b.cosines, rows * (config.rope.dimensions / 2));
  layout.add(&b.sines, rows * (config.rope.dimensions / 2));
  layout.add(&b.positions, rows);
  layout.add(&b.pages, rows);
  layout.add(&b.first_item, options.max_sequences + 1);
  layout.add(&b.logits, int64_t{options.max_outputs} * config.vocabulary_size);
  const int64_t tile = kAttentionTokens * widths.group;
  const int64_t pages = (options.context + cache::kPageTokens - 1) / cache::kPageTokens;
  const int64_t scratch = kernels.attention_scratch_bytes(static_cast<int>(widths.key_head),
                                                          static_cast<int>(widths.value_head));
  b.rooms.resize(static_cast<size_t>(workers));
  for (AttentionRoom& room : b.rooms) {
    layout.add(&room.queries, tile * widths.key_head);
    layout.add(&room.out, tile * widths.value_head);
    layout.add(&room.visible_begin, tile);
    layout.add(&room.visible_end, tile);
    layout.add(&room.key_pages, pages);
    layout.add(&room.value_pages, pages);
    layout.add(&room.scratch, scratch);
  }
  if (allocate) {
    TRY(b.arena.allocate());
    layout.fill();
  }
  return b;
}

}  // namespace issun::model
