#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "measure/lab/plot.h"
#include "measure/lab/sections.h"
#include "quantize/encode.h"
#include "quantize/lab/grid.h"
#include "tensor/codec.h"

namespace issun::measure::lab {

using namespace quantize::lab;

namespace {

constexpr int kBits = 4;

struct Named {
  const char* name;
  const char* brief;
  Granularity granularity;
};
constexpr Named kGranularities[] = {{"the whole tensor", "tensor", {Granularity::Kind::Tensor}},
                                    {"a channel (row)", "channel", {Granularity::Kind::Row}},
                                    {"a group of 128", "128", {Granularity::Kind::Group, 128}},
                                    {"a block of 32", "32", {Granularity::Kind::Group, 32}},
                                    {"a block of 16", "16", {Granularity::Kind::Group, 16}}};

constexpr DType kFormats[] = {
    DType::Q8_0,    DType::Q6_K,  DType::Q5_1,   DType::Q5_0,  DType::Q5_K,
    DType::Q4_1,    DType::Q4_0,  DType::Q4_K,   DType::NVFP4, DType::IQ4_NL,
    DType::IQ4_XS,  DType::MXFP4, DType::Q3_K,   DType::IQ3_S, DType::Q2_K,
    DType::IQ3_XXS, DType::IQ2_S, DType::IQ2_XS, DType::Q2_0,  DType::TQ2_0,
    DType::IQ2_XXS, DType::IQ1_M, DType::TQ1_0,  DType::IQ1_S, DType::Q1_0};

// The rows written by the format's own encoder and read again.
Loss measure_format(DType type, const MatrixRows& matrix, const quantize::Encoder& encoder) {
  const int64_t columns = matrix.columns;
  const auto scratch = std::make_unique<quantize::EncodeScratch>();
  std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(type, columns)));
  std::vector<float> again(static_cast<size_t>(columns));
  Loss loss;
  for (int64_t r = 0; r < matrix.rows(); ++r) {
    const float* values = matrix.values.data() + r * columns;
    const float* weights = matrix.weights_of(r);
    encoder.encode_row(type, values, columns, weights, scratch.get(), bytes.data());
    decode_row(type, bytes.data(), columns, again.data());
    for (int64_t c = 0; c < columns; ++c)
      loss.add(values[c], again[static_cast<size_t>(c)], weights != nullptr ? weights[c] : 1);
    loss.bits += 8 * static_cast<double>(bytes.size());
  }
  return loss;
}

struct Format {
  DType type;
  Loss loss = {};
};

std::vector<Format> measure_formats(const Subject& subject) {
  std::vector<Format> formats;
  for (const DType type : kFormats) {
    if (subject.matrix.columns % facts(type).block == 0) formats.push_back({type});
  }
  const quantize::Encoder encoder(subject.searches);
  subject.workers.for_each(static_cast<int64_t>(formats.size()), 1,
                           [&](int64_t begin, int64_t end, int) {
                             for (int64_t i = begin; i < end; ++i) {
                               Format& format = formats[static_cast<size_t>(i)];
                               format.loss = measure_format(format.type, subject.matrix, encoder);
                             }
                           });
  return formats;
}

void add_formats(const Subject& subject, Section* section, std::vector<Series>* series) {
  const bool weighted = subject.matrix.sample().weighted();
  const std::vector<Format> formats = measure_formats(subject);
  Table table{.id = "formats",
              .caption = "The formats of GGUF files, written by issun's own encoders",
              .columns = {{"format", 0}, {"bits a weight", 4}},
              .rows = {}};
  add_loss_columns(weighted, &table.columns);
  Series points{.name = "GGUF formats", .points = {}, .line = false, .labels = {}};
  for (const Format& format : formats) {
    table.rows.push_back({issun::name(format.type), format.loss.bits_per_weight()});
    add_loss_cells(format.loss, weighted, &table.rows.back());
    points.points.push_back({format.loss.bits_per_weight(), format.loss.sqnr_db()});
    points.labels.emplace_back(issun::name(format.type));
  }
  const auto missing = static_cast<int64_t>(std::size(kFormats) - formats.size());
  if (missing > 0) {
    section->words.push_back(
        fmt::format("{} formats are left out: rows of {} values do not divide into their blocks.",
                    missing, subject.matrix.columns));
  }
  if (formats.empty()) return;
  section->tables.push_back(std::move(table));
  series->push_back(std::move(points));
}

}  // namespace

Section granularity_section(const Subject& subject) {
  const Sample sample = subject.matrix.sample();
  Section section{.id = "granularity",
                  .title = "Who shares a scale",
                  .subject = subject.name(),
                  .words = {},
                  .tables = {},
                  .pictures = {}};
  section.words = {
      "Codes of 4 bits, and one scale for the whole tensor, for each row (output channel), or for "
      "each group of neighbours in a row. A scale has 16 bits, an asymmetric grid has two such "
      "numbers: the finer the groups, the nearer the levels and the more is stored.",
      "The formats of files go further: scales that are themselves small whole numbers (Q4_K), "
      "curved levels (IQ4_NL), entries of codebooks for eight values at once (IQ2, IQ1), and a "
      "search for the scale that loses least."};
  Table table{.id = "granularity",
              .caption = "4 bits by granularity, range from the smallest to the largest",
              .columns = {{"shared by", 0}, {"zero", 0}, {"bits a weight", 4}},
              .rows = {}};
  add_loss_columns(sample.weighted(), &table.columns);
  std::vector<Series> series;
  for (const bool about_zero : {true, false}) {
    Series line{.name = about_zero ? "4 bits, symmetric" : "4 bits, asymmetric",
                .points = {},
                .labels = {}};
    for (const Named& named : kGranularities) {
      const Loss loss =
          round_groups(sample, named.granularity,
                       {.code_bits = kBits, .group_bits = about_zero ? kScaleBits : 2 * kScaleBits},
                       [&](std::span<const float> group) {
                         if (about_zero) return symmetric(largest_magnitude(group), 1 << kBits);
                         const auto [least, most] = std::minmax_element(group.begin(), group.end());
                         return asymmetric(*least, *most, 1 << kBits);
                       });
      table.rows.push_back(
          {named.name, about_zero ? "symmetric" : "asymmetric", loss.bits_per_weight()});
      add_loss_cells(loss, sample.weighted(), &table.rows.back());
      line.points.push_back({loss.bits_per_weight(), loss.sqnr_db()});
      line.labels.emplace_back(named.brief);
    }
    series.push_back(std::move(line));
  }
  section.tables.push_back(std::move(table));
  add_formats(subject, &section, &series);
  section.pictures.push_back(
      {plot_svg({.title = "Error against size: " + subject.name(),
                 .across = "bits a weight, scales included",
                 .up = "SQNR (dB), more is better",
                 .series = series}),
       "Along a line the groups become smaller. A format above the lines makes more of its bits "
       "than plain rounding does."});
  return section;
}

}  // namespace issun::measure::lab
