#include "engine/text_stream.h"

#include <doctest/doctest.h>

using namespace issun::engine;

namespace {

// All that is shown, and whether a stop text ended it; every piece shown must be whole characters.
std::pair<std::string, bool> shown(TextStream stream, const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) {
    if (stream.feed(piece, all)) return {all, true};
  }
  stream.finish(all);
  return {all, false};
}

}  // namespace

TEST_CASE("Characters come out whole, however their bytes are cut") {
  TextStream stream({}, false);
  std::string out;
  stream.feed("\xE4\xB8", out);
  CHECK(out.empty());
  stream.feed("\x80\xE5", out);
  CHECK(out == "一");
  stream.finish(out);
  CHECK(out == "一\uFFFD");
}

TEST_CASE("A stop text ends the text wherever it begins, and nothing of it is shown") {
  CHECK(shown(TextStream({"END"}, false), {"ab", "cE", "N", "Dxyz"}) ==
        std::pair<std::string, bool>("abc", true));
  CHECK(shown(TextStream({"END"}, false), {"abE", "N", "d"}) ==
        std::pair<std::string, bool>("abENd", false));
  CHECK(shown(TextStream({"END"}, false), {"abEN"}) == std::pair<std::string, bool>("abEN", false));
  CHECK(shown(TextStream({"aab"}, false), {"a", "a", "a", "b"}) ==
        std::pair<std::string, bool>("a", true));
  CHECK(shown(TextStream({"xyz", "yz"}, false), {"w", "x", "y", "z"}) ==
        std::pair<std::string, bool>("w", true));
  CHECK(shown(TextStream({"分"}, false), {"自\xE5\x88", "\x86", "x"}) ==
        std::pair<std::string, bool>("自", true));
}

TEST_CASE("Of several stop texts the one that is complete first ends the text, however it is cut") {
  const std::vector<std::string> stops = {"abcd", "bc", "xbc", "cz"};
  for (const std::string text : {"-abcd", "-xbcd", "-abdcz", "abab-xb-bcz", "-xab", "-ab"}) {
    CAPTURE(text);
    std::vector<std::string> letters;
    for (const char c : text) letters.emplace_back(1, c);
    CHECK(shown(TextStream(stops, false), {text}) == shown(TextStream(stops, false), letters));
  }
  CHECK(shown(TextStream(stops, false), {"-abcd"}).first == "-a");
  CHECK(shown(TextStream(stops, false), {"-xbcd"}).first == "-");
}

TEST_CASE("Text that cannot become a stop text is shown at once") {
  TextStream stream({"END"}, false);
  std::string out;
  stream.feed("abcE", out);
  CHECK(out == "abc");
  stream.feed("x", out);
  CHECK(out == "abcEx");
}

TEST_CASE("A leading space is dropped once, when asked") {
  CHECK(shown(TextStream({}, true), {" Once", " upon"}).first == "Once upon");
  CHECK(shown(TextStream({}, false), {" Once"}).first == " Once");
  CHECK(shown(TextStream({}, true), {"", "  x"}).first == " x");
}
