// The seeds of the fuzzer, and whatever it ever found, as ordinary tests.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "base/file.h"
#include "base/folder.h"
#include "gguf/file_bytes.h"
#include "gguf/touch.h"
#include "source_tree.h"

using namespace issun::gguf;

TEST_CASE("every seed of the fuzzer opens, or is refused for its reason") {
  const std::string folder = source_path("tests/corpus/gguf");
  if (!issun::is_directory(folder)) {
    MESSAGE("skipped: no tests/corpus/gguf (ISSUN_SOURCE names the source tree)");
    return;
  }
  const std::map<std::string, std::string> refused = {{"v1", "version 1"},
                                                      {"big-endian", "big-endian"}};
  int seeds = 0;
  const auto names = issun::list_folder(folder);
  REQUIRE(names.has_value());
  for (const std::string& name : *names) {
    if (!name.ends_with(".gguf")) continue;
    CAPTURE(name);
    const ParsedBytes parsed(*issun::read_text(folder + "/" + name));
    const auto reason = refused.find(name.substr(0, name.rfind('.')));
    CHECK(parsed->has_value() == (reason == refused.end()));
    if (reason != refused.end()) CHECK(parsed.message().find(reason->second) != std::string::npos);
    if (parsed->has_value()) touch(**parsed);
    ++seeds;
  }
  CHECK(seeds >= 12);
}
