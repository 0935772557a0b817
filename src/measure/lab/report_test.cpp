#include "measure/lab/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "measure/lab/plot.h"

using namespace issun::measure::lab;

namespace {

Report small_report() {
  Table table{.id = "t",
              .caption = "a < b",
              .columns = {{"name, \"quoted\"", 0}, {"value", 2}},
              .rows = {{"x & y", 1.5}, {"lost, nothing", INFINITY}, {"none", NAN}}};
  Table folded{
      .id = "f", .caption = "folded", .columns = {{"n", -1}}, .rows = {{262144.0}}, .detail = true};
  Section section{.id = "s",
                  .title = "<title>",
                  .subject = "blk.0",
                  .words = {"1 < 2"},
                  .tables = {table, folded},
                  .pictures = {}};
  return {
      .title = "a & b", .words = {"words"}, .terms = {{"term", "meaning"}}, .sections = {section}};
}

}  // namespace

TEST_CASE("A report's page escapes what came from outside and folds details away") {
  const std::string page = to_html(small_report());
  for (const char* part : {"<h1>a &amp; b</h1>", "1. &lt;title&gt;", "x &amp; y", ">1.50<",
                           ">exact<", ">-<", "<details><summary>folded</summary>", ">262144<",
                           "prefers-color-scheme:dark", "<dt>term</dt>"})
    CHECK_MESSAGE(page.find(part) != std::string::npos, part);
  for (const char* part : {"<script", "http:", "https:", "url(", "<title>,"})
    CHECK_MESSAGE(page.find(part) == std::string::npos, part);
}

TEST_CASE("A report's text aligns its tables and leaves details out") {
  const std::string text = to_text(small_report());
  CHECK(text.find("  x & y             1.50\n") != std::string::npos);
  CHECK(text.find("  lost, nothing    exact\n") != std::string::npos);
  CHECK(text.find("262144") == std::string::npos);
}

TEST_CASE("A report's data have every number once and nothing that is none") {
  CHECK(to_csv(small_report()) ==
        "section,subject,table,row,column,value\n"
        "s,blk.0,t,x & y,value,1.5\n"
        "s,blk.0,f,,n,262144\n");
  const auto json = to_json(small_report());
  const auto& rows = json["sections"][0]["tables"][0]["rows"];
  CHECK(rows[0]["value"] == 1.5);
  CHECK(rows[1]["value"].is_null());
  CHECK(rows[2]["name, \"quoted\""] == "none");
}

TEST_CASE("A plot of nothing, of one point, or of what is no number can be drawn") {
  for (const auto& points :
       {std::vector<issun::PlotPoint>{}, {{1, 2}}, {{1, INFINITY}, {NAN, 3}}}) {
    const std::string svg = plot_svg({.title = "t <",
                                      .across = "x",
                                      .up = "y",
                                      .series = {{.name = "s", .points = points, .labels = {"l"}}},
                                      .marks = {{2, "mark"}}});
    CHECK(svg.find("t &lt;") != std::string::npos);
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(svg.find("<circle") == (points.size() == 1 ? svg.find("<circle") : std::string::npos));
  }
  const std::string bars = bars_svg("b", "x", {{"one", 1, 0}, {"none", NAN, 1}});
  CHECK(bars.find("nan") == std::string::npos);
  CHECK(bars.find("<rect") != std::string::npos);
}
