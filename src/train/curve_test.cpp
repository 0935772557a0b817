#include "train/curve.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/file.h"
#include "little_disk.h"
#include "scratch_folder.h"
#include "train/curve_svg.h"

using namespace issun;
using namespace issun::train;

namespace {

CurveRow row_at(int64_t step) {
  CurveRow row;
  row.step = step;
  row.tokens = step * 1000;
  row.train_loss = 2 + 3 / (1 + 0.1 * static_cast<double>(step));
  if (step % 3 == 0) row.valid_loss = row.train_loss + 0.1;
  row.learning_rate = 1e-3 / 3;
  row.gradient_norm = 0.7;
  row.tokens_per_second = 5000.5;
  row.seconds = 0.25 * static_cast<double>(step);
  return row;
}

void grow(Curve& curve, int64_t first, int64_t last) {
  for (int64_t step = first; step <= last; ++step) curve.add(row_at(step));
}

}  // namespace

TEST_CASE("A curve is on the disk after each flush, and what comes after the resumed step goes") {
  const ScratchFolder scratch;
  const std::string path = scratch.path("loss.csv");
  Curve curve = *Curve::open(path, 0);
  grow(curve, 1, 5);
  REQUIRE(curve.flush());
  grow(curve, 6, 9);
  CHECK(read_curve(*read_text(path), path)->size() == 5);
  REQUIRE(curve.flush());
  CHECK(*read_curve(*read_text(path), path) == curve.rows());
  // Killed while it wrote the next row.
  File file = *File::open_for_appending(path);
  REQUIRE(file.write("10,10000,2.5"));
  REQUIRE(file.finish());
  Curve resumed = *Curve::open(path, 6);
  CHECK(resumed.rows().size() == 6);
  CHECK(read_curve(*read_text(path), path)->size() == 6);
  grow(resumed, 7, 12);
  REQUIRE(resumed.flush());
  const auto rows = *read_curve(*read_text(path), path);
  REQUIRE(rows.size() == 12);
  for (int64_t step = 1; step <= 12; ++step)
    CHECK(rows[static_cast<size_t>(step - 1)] == row_at(step));
  CHECK(Curve::open(path, 0)->rows().empty());
  CHECK(read_text(path)->starts_with("step,tokens,train_loss,valid_loss,learning_rate,"));
}

TEST_CASE("A curve that a full disk cut off is whole again when there is room") {
  const ScratchFolder scratch;
  const std::string path = scratch.path("loss.csv");
  Curve curve = *Curve::open(path, 0);
  grow(curve, 1, 3);
  REQUIRE(curve.flush());
  grow(curve, 4, 50);
  {
    const LittleDisk disk(500);
    const auto flushed = curve.flush();
    REQUIRE_FALSE(flushed);
    CHECK(flushed.error().message == path + ": cannot write: File too large");
  }
  CHECK(read_text(path)->size() == 500);
  REQUIRE(curve.flush());
  CHECK(*read_curve(*read_text(path), path) == curve.rows());
}

TEST_CASE("A line that is no row is an error with its number") {
  const auto empty = read_curve("", "c");
  REQUIRE_FALSE(empty);
  const std::string& header = empty.error().message;
  CHECK(header.starts_with("c:1: expected the columns step,tokens,"));
  const std::string columns =
      header.substr(std::string("c:1: expected the columns ").size()) + "\n";
  CHECK(read_curve(columns, "c")->empty());
  CHECK(read_curve(columns + "1,2,3,,5,6,7,8\n", "c")->size() == 1);
  CHECK(std::isnan((*read_curve(columns + "1,2,nan,,5,6,7,8\n", "c"))[0].train_loss));
  for (const char* line :
       {"1,2,3,,5,6,7", "1,2,3,,5,6,7,8,9", "1,2,3,x,5,6,7,8", "a,2,3,,5,6,7,8"}) {
    const auto rows = read_curve(columns + "1,2,3,,5,6,7,8\n" + line + "\n", "c");
    REQUIRE_FALSE(rows);
    CHECK(rows.error().message.starts_with("c:3: expected eight numbers"));
  }
}

TEST_CASE("The drawing has axes, a legend and both curves, and refers to nothing outside") {
  std::vector<CurveRow> rows;
  for (int64_t step = 1; step <= 5000; ++step) rows.push_back(row_at(step));
  rows[2].train_loss = std::nan("");
  const std::string svg = curve_svg(rows, "stories <small> & fine");
  for (const char* part :
       {"<svg xmlns=", "stories &lt;small&gt; &amp; fine", "prefers-color-scheme:dark", ">tokens<",
        ">loss (nats per token)<", "exponential mean over 100 rows", ">validation<", ">5M<",
        "class=\"train\"", "class=\"valid\""}) {
    CHECK_MESSAGE(svg.find(part) != std::string::npos, part);
  }
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("href") == std::string::npos);
  CHECK(svg.find("url(") == std::string::npos);
  const size_t curve = svg.find("class=\"train\" points=");
  const std::string points = svg.substr(curve, svg.find("/>", curve) - curve);
  CHECK(std::count(points.begin(), points.end(), ',') <= 1500);  // as thin as a screen shows
  CHECK(svg.size() < 250'000);
}

TEST_CASE("A curve of no row, of one, or of equal losses can be drawn") {
  for (const size_t count : {0, 1, 4}) {
    CurveRow row = row_at(1);
    row.train_loss = 2;
    const std::string svg = curve_svg(std::vector<CurveRow>(count, row), "t");
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
    CHECK(svg.ends_with("</svg>\n"));
    CHECK((svg.find("validation") == std::string::npos));
  }
}
