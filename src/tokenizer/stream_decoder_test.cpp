#include "tokenizer/stream_decoder.h"

#include <doctest/doctest.h>

#include "base/utf8.h"

using namespace issun::tokenizer;

TEST_CASE("characters come out whole, whatever way their bytes come in") {
  const std::string text = "aé漢😀\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    StreamDecoder decoder;
    std::string out;
    for (size_t at = 0; at < text.size(); at += step) {
      decoder.feed(text.substr(at, step), out);
      CHECK(issun::valid_utf8(out));
    }
    decoder.flush(out);
    CHECK(out == text);
  }
}

TEST_CASE("bytes that cannot become a character are replaced once that is certain") {
  StreamDecoder decoder;
  std::string out;
  decoder.feed("\xE6\xBC", out);  // two thirds of a character
  CHECK(out.empty());
  CHECK(decoder.pending() == "\xE6\xBC");
  decoder.feed("x", out);
  CHECK(out == "\uFFFDx");
  decoder.feed("\xFF", out);
  CHECK(out == "\uFFFDx\uFFFD");
  decoder.feed("\xF0\x9F\x98", out);
  decoder.flush(out);
  CHECK(out == "\uFFFDx\uFFFD\uFFFD");
  CHECK(decoder.pending().empty());
  decoder.feed("ok", out);
  CHECK(out == "\uFFFDx\uFFFD\uFFFDok");
}

TEST_CASE("fed byte by byte, malformed text is repaired as it is in one piece") {
  const std::string text =
      "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41\xED\xA0\x80\xC0\xAF\xF4\x90\x80\xC3";
  StreamDecoder decoder;
  std::string out;
  for (const char byte : text) decoder.feed({&byte, 1}, out);
  decoder.flush(out);
  CHECK(out == issun::repaired_utf8(text));
}
