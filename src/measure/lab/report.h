// A report of experiments: words, tables and pictures, as a page, as text and as data. Not here:
// the experiments.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace issun::measure::lab {

// A word, or a number; infinity, as a ratio to an error of 0, is written "exact", what is no number
// "-". Data have neither.
using Cell = std::variant<std::string, double>;

struct Column {
  std::string name;
  int digits = 3;  // after the point of its numbers; -1: six that count
};

struct Table {
  std::string id;       // of its data: "spacing"
  std::string caption;  // what is in it, and in which units
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  bool detail = false;  // folded away on the page, left out of the text
};

struct Picture {
  std::string svg, caption;
};

struct Section {
  std::string id, title;           // "spacing", "Where the levels are"
  std::string subject;             // the tensor, or the model
  std::vector<std::string> words;  // paragraphs
  std::vector<Table> tables;
  std::vector<Picture> pictures;
};

struct Report {
  std::string title;
  std::vector<std::string> words;                          // what was looked at, and how
  std::vector<std::pair<std::string, std::string>> terms;  // explained once
  std::vector<Section> sections;
};

// One file that needs nothing else: no script, no request. Light or dark as the reader's screen.
std::string to_html(const Report& report);
// Titles and the tables that are no detail.
std::string to_text(const Report& report);
// A line for each number: section, subject, table, row, column, value. A row is named by its words.
std::string to_csv(const Report& report);
nlohmann::ordered_json to_json(const Report& report);

}  // namespace issun::measure::lab
