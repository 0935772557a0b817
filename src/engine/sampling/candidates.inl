#include <algorithm>

namespace issun::engine {

template <class Change>
void Candidates::edit(std::span<const int32_t> tokens, std::span<int32_t> marks, Change change) {
  const auto change_one = [&](float& logit, int32_t mark) {
    if (mark == 0) return;
    change(logit, mark);
    logit = std::min(logit, kHighestLogit);
  };
  if (!listed_) {
    const std::span<float> logits = writable();
    for (const int32_t token : tokens) {
      int32_t& mark = marks[static_cast<size_t>(token)];
      change_one(logits[static_cast<size_t>(token)], mark);
      mark = 0;
    }
    return;
  }
  for (Candidate& candidate : list_)
    change_one(candidate.logit, marks[static_cast<size_t>(candidate.token)]);
  drop_impossible();
  for (const int32_t token : tokens) marks[static_cast<size_t>(token)] = 0;
}

template <class T, class Before>
size_t sort_front(std::vector<T>& list, size_t sorted, size_t wanted, Before before) {
  if (wanted <= sorted) return sorted;
  // At least double, so that asking for one more each time stays cheap.
  wanted = std::min(list.size(), std::max(wanted, 2 * sorted));
  const auto at = [&](size_t i) { return list.begin() + static_cast<std::ptrdiff_t>(i); };
  if (wanted < list.size()) std::nth_element(at(sorted), at(wanted), list.end(), before);
  std::sort(at(sorted), at(wanted), before);
  return wanted;
}

}  // namespace issun::engine
