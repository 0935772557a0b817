// What attention remembers: keys and values in pages of 64 positions, shared between sequences that
// begin alike; and beside them, where layers are recurrent, a slot of state for each sequence. All
// memory is planned and asked for at creation; nothing allocates afterwards.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "cache/state_slots.h"
#include "tensor/dtype.h"

namespace issun::cache {

constexpr int kPageTokens = 64;

// The types that keys and values may have, each by itself, in the order of their bits.
constexpr DType kCacheTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0,  DType::Q5_1,
                                 DType::Q5_0, DType::Q4_1, DType::Q4_0, DType::IQ4_NL};
bool is_cache_type(DType type);

// Bytes of a row of `width` numbers: whole blocks, the last filled up with zeros.
int64_t cache_row_bytes(DType type, int width);

// What one layer stores for each position.
struct KvLayerShape {
  int kv_heads = 0;
  int key_width = 0;
  int value_width = 0;
};

struct KvShape {
  std::vector<KvLayerShape> layers;
  DType key_type = DType::F16;          // one of kCacheTypes
  DType value_type = DType::F16;        // likewise
  std::vector<StateLayerShape> states;  // one a layer; empty when none is recurrent
};

// One sequence: its pages in order and how many positions they hold. The pages before the last are
// full; a full page is never written again, so it may belong to several sequences.
struct PageTable {
  std::vector<int32_t>
      pages;  // room for all pages of the cache is reserved by PagedKv::new_table()
  int length = 0;
  int32_t state = kNoSlot;  // of the recurrent layers after `length` positions
  int32_t kept = kNoSlot;   // a copy of what it was after `kept_length` positions
  int kept_length = 0;
};

class PagedKv {
 public:
  // Bytes that create() will ask for, to the byte; the largest number when they cannot be counted.
  static int64_t planned_bytes(const KvShape& shape, int64_t tokens, int sequences = 1);
  // A cache for `tokens` positions in all sequences together (rounded up to whole pages), of which
  // `sequences` may run at once: each may have a state and a kept one, and one is left over for a
  // sequence that has ended. Error: a type that is no cache type, or memory that cannot be had.
  static Result<PagedKv> create(KvShape shape, int64_t tokens, int sequences = 1,
                                Pages memory = Pages::BySize);

  PageTable new_table() const;
  int page_count() const { return static_cast<int>(references_.size()); }
  int free_pages() const { return static_cast<int>(free_.size()); }
  // Sequences that hold a page.
  int references(int32_t page) const { return references_[static_cast<size_t>(page)]; }
  const KvShape& shape() const { return shape_; }
  bool has_states() const { return !shape_.states.empty(); }
  // Of the planned bytes, those that may be resident by now, at most: pages that were never handed
  // out are not.
  int64_t touched_bytes() const;
  const StateSlots& states() const { return states_; }

  // Makes room for `tokens` further positions and counts them as present; the caller fills them.
  // false, and nothing changed, when there are not enough free pages, or no state for a sequence
  // that begins.
  bool extend(PageTable& table, int tokens);
  // Keeps a copy of the state as it is now, instead of the one kept before, so that the sequence
  // can come back to this length. false when no slot is free for it. Without states there is
  // nothing to do.
  bool keep_state(PageTable& table);
  // The longest length up to `length` from which the text may go on in another way. With states
  // that is where one is known: the length now, or that of the kept one, or none.
  int resumable(const PageTable& table, int length) const;
  // Forgets positions from `length` on. A length inside a page that another sequence shares, or one
  // whose state is not known, is a bug: see cuttable().
  void truncate(PageTable& table, int length);
  // The longest length up to `length` that truncate() may go to: a resumable one, and a shared page
  // cannot be cut.
  int cuttable(const PageTable& table, int length) const;
  // `to` (empty) begins as the first `length` positions of `from`, a resumable number: full pages
  // are shared, the partial last one and the state are copied. false when no page or no slot is
  // free for that copy.
  bool fork(const PageTable& from, int length, PageTable& to);

  // Row of `width` numbers of the type for one position of a page.
  std::byte* key_row(int layer, int head, int32_t page, int slot) const {
    return place(keys_[static_cast<size_t>(layer)], head, page, slot);
  }
  std::byte* value_row(int layer, int head, int32_t page, int slot) const {
    return place(values_[static_cast<size_t>(layer)], head, page, slot);
  }

 private:
  // The pages of one layer's keys or values: (page, head, slot, width).
  struct Plane {
    int64_t offset = 0;  // in the buffer
    int64_t page_bytes = 0, head_bytes = 0, row_bytes = 0;
  };
  static int64_t lay_out(const KvShape& shape, int64_t pages, std::vector<Plane>* keys,
                         std::vector<Plane>* values);
  std::byte* place(const Plane& plane, int head, int32_t page, int slot) const {
    return buffer_.data() + plane.offset + page * plane.page_bytes + head * plane.head_bytes +
           slot * plane.row_bytes;
  }
  int32_t take_page();
  void release(int32_t page);
  void truncate_state(PageTable& table, int length);

  KvShape shape_;
  AlignedBuffer buffer_;
  StateSlots states_;
  std::vector<Plane> keys_, values_;
  std::vector<int32_t> references_;  // sequences that hold each page
  std::vector<int32_t> free_;
  int touched_pages_ = 0;  // the first ones, that have been handed out
};

}  // namespace issun::cache
