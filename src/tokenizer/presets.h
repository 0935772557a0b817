// The known values of tokenizer.ggml.pre: how byte-level BPE vocabularies cut a text into words
// before merging, as data.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace issun::tokenizer {

// One pass over the pieces that the passes before it left. Every match becomes a piece of its own,
// and so does what lies between matches.
struct Stage {
  enum Kind {
    Regex,      // matches of `pattern`, see pattern.h
    Thousands,  // runs of digits in groups of three counted from the right; text before a run stays
                // with its first group, as in the reference engine, and is left to the next stage
    Trailing,   // the whitespace at the end of a piece
  };
  Kind kind = Regex;
  std::string_view pattern;
};

struct Preset {
  std::string_view names;  // values of tokenizer.ggml.pre, separated by spaces
  std::span<const Stage> stages;
  bool add_bos = false;      // unless the file says otherwise
  bool whole_words = false;  // a word that is a token is not merged ("ignore_merges")
  bool clean_spaces =
      false;  // decode() removes the spaces that old word-level corpora put before .,?! and 's
  bool spaces_as_marks =
      false;  // words are UTF-8 with U+2581 for spaces, not GPT-2's byte characters
};

// nullptr when no preset has that name.
const Preset* find_preset(std::string_view name);

std::span<const Preset> presets();

// All names, for messages.
std::string preset_names();

}  // namespace issun::tokenizer
