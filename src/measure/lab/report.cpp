#include "measure/lab/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/svg.h"

namespace issun::measure::lab {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Cell& cell, const Column& column) {
  if (const auto* words = std::get_if<std::string>(&cell)) return *words;
  const double number = std::get<double>(cell);
  if (std::isnan(number)) return "-";
  if (std::isfinite(number) && column.digits < 0) return fmt::format("{:.6g}", number);
  return std::isinf(number) ? "exact" : fmt::format("{:.{}f}", number, column.digits);
}

bool is_number(const Cell& cell) { return std::holds_alternative<double>(cell); }

// Characters, not bytes: for columns of text.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string row_name(const std::vector<Cell>& row) {
  std::string name;
  for (const Cell& cell : row) {
    if (is_number(cell)) continue;
    if (!name.empty()) name += ", ";
    name += std::get<std::string>(cell);
  }
  return name;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string text_table(const Table& table) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    widths.push_back(width_of(table.columns[c].name));
    for (const auto& row : table.rows)
      widths[c] = std::max(widths[c], width_of(text_of(row[c], table.columns[c])));
  }
  std::string out;
  const auto add = [&](size_t c, const std::string& text, bool right) {
    const std::string space(widths[c] - width_of(text), ' ');
    out += c == 0 ? "  " : "   ";
    out += right ? space + text : text + space;
  };
  const auto end_line = [&] {
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  };
  for (size_t c = 0; c < table.columns.size(); ++c)
    add(c, table.columns[c].name, !table.rows.empty() && is_number(table.rows[0][c]));
  end_line();
  for (const auto& row : table.rows) {
    for (size_t c = 0; c < row.size(); ++c)
      add(c, text_of(row[c], table.columns[c]), is_number(row[c]));
    end_line();
  }
  return out;
}

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#222;--faint:#666;--page:#fff;--line:#ccc;--head:#f3f3f3}
@media(prefers-color-scheme:dark){:root{--ink:#ddd;--faint:#999;--page:#181818;--line:#444;--head:#242424}}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 sans-serif}
main{max-width:54rem;margin:0 auto;padding:1rem 1rem 4rem}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem}
a{color:inherit}p,li,dd{max-width:44rem}dt{font-weight:bold}.subject,caption,summary{color:var(--faint)}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0;font-size:.9rem}
caption{text-align:left;padding-bottom:.4rem}th,td{padding:.15rem .6rem;border-bottom:1px solid var(--line)}
th{background:var(--head);text-align:left;vertical-align:bottom}.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1rem 0}figcaption{color:var(--faint);font-size:.9rem}svg{max-width:100%;height:auto})";

void add_table(const Table& table, std::string* out) {
  const std::string caption = xml_escaped(table.caption);
  if (table.detail) *out += fmt::format("<details><summary>{}</summary>\n", caption);
  *out += "<div class=\"wide\"><table>\n";
  if (!table.detail) *out += fmt::format("<caption>{}</caption>\n", caption);
  *out += "<thead><tr>";
  const auto kind = [](bool number) { return number ? " class=\"n\"" : ""; };
  for (size_t c = 0; c < table.columns.size(); ++c) {
    const bool number = !table.rows.empty() && is_number(table.rows[0][c]);
    *out += fmt::format("<th{}>{}</th>", kind(number), xml_escaped(table.columns[c].name));
  }
  *out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    *out += "<tr>";
    for (size_t c = 0; c < row.size(); ++c)
      *out += fmt::format("<td{}>{}</td>", kind(is_number(row[c])),
                          xml_escaped(text_of(row[c], table.columns[c])));
    *out += "</tr>\n";
  }
  *out += "</tbody>\n</table></div>\n";
  if (table.detail) *out += "</details>\n";
}

void add_section(const Section& section, size_t number, std::string* out) {
  *out += fmt::format("<h2 id=\"s{0}\">{0}. {1}</h2>\n<p class=\"subject\">{2}</p>\n", number,
                      xml_escaped(section.title), xml_escaped(section.subject));
  for (const std::string& words : section.words)
    *out += fmt::format("<p>{}</p>\n", xml_escaped(words));
  for (const Picture& picture : section.pictures) {
    *out += fmt::format("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", picture.svg,
                        xml_escaped(picture.caption));
  }
  for (const Table& table : section.tables) add_table(table, out);
}

}  // namespace

std::string to_html(const Report& report) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
      xml_escaped(report.title), kStyle);
  for (const std::string& words : report.words)
    out += fmt::format("<p>{}</p>\n", xml_escaped(words));
  if (!report.terms.empty()) {
    out += "<dl>\n";
    for (const auto& [term, meaning] : report.terms)
      out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", xml_escaped(term), xml_escaped(meaning));
    out += "</dl>\n";
  }
  out += "<ul>\n";
  for (size_t i = 0; i < report.sections.size(); ++i) {
    out +=
        fmt::format("<li><a href=\"#s{0}\">{0}. {1}: {2}</a></li>\n", i + 1,
                    xml_escaped(report.sections[i].title), xml_escaped(report.sections[i].subject));
  }
  out += "</ul>\n";
  for (size_t i = 0; i < report.sections.size(); ++i) add_section(report.sections[i], i + 1, &out);
  return out + "</main>\n</body>\n</html>\n";
}

std::string to_text(const Report& report) {
  std::string out = report.title + "\n";
  for (const std::string& words : report.words) out += words + "\n";
  for (size_t i = 0; i < report.sections.size(); ++i) {
    const Section& section = report.sections[i];
    out += fmt::format("\n{}. {}: {}\n", i + 1, section.title, section.subject);
    for (const Table& table : section.tables) {
      if (!table.detail) out += fmt::format("  {}\n{}", table.caption, text_table(table));
    }
    if (section.tables.empty()) {
      for (const std::string& words : section.words) out += "  " + words + "\n";
    }
  }
  return out;
}

std::string to_csv(const Report& report) {
  std::string out = "section,subject,table,row,column,value\n";
  for (const Section& section : report.sections) {
    for (const Table& table : section.tables) {
      for (const auto& row : table.rows) {
        for (size_t c = 0; c < row.size(); ++c) {
          if (!is_number(row[c]) || !std::isfinite(std::get<double>(row[c]))) continue;
          out += fmt::format("{},{},{},{},{},{:.9g}\n", quoted(section.id), quoted(section.subject),
                             quoted(table.id), quoted(row_name(row)), quoted(table.columns[c].name),
                             std::get<double>(row[c]));
        }
      }
    }
  }
  return out;
}

Json to_json(const Report& report) {
  Json sections = Json::array();
  for (const Section& section : report.sections) {
    Json tables = Json::array();
    for (const Table& table : section.tables) {
      Json rows = Json::array();
      for (const auto& row : table.rows) {
        Json entry = Json::object();
        for (size_t c = 0; c < row.size(); ++c) {
          Json& value = entry[table.columns[c].name];
          if (!is_number(row[c])) {
            value = std::get<std::string>(row[c]);
          } else if (std::isfinite(std::get<double>(row[c]))) {
            value = std::get<double>(row[c]);
          }
        }
        rows.push_back(std::move(entry));
      }
      tables.push_back({{"id", table.id}, {"caption", table.caption}, {"rows", std::move(rows)}});
    }
    sections.push_back({{"id", section.id},
                        {"title", section.title},
                        {"subject", section.subject},
                        {"words", section.words},
                        {"tables", std::move(tables)}});
  }
  return {{"title", report.title}, {"words", report.words}, {"sections", std::move(sections)}};
}

}  // namespace issun::measure::lab
