// The seeds of the fuzzer, and whatever it ever found, as ordinary tests.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "gguf/file_bytes.h"
#include "gguf/touch.h"
#include "source_tree.h"

using namespace issun::gguf;

TEST_CASE("every seed of the fuzzer opens, or is refused for its reason") {
  const std::filesystem::path folder = source_path("tests/corpus/gguf");
  if (!std::filesystem::exists(folder)) {
    MESSAGE("skipped: no tests/corpus/gguf (ISSUN_SOURCE names the source tree)");
    return;
  }
  const std::map<std::string, std::string> refused = {{"v1", "version 1"},
                                                      {"big-endian", "big-endian"}};
  int seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    CAPTURE(entry.path().string());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    const ParsedBytes parsed(bytes);
    const auto reason = refused.find(entry.path().stem().string());
    CHECK(parsed->has_value() == (reason == refused.end()));
    if (reason != refused.end()) CHECK(parsed.message().find(reason->second) != std::string::npos);
    if (parsed->has_value()) touch(**parsed);
    ++seeds;
  }
  CHECK(seeds >= 12);
}
