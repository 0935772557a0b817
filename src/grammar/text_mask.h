// Which tokens may follow inside a JSON string, found by characters.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "grammar/configurations.h"
#include "grammar/text_index.h"

namespace issun::grammar {

// Working memory, and what is known about the tails behind a string. For one `Configurations`,
// which every call must be given.
class TextMask {
 public:
  // Adds the tokens that may come next in the text.
  void add(const TextIndex& index, Configurations& configurations, const Configurations::Text& text,
           std::span<uint64_t> mask);
  // Configurations have new numbers.
  void forget() { known_tails_.clear(), tails_.clear(); }

 private:
  struct Place;
  void add_characters(const Place& place);
  template <class MayStep>
  void add_characters(const Place& place, MayStep may_step);
  void add_endings(const Place& place);
  // The frame behind the node's characters, in frames_[depth]; false: they may not follow.
  bool step(const Place& place, const TextIndex::Node& node);
  // Endings first to last - 1, behind characters that lead to `frame`. `any`: each character may
  // begin there.
  void add_endings(const Place& place, const Frame& frame, uint32_t first, uint32_t last, bool any);
  bool may_follow(const Place& place, const Frame& frame, uint32_t tail);
  // The bits of the tails that may follow where the text ends so.
  const uint64_t* tails_after(const Place& place, const Frame& frame, uint32_t end);
  size_t compute_tails(const TextIndex& index, Configurations& configurations, Configuration at);

  std::vector<Frame> frames_;     // of a walk: by depth
  std::vector<uint32_t> states_;  // the same, of a machine
  std::vector<Configuration> path_;
  std::vector<std::pair<uint32_t, Configuration>> ends_;   // of this text: what they lead to
  std::unordered_map<Configuration, size_t> known_tails_;  // where in tails_
  std::vector<uint64_t> tails_;                            // (configuration, tail bits)
};

}  // namespace issun::grammar
