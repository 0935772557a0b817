#include "experts/trace.h"

#include <doctest/doctest.h>

#include "contains.h"
#include "experts/testing.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::experts;

namespace {

const std::string kHeader =
    "{\"issun\":\"routing trace\",\"version\":1,\"model\":\"m\",\"layers\":[1,3],"
    "\"experts\":[4,8],\"used\":2,\"expert_bytes\":[100,200]}\n";
const std::string kBatch =
    "{\"phase\":\"generate\",\"rows\":1,\"experts\":[[[0,3]],[[7,1]]],"
    "\"guesses\":[[],[[1,7,2]]]}\n";

std::string error_of(const std::string& text) {
  const auto trace = Trace::parse(text, "t");
  REQUIRE_FALSE(trace.has_value());
  return trace.error().message;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(contains(text, from));
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("a trace that was written is read as it was") {
  ScratchFolder folder;
  const std::string path = folder.path("trace.jsonl");
  Trace trace = made_up_trace({.layers = 3, .batches = 30, .prompt_every = 10});
  trace.header.model = "a \"model\"\n\\ of \xE4\xB8\x80";
  trace.batches[5].guesses = {{}, {{3, 1}}, {{2}, {}}};
  auto writer = TraceWriter::create(path, trace.header);
  REQUIRE(writer.has_value());
  for (const TraceBatch& batch : trace.batches) REQUIRE(writer->append(batch).has_value());
  REQUIRE(writer->finish().has_value());
  const auto read = Trace::read(path);
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  CHECK(read->header.model == trace.header.model);
  CHECK(read->header.layers == trace.header.layers);
  CHECK(read->header.experts == trace.header.experts);
  CHECK(read->header.expert_bytes == trace.header.expert_bytes);
  CHECK(read->header.used == trace.header.used);
  CHECK(read->header.all_bytes() == 3 * 16 * 1000);
  REQUIRE(read->batches.size() == trace.batches.size());
  for (size_t i = 0; i < trace.batches.size(); ++i) {
    CHECK(read->batches[i].phase == trace.batches[i].phase);
    CHECK(read->batches[i].rows == trace.batches[i].rows);
    CHECK(read->batches[i].experts == trace.batches[i].experts);
    CHECK(read->batches[i].guesses == trace.batches[i].guesses);
  }
}

TEST_CASE("the lines of a trace are what the manual says") {
  const auto trace = Trace::parse(kHeader + kBatch, "t");
  REQUIRE_MESSAGE(trace.has_value(), trace.error().message);
  REQUIRE(trace->batches.size() == 1);
  const TraceBatch& batch = trace->batches[0];
  CHECK(batch.chosen(trace->header, 1, 0)[0] == 7);
  CHECK(batch.guesses[1][0] == std::vector<int32_t>{1, 7, 2});
  CHECK(to_line(trace->header) == kHeader);
  CHECK(to_line(trace->header, batch) == kBatch);
  // One number of experts stands for all layers; a trace may have no batch yet.
  const auto same = Trace::parse(replaced(kHeader, "[4,8]", "4"), "t");
  REQUIRE(same.has_value());
  CHECK(same->header.experts == std::vector<int>{4, 4});
}

TEST_CASE("what does not agree with the header is refused with its line") {
  struct Case {
    const char *from, *to, *says;
  };
  for (const auto& [from, to, says] : {
           Case{"[0,3]", "[0,4]", "from 0 to 3, found 4"},
           Case{"[0,3]", "[0,-1]", "found -1"},
           Case{"[0,3]", "[0,1.5]", "whole number"},
           Case{"[0,3]", "[0]", "expected 2 of a row, found 1"},
           Case{"[0,3]", "[3,3]", "found 3 twice"},
           Case{"[[7,1]]", "[[7,1],[2,3]]", "rows"},
           Case{",[[7,1]]", "", "expected 2 layers, found 1"},
           Case{"[[7,1]]", "[[7,1]],[[1,2]]", "found more"},
           Case{"\"rows\":1", "\"rows\":2", "expected 2 rows, found 1"},
           Case{"\"rows\":1", "\"rows\":0", "rows"},
           Case{"\"rows\":1,", "", "expected \"rows\""},
           Case{"generate", "talk", "phase: expected prompt or generate, found \"talk\""},
           Case{"[1,7,2]", "[1,8]", "guesses: expected a whole number from 0 to 7"},
           Case{"[1,7,2]", "[1],[2],[3]", "guesses"},
           Case{"[],[[1,7,2]]", "[]", "guesses: expected 2 layers, found 1"},
           Case{"]]]}", "]]]", "JSON"},
       }) {
    const auto& which = to;
    CAPTURE(which);
    const std::string error = error_of(kHeader + kBatch + replaced(kBatch, from, to));
    CHECK_MESSAGE(contains(error, "t: line 3: "), error);
    CHECK_MESSAGE(contains(error, says), error);
  }
}

TEST_CASE("a header that is none is refused") {
  struct Case {
    const char *from, *to, *says;
  };
  for (const auto& [from, to, says] : {
           Case{"routing trace", "study", "found \"study\""},
           Case{"\"version\":1", "\"version\":2", "version"},
           Case{"[1,3]", "[3,1]", "rising"},
           Case{"[1,3]", "[]", "layers"},
           Case{"[4,8]", "[4,8,9]", "experts: expected 2 numbers, one a layer, found 3"},
           Case{"\"used\":2", "\"used\":5", "at most the 4 experts"},
           Case{"\"used\":2", "\"used\":2,\"used\":2", "used twice"},
           Case{"[100,200]", "[100,0]", "expert_bytes"},
           Case{"[100,200]", "[100,1e30]", "expert_bytes"},
           Case{",\"model\":\"m\"", "", "expected \"model\""},
       }) {
    const auto& which = to;
    CAPTURE(which);
    const std::string error = error_of(replaced(kHeader, from, to));
    CHECK_MESSAGE(contains(error, "t: line 1: "), error);
    CHECK_MESSAGE(contains(error, says), error);
  }
  CHECK(contains(error_of(""), "empty"));
  CHECK(contains(error_of(kHeader + "\n"), "line 2"));
}
