// Sets of characters that tokens are sorted by: where a string may go on with any of them, whole
// groups of tokens are allowed without looking at each.
#pragma once

#include <array>
#include <vector>

#include "grammar/dfa.h"

namespace issun::grammar {

// Each holds those before it. The last: all that a JSON string may hold unescaped.
inline const std::array<std::vector<Range>, 4> kAlphabets = {{
    {{'a', 'z'}},
    {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
    {{' ', '!'}, {'#', '['}, {']', '~'}},
    {{' ', '!'}, {'#', '['}, {']', kLastCharacter}},
}};
constexpr int kAlphabetCount = 4;

}  // namespace issun::grammar
