#include "quantize/quantise.h"

#include <algorithm>
#include <cmath>

#include "base/pages.h"
#include "base/quote.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "kernels/search.h"
#include "quantize/finite.h"
#include "quantize/hqq.h"
#include "tensor/codec.h"

namespace issun::quantize {

namespace {

constexpr int64_t kChunkValues = 1 << 20;  // that all threads work on before they are written
constexpr int64_t kTaskValues = 1 << 14;   // that one thread takes at a time

// Sums over the values of a row.
struct Sums {
  double squares = 0, errors = 0, weighted_squares = 0, weighted_errors = 0;
  Sums& operator+=(const Sums& other) {
    squares += other.squares;
    errors += other.errors;
    weighted_squares += other.weighted_squares;
    weighted_errors += other.weighted_errors;
    return *this;
  }
};

constexpr int kLanes = 8;

double total(const double* lanes) {
  double sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

Sums compare(const float* values, const float* again, const float* importance, int64_t columns) {
  double squares[kLanes] = {}, errors[kLanes] = {};
  const int64_t whole = columns / kLanes * kLanes;
  for (int64_t c = 0; c < whole; c += kLanes) {
    for (int i = 0; i < kLanes; ++i) {
      const double x = values[c + i], off = x - static_cast<double>(again[c + i]);
      squares[i] += x * x;
      errors[i] += off * off;
    }
  }
  Sums sums;
  sums.squares = total(squares);
  sums.errors = total(errors);
  for (int64_t c = whole; c < columns; ++c) {
    const double x = values[c], off = x - static_cast<double>(again[c]);
    sums.squares += x * x;
    sums.errors += off * off;
  }
  if (importance == nullptr) return sums;
  for (int64_t c = 0; c < columns; ++c) {
    const double w = importance[c], x = values[c], off = x - static_cast<double>(again[c]);
    sums.weighted_squares += w * x * x;
    sums.weighted_errors += w * off * off;
  }
  return sums;
}

double ratio(double errors, double squares) {
  return squares > 0 ? std::sqrt(errors / squares) : 0;
}

class Quantiser {
 public:
  Quantiser(const gguf::GgufFile& source, const Plan& plan, const QuantiseOptions& options,
            Workers& workers, const kernels::KernelTable& kernels,
            const kernels::SearchTable& searches)
      : source_(source),
        plan_(plan),
        options_(options),
        workers_(workers),
        kernels_(kernels),
        encoder_(searches) {
    int64_t widest = 0;
    for (const PlannedType& planned : plan.tensors) {
      widest = std::max(widest, planned.tensor.columns());
      all_ += planned.tensor.columns() * planned.tensor.rows();
    }
    rooms_.resize(static_cast<size_t>(workers.count()));
    for (Room& room : rooms_) {
      room.scratch = std::make_unique<EncodeScratch>();
      room.values.resize(static_cast<size_t>(widest) + 256);
      room.again.resize(static_cast<size_t>(widest) + 256);
    }
  }

  Result<QuantiseReport> write(gguf::GgufWriter writer) {
    for (const PlannedType& planned : plan_.tensors) {
      TRY(writer.add_tensor(planned.tensor.name, planned.type,
                            gguf::without_trailing_ones(planned.tensor.size)));
    }
    for (const PlannedType& planned : plan_.tensors) TRY(write_tensor(planned, writer));
    TRY(source_.still_whole());
    TRY(writer.finish());
    return std::move(report_);
  }

 private:
  struct Room {
    std::unique_ptr<EncodeScratch> scratch;
    std::vector<float> values, again;
  };
  struct Fault {
    int64_t column = -1;
    float value = 0;
  };

  Result<void> write_tensor(const PlannedType& planned, gguf::GgufWriter& writer) {
    const Tensor& tensor = planned.tensor;
    TensorReport told = {.name = std::string(tensor.name),
                         .from = tensor.type,
                         .to = planned.type,
                         .wanted = planned.wanted,
                         .values = tensor.columns() * tensor.rows(),
                         .bytes = tensor.rows() * row_bytes(planned.type, tensor.columns()),
                         .weighted = planned.importance != nullptr};
    const CalibratedTensor* given = nullptr;
    if (options_.calibration != nullptr && planned.type != tensor.type)
      given = TRY(options_.calibration->find(planned));
    const Stretch* stretch =
        options_.stretches != nullptr ? options_.stretches->find(tensor.name) : nullptr;
    if (stretch != nullptr && !stretch->importance.empty()) {
      told.calibrated = true;
      told.stretched_by = stretch->power;
      told.search_output_error = stretch->search_error;
      told.output_error = stretch->error;
    }
    if (given != nullptr) {
      told.calibrated = true;
      told.search_output_error = given->search_error;
      told.output_error = given->error;
    }
    const int64_t at_once =
        std::clamp<int64_t>(kChunkValues / std::max<int64_t>(1, tensor.columns()), 1,
                            std::max<int64_t>(1, tensor.rows()));
    Sums sums;
    for (int64_t first = 0; first < tensor.rows(); first += at_once) {
      const int64_t count = std::min(at_once, tensor.rows() - first);
      const std::span<const std::byte> bytes = {tensor.row(first),
                                                static_cast<size_t>(count * tensor.row_bytes())};
      if (planned.type == tensor.type && stretch == nullptr) {
        TRY(writer.append(bytes));
      } else {
        TRY(convert({planned, given, stretch}, first, count));
        for (int64_t r = 0; r < count; ++r) sums += sums_[static_cast<size_t>(r)];
        TRY(writer.append(out_));
      }
      forget_pages(bytes);
      done_ += count * tensor.columns();
      if (options_.progress) options_.progress(done_, all_);
    }
    if (given != nullptr) options_.calibration->drop(tensor.name);
    told.relative_error = ratio(sums.errors, sums.squares);
    told.weighted_error = ratio(sums.weighted_errors, sums.weighted_squares);
    report_.values += told.values;
    report_.bytes_before += tensor.bytes();
    report_.bytes += told.bytes;
    report_.tensors.push_back(std::move(told));
    return {};
  }

  // A tensor, its rows as they will be or nullptr, and what it is multiplied by or nullptr.
  struct Conversion {
    const PlannedType& planned;
    const CalibratedTensor* given;
    const Stretch* stretch;
  };

  // Rows first..first + count to out_ and sums_.
  Result<void> convert(const Conversion& conversion, int64_t first, int64_t count) {
    const PlannedType& planned = conversion.planned;
    const CalibratedTensor* given = conversion.given;
    const Tensor& tensor = planned.tensor;
    out_.resize(static_cast<size_t>(count * row_bytes(planned.type, tensor.columns())));
    sums_.assign(static_cast<size_t>(count), {});
    faults_.assign(static_cast<size_t>(count), {});
    const int64_t task = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, tensor.columns()));
    const int64_t bytes = row_bytes(planned.type, tensor.columns());
    if (given != nullptr)
      std::copy_n(given->bytes.begin() + first * bytes, count * bytes, out_.begin());
    workers_.for_each(count, task, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t r = begin; r < end; ++r)
        convert_row(conversion, first + r, static_cast<size_t>(r),
                    &rooms_[static_cast<size_t>(worker)]);
    });
    for (int64_t r = 0; r < count; ++r) {
      const Fault& fault = faults_[static_cast<size_t>(r)];
      if (fault.column < 0) continue;
      return fail("{}: expected finite weights, found {} in row {}, column {}",
                  printable(tensor.name), fault.value, first + r, fault.column);
    }
    return {};
  }

  void convert_row(const Conversion& conversion, int64_t row, size_t place, Room* room) {
    const PlannedType& planned = conversion.planned;
    const Tensor& tensor = planned.tensor;
    const int64_t columns = tensor.columns();
    const auto width = static_cast<int>(columns);
    kernels_.decode_row[static_cast<size_t>(tensor.type)](tensor.row(row), width,
                                                          room->values.data());
    const int64_t fault = first_not_finite({room->values.data(), static_cast<size_t>(columns)});
    if (fault >= 0) {
      faults_[place] = {fault, room->values[static_cast<size_t>(fault)]};
      return;
    }
    const float* importance = planned.importance;
    if (conversion.stretch != nullptr) importance = stretch_row(*conversion.stretch, row, room);
    if (conversion.stretch == nullptr && importance != nullptr && planned.importance_parts > 1)
      importance += row / tensor.size[1] % planned.importance_parts * columns;
    std::byte* out = out_.data() + place * static_cast<size_t>(row_bytes(planned.type, columns));
    if (conversion.given == nullptr)
      encode(planned.type, room->values.data(), columns, importance, room, out);
    kernels_.decode_row[static_cast<size_t>(planned.type)](out, width, room->again.data());
    sums_[place] = compare(room->values.data(), room->again.data(), importance, columns);
  }

  // Of row `row` in room->values; the importance of its columns then.
  static const float* stretch_row(const Stretch& stretch, int64_t row, Room* room) {
    for (size_t i = 0; i < stretch.columns.size(); ++i) room->values[i] *= stretch.columns[i];
    if (!stretch.rows.empty()) {
      for (float& value : room->values) value *= stretch.rows[static_cast<size_t>(row)];
    }
    return stretch.importance.empty() ? nullptr : stretch.importance.data();
  }

  void encode(DType type, const float* values, int64_t columns, const float* importance, Room* room,
              std::byte* out) const {
    const bool can = facts(type).block > 1 && why_not(options_.method, type).empty();
    if (options_.method == Method::Rtn && can) {
      issun::encode_row(type, values, columns, out);
    } else if (options_.method == Method::Hqq && can) {
      encode_row_hqq(type, values, columns, out);
    } else {
      encoder_.encode_row(type, values, columns, importance, room->scratch.get(), out);
    }
  }

  const gguf::GgufFile& source_;
  const Plan& plan_;
  const QuantiseOptions& options_;
  Workers& workers_;
  const kernels::KernelTable& kernels_;
  const Encoder encoder_;
  std::vector<Room> rooms_;  // of each worker
  // Of the rows being converted.
  std::vector<std::byte> out_;
  std::vector<Sums> sums_;
  std::vector<Fault> faults_;
  int64_t done_ = 0, all_ = 0;
  QuantiseReport report_;
};

