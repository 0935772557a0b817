#include "train/curve.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/quote.h"

namespace issun::train {

namespace {

constexpr std::string_view kHeader =
    "step,tokens,train_loss,valid_loss,learning_rate,gradient_norm,tokens_per_second,seconds\n";

// Numbers as they are read back: the shortest digits that mean the same.
std::string csv_of(std::span<const CurveRow> rows) {
  std::string csv;
  for (const CurveRow& row : rows) {
    csv += fmt::format("{},{},{},{},{},{},{},{}\n", row.step, row.tokens, row.train_loss,
                       row.valid_loss ? fmt::format("{}", *row.valid_loss) : "", row.learning_rate,
                       row.gradient_norm, row.tokens_per_second, row.seconds);
  }
  return csv;
}

// The next field of a line, taken off with its comma.
std::string_view take_field(std::string_view* line) {
  const size_t end = std::min(line->find(','), line->size());
  const std::string_view field = line->substr(0, end);
  line->remove_prefix(std::min(end + 1, line->size()));
  return field;
}

template <class T>
bool take_number(std::string_view* line, T* number) {
  const std::string_view field = take_field(line);
  const auto read = std::from_chars(field.data(), field.data() + field.size(), *number);
  return read.ec == std::errc() && read.ptr == field.data() + field.size();
}

bool read_row(std::string_view line, CurveRow* row) {
  if (std::count(line.begin(), line.end(), ',') != 7) return false;
  if (!take_number(&line, &row->step) || !take_number(&line, &row->tokens) ||
      !take_number(&line, &row->train_loss)) {
    return false;
  }
  std::string_view valid = take_field(&line);
  double valid_loss = 0;
  if (!valid.empty()) {
    if (!take_number(&valid, &valid_loss)) return false;
    row->valid_loss = valid_loss;
  }
  return take_number(&line, &row->learning_rate) && take_number(&line, &row->gradient_norm) &&
         take_number(&line, &row->tokens_per_second) && take_number(&line, &row->seconds);
}

}  // namespace

Result<std::vector<CurveRow>> read_curve(std::string_view csv, const std::string& name) {
  std::vector<CurveRow> rows;
  if (!csv.starts_with(kHeader)) {
    return fail("{}:1: expected the columns {}", name, kHeader.substr(0, kHeader.size() - 1));
  }
  csv.remove_prefix(kHeader.size());
  for (int64_t number = 2;; ++number) {
    const size_t end = csv.find('\n');
    if (end == csv.npos) return rows;  // a line without its end was being written
    CurveRow row;
    if (!read_row(csv.substr(0, end), &row)) {
      return fail("{}:{}: expected eight numbers, of which the fourth may be absent, found '{}'",
                  name, number, printable(csv.substr(0, end)));
    }
    rows.push_back(row);
    csv.remove_prefix(end + 1);
  }
}

Result<Curve> Curve::open(const std::string& path, int64_t resumed_step) {
  Curve curve(path);
  if (resumed_step > 0 && is_file(path)) {
    curve.rows_ = TRY(read_curve(TRY(read_text(path)), path));
    std::erase_if(curve.rows_, [&](const CurveRow& row) { return row.step > resumed_step; });
  }
  curve.damaged_ = true;  // written anew, in which a cut-off line goes too
  TRY(curve.flush());
  return curve;
}

Result<void> Curve::flush() {
  if (damaged_) {
    TRY(write_atomically(path_, std::string(kHeader) + csv_of(rows_)));
    damaged_ = false;
  } else if (written_ < rows_.size()) {
    damaged_ = true;
    File file = TRY(File::open_for_appending(path_));
    TRY(file.write(csv_of(std::span(rows_).subspan(written_))));
    TRY(file.finish());
    damaged_ = false;
  }
  written_ = rows_.size();
  return {};
}

}  // namespace issun::train
