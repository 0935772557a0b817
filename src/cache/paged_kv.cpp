#include "cache/paged_kv.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace issun::cache {

namespace {
int64_t pages_for(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }
int64_t slots_for(int sequences) { return 2 * int64_t{sequences} + 1; }
}  // namespace

bool is_cache_type(DType type) {
  return std::find(std::begin(kCacheTypes), std::end(kCacheTypes), type) != std::end(kCacheTypes);
}

int64_t cache_row_bytes(DType type, int width) {
  return row_bytes(type, round_up(width, facts(type).block));
}

int64_t PagedKv::lay_out(const KvShape& shape, int64_t pages, std::vector<Plane>* keys,
                         std::vector<Plane>* values) {
  int64_t offset = 0;
  const auto plane = [&](int heads, int width, DType type) {
    Plane made;
    made.offset = offset;
    made.row_bytes = cache_row_bytes(type, width);
    made.head_bytes = round_up(made.row_bytes * kPageTokens, kCacheLine);
    made.page_bytes = saturating_mul(made.head_bytes, heads);
    offset = saturating_add(offset, saturating_mul(made.page_bytes, pages));
    return made;
  };
  for (const KvLayerShape& layer : shape.layers) {
    const Plane key = plane(layer.kv_heads, layer.key_width, shape.key_type);
    const Plane value = plane(layer.kv_heads, layer.value_width, shape.value_type);
    if (keys != nullptr) keys->push_back(key);
    if (values != nullptr) values->push_back(value);
  }
  return offset;
}

int64_t PagedKv::planned_bytes(const KvShape& shape, int64_t tokens, int sequences) {
  return saturating_add(lay_out(shape, pages_for(tokens), nullptr, nullptr),
                        StateSlots::planned_bytes(shape.states, slots_for(sequences)));
}

Result<PagedKv> PagedKv::create(KvShape shape, int64_t tokens, int sequences, Pages memory) {
  for (const DType type : {shape.key_type, shape.value_type}) {
    if (is_cache_type(type)) continue;
    std::string names;
    for (const DType known : kCacheTypes) names += fmt::format(" {}", name(known));
    return fail("cache type {}: expected one of{}", name(type), names);
  }
  const int64_t pages = pages_for(tokens);
  PagedKv kv;
  const int64_t bytes = lay_out(shape, pages, &kv.keys_, &kv.values_);
  auto buffer = AlignedBuffer::create(bytes, memory);
  if (!buffer) return fail("a cache for {} tokens: {}", tokens, buffer.error().message);
  kv.buffer_ = std::move(*buffer);
  if (!shape.states.empty()) {
    auto states = StateSlots::create(shape.states, slots_for(sequences));
    if (!states) return fail("states of {} sequences: {}", sequences, states.error().message);
    kv.states_ = std::move(*states);
  }
  kv.shape_ = std::move(shape);
  kv.references_.assign(static_cast<size_t>(pages), 0);
  kv.free_.resize(static_cast<size_t>(pages));
  // The lowest page is handed out first, so that a short conversation touches little memory.
  for (int64_t i = 0; i < pages; ++i) {
    kv.free_[static_cast<size_t>(i)] = static_cast<int32_t>(pages - 1 - i);
  }
  return kv;
}

PageTable PagedKv::new_table() const {
  PageTable table;
  table.pages.reserve(references_.size());
  return table;
}

bool PagedKv::extend(PageTable& table, int tokens) {
  const int64_t needed =
      pages_for(int64_t{table.length} + tokens) - static_cast<int64_t>(table.pages.size());
  if (needed > free_pages()) return false;
  if (has_states() && table.state == kNoSlot) {
    table.state = states_.take();
    if (table.state == kNoSlot) return false;
  }
  for (int64_t i = 0; i < needed; ++i) table.pages.push_back(take_page());
  table.length += tokens;
  return true;
}

// The caller knows that one is free.
int32_t PagedKv::take_page() {
  const int32_t page = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(page)] = 1;
  touched_pages_ = std::max(touched_pages_, page + 1);
  return page;
}

int64_t PagedKv::touched_bytes() const {
  const int64_t unit = buffer_.page_bytes();
  int64_t units = 0;
  for (const auto* planes : {&keys_, &values_}) {
    int64_t counted = 0;  // up to the unit that was counted last
    for (const Plane& plane : *planes) {
      const int64_t bytes = touched_pages_ * plane.page_bytes;
      if (bytes == 0) continue;
      const int64_t end = (plane.offset + bytes + unit - 1) / unit;
      units += end - std::max(counted, plane.offset / unit);
      counted = end;
    }
  }
  return std::min(units * unit, buffer_.bytes()) + states_.bytes();
}

void PagedKv::release(int32_t page) {
  if (--references_[static_cast<size_t>(page)] == 0) free_.push_back(page);
}

bool PagedKv::keep_state(PageTable& table) {
  if (table.state == kNoSlot) return true;
  if (table.kept == kNoSlot) table.kept = states_.take();
  if (table.kept == kNoSlot) return false;
  states_.copy(table.state, table.kept);
  table.kept_length = table.length;
  return true;
}

int PagedKv::resumable(const PageTable& table, int length) const {
  if (!has_states() || length == table.length) return length;
  return table.kept != kNoSlot && table.kept_length <= length ? table.kept_length : 0;
}

int PagedKv::cuttable(const PageTable& table, int length) const {
  const auto inside_shared = [&](int at) {
    return at % kPageTokens != 0 &&
           references_[static_cast<size_t>(table.pages[static_cast<size_t>(at / kPageTokens)])] > 1;
  };
  int at = resumable(table, length);
  while (inside_shared(at)) at = resumable(table, at - at % kPageTokens);
  return at;
}

void PagedKv::truncate(PageTable& table, int length) {
  CHECK_THAT(length >= 0 && length <= table.length);
  CHECK_THAT(cuttable(table, length) ==
             length);  // a partial last page is going to be written again
  truncate_state(table, length);
  const size_t kept = static_cast<size_t>(pages_for(length));
  while (table.pages.size() > kept) {
    release(table.pages.back());
    table.pages.pop_back();
  }
  table.length = length;
}

void PagedKv::truncate_state(PageTable& table, int length) {
  if (length == 0) states_.release(table.state);  // extend() begins with a fresh one
  if (length > 0 && length < table.length && has_states()) states_.copy(table.kept, table.state);
  if (length < table.kept_length || length == 0) {
    states_.release(table.kept);
    table.kept_length = 0;
  }
}

bool PagedKv::fork(const PageTable& from, int length, PageTable& to) {
  CHECK_THAT(to.pages.empty() && length <= from.length);
  const size_t full = static_cast<size_t>(length / kPageTokens);
  const bool partial = length % kPageTokens != 0;
  if (partial && free_.empty()) return false;
  if (has_states() && length > 0) {
    CHECK_THAT(resumable(from, length) == length);
    to.state = states_.take();
    if (to.state == kNoSlot) return false;
    states_.copy(length == from.length ? from.state : from.kept, to.state);
  }
  for (size_t i = 0; i < full; ++i) {
    ++references_[static_cast<size_t>(from.pages[i])];
    to.pages.push_back(from.pages[i]);
  }
  if (partial) {
    const int32_t source = from.pages[full], copy = take_page();
    to.pages.push_back(copy);
    for (const auto* planes : {&keys_, &values_}) {
      for (const Plane& plane : *planes) {
        std::memcpy(place(plane, 0, copy, 0), place(plane, 0, source, 0),
                    static_cast<size_t>(plane.page_bytes));
      }
    }
  }
  to.length = length;
  return true;
}

}  // namespace issun::cache