// What the file says of how it was made; the rest is the source's.
Result<void> set_keys(const gguf::GgufFile& source, const PlanOptions& plan,
                      const QuantiseOptions& options, gguf::GgufWriter& writer) {
  constexpr uint32_t kQuantisationVersion = 2;  // of the blocks' layouts, as the format has them
  if (plan.file_type != nullptr) {
    TRY(writer.set("general.file_type", gguf::make_u32(static_cast<uint32_t>(plan.file_type->id))));
    TRY(writer.set("general.quantization_version", gguf::make_u32(kQuantisationVersion)));
  }
  if (const Importance* importance = plan.importance) {
    TRY(writer.set("quantize.imatrix.file", gguf::make_string(options.importance_path)));
    if (!importance->datasets().empty())
      TRY(writer.set("quantize.imatrix.dataset", gguf::make_string(importance->datasets()[0])));
    TRY(writer.set("quantize.imatrix.entries_count",
                   gguf::make_u32(static_cast<uint32_t>(importance->entries().size()))));
    if (importance->chunks() > 0)
      TRY(writer.set("quantize.imatrix.chunks_count",
                     gguf::make_u32(static_cast<uint32_t>(importance->chunks()))));
  }
  return writer.copy(source.metadata());
}

}  // namespace

Result<QuantiseReport> quantise(const gguf::GgufFile& source, const Plan& plan,
                                const PlanOptions& plan_options, const QuantiseOptions& options,
                                const std::string& path, Workers& workers) {
  const kernels::KernelTable* kernels = TRY(kernels::choose_kernels());
  const kernels::SearchTable* searches = TRY(kernels::choose_searches());
  gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path, source.alignment()));
  TRY(set_keys(source, plan_options, options, writer));
  return Quantiser(source, plan, options, workers, *kernels, *searches).write(std::move(writer));
}

}  // namespace issun::quantize
