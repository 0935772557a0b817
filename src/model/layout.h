// Parts of one arena, planned first and filled in after it is allocated.
#pragma once

#include <span>
#include <vector>

#include "base/memory.h"

namespace issun::model {

// Reserves a part now and remembers which span it belongs to; the spans must stay where they are
// until fill().
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

}  // namespace issun::model
