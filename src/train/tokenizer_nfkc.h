// Normalization Form KC as a list of texts to replace: what a charsmap can say of it.
#pragma once

#include <map>
#include <string>

namespace issun::train {

// Every character that the form changes (full-width letters, half-width kana, ligatures, U+3000
// ...), and every letter followed by marks that it composes with, the letter also in full or half
// width (が of か and U+3099, ガ of ｶ and ﾞ). Not here, and so left as they are: marks in another
// order than the canonical one, syllables of Hangul written as their parts, marks after letters of
// other compatible forms (mathematical ones and the like). Source: Unicode 15, annex 15.
std::map<std::string, std::string> nfkc_replacements();

}  // namespace issun::train
