// Sets of characters that tokens are sorted by: where a string may go on with any of them, whole
// groups of tokens are allowed without looking at each.
#pragma once

#include <array>
#include <vector>

#include "grammar/dfa.h"

namespace issun::grammar {

// Each holds those before it. The last: all that a JSON string may hold unescaped.
constexpr int kAlphabetCount = 7;
inline const std::array<std::vector<Range>, kAlphabetCount> kAlphabets = {{
    {{'a', 'z'}},
    {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}},
    {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
    {{'-', '.'}, {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
    {{'!', '!'}, {'#', '['}, {']', '~'}},
    {{' ', '!'}, {'#', '['}, {']', '~'}},
    {{' ', '!'}, {'#', '['}, {']', kLastCharacter}},
}};

// What a string may go on with.
struct Runs {
  // However many characters of the alphabet, whichever they are.
  std::array<uint32_t, kAlphabetCount> free = {};
  // Never more characters than this, whichever they are.
  uint32_t reach = Dfa::kForever;
};

}  // namespace issun::grammar
