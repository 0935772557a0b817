#include "quantize/trial.h"

#include <algorithm>
#include <cmath>

#include "base/quote.h"
#include "kernels/dispatch.h"

namespace issun::quantize {

namespace {

constexpr int64_t kTrialValues = 1 << 14;  // that one thread takes at a time

// The importance of a row's columns, or nullptr.
const float* importance_of(const PlannedType& planned, int64_t row) {
  const Tensor& tensor = planned.tensor;
  if (planned.importance == nullptr || planned.importance_parts == 1) return planned.importance;
  return planned.importance + row / tensor.size[1] % planned.importance_parts * tensor.columns();
}

TrialError error_of_row(const float* values, const float* again, const float* importance,
                        int64_t columns) {
  TrialError sums;
  for (int64_t c = 0; c < columns; ++c) {
    const double w = importance == nullptr ? 1 : static_cast<double>(importance[c]);
    const double x = values[c], off = x - static_cast<double>(again[c]);
    sums.squares += w * x * x;
    sums.errors += w * off * off;
  }
  return sums;
}

// Row r of `rows` out of `all`: evenly spread, but not in step with heads or with rotated pairs.
int64_t sampled_row(int64_t r, int64_t rows, int64_t all) {
  const double place = static_cast<double>(r) + std::fmod(0.618034 * static_cast<double>(r), 1);
  return std::min(
      all - 1, static_cast<int64_t>(place * static_cast<double>(all) / static_cast<double>(rows)));
}

int64_t rows_of_a_task(const Tensor& tensor) {
  return std::max<int64_t>(1, kTrialValues / std::max<int64_t>(1, tensor.columns()));
}

}  // namespace

Trials::Trials(Workers& workers, const kernels::KernelTable& kernels,
               const kernels::SearchTable& searches)
    : workers_(workers), kernels_(kernels), encoder_(std::make_unique<Encoder>(searches)) {
  rooms_.resize(static_cast<size_t>(workers.count()));
  for (Room& room : rooms_) room.scratch = std::make_unique<EncodeScratch>();
}

Result<Trials> Trials::create(Workers& workers) {
  const kernels::KernelTable* kernels = TRY(kernels::choose_kernels());
  const kernels::SearchTable* searches = TRY(kernels::choose_searches());
  return Trials(workers, *kernels, *searches);
}

void Trials::make_room(const PlannedType& planned) {
  const auto width = static_cast<size_t>(planned.tensor.columns()) + 256;
  for (Room& room : rooms_) {
    room.values.resize(std::max(room.values.size(), width));
    room.again.resize(std::max(room.again.size(), width));
    room.blocks.resize(std::max(room.blocks.size(), static_cast<size_t>(row_bytes(
                                                        planned.type, planned.tensor.columns()))));
  }
}

const float* Trials::read(const PlannedType& planned, int64_t row, Room& room) const {
  const Tensor& tensor = planned.tensor;
  kernels_.decode_row[static_cast<size_t>(tensor.type)](
      tensor.row(row), static_cast<int>(tensor.columns()), room.values.data());
  return room.values.data();
}

Result<void> Trials::check(const PlannedType& planned, const std::vector<char>& faults) const {
  if (std::find(faults.begin(), faults.end(), 1) == faults.end()) return {};
  return fail("{}: expected finite weights, found others", printable(planned.tensor.name));
}

Result<TrialError> Trials::error(const PlannedType& planned, int64_t most_rows) {
  const Tensor& tensor = planned.tensor;
  if (planned.type == tensor.type) return TrialError();  // it is copied
  const int64_t columns = tensor.columns(), all = tensor.rows();
  const int64_t rows = std::min(all, most_rows);
  make_room(planned);
  std::vector<TrialError> sums(static_cast<size_t>(rows));
  std::vector<char> faults(static_cast<size_t>(rows));
  workers_.for_each(rows, rows_of_a_task(tensor), [&](int64_t begin, int64_t end, int worker) {
    Room& room = rooms_[static_cast<size_t>(worker)];
    for (int64_t r = begin; r < end; ++r) {
      const int64_t row = sampled_row(r, rows, all);
      const float* values = read(planned, row, room);
      const float* importance = importance_of(planned, row);
      encoder_->encode_row(planned.type, values, columns, importance, room.scratch.get(),
                           room.blocks.data());
      kernels_.decode_row[static_cast<size_t>(planned.type)](
          room.blocks.data(), static_cast<int>(columns), room.again.data());
      const TrialError found = error_of_row(values, room.again.data(), importance, columns);
      sums[static_cast<size_t>(r)] = found;
      faults[static_cast<size_t>(r)] = std::isfinite(found.squares) ? 0 : 1;
    }
  });
  TRY(check(planned, faults));
  TrialError total;
  for (const TrialError& sum : sums) {
    total.squares += sum.squares;
    total.errors += sum.errors;
  }
  const double scale = rows > 0 ? static_cast<double>(all) / static_cast<double>(rows) : 0;
  return TrialError{total.squares * scale, total.errors * scale};
}

Result<std::vector<std::byte>> Trials::encode(const PlannedType& planned) {
  const Tensor& tensor = planned.tensor;
  const int64_t columns = tensor.columns(), bytes = row_bytes(planned.type, columns);
  make_room(planned);
  std::vector<std::byte> blocks(static_cast<size_t>(tensor.rows() * bytes));
  std::vector<char> faults(static_cast<size_t>(tensor.rows()));
  workers_.for_each(
      tensor.rows(), rows_of_a_task(tensor), [&](int64_t begin, int64_t end, int worker) {
        Room& room = rooms_[static_cast<size_t>(worker)];
        for (int64_t r = begin; r < end; ++r) {
          const float* values = read(planned, r, room);
          const bool finite = std::all_of(values, values + columns,
                                          [](float value) { return std::isfinite(value); });
          faults[static_cast<size_t>(r)] = finite ? 0 : 1;
          encoder_->encode_row(planned.type, values, columns, importance_of(planned, r),
                               room.scratch.get(), blocks.data() + r * bytes);
        }
      });
  TRY(check(planned, faults));
  return blocks;
}

}  // namespace issun::quantize
