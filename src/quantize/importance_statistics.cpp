#include "quantize/importance_statistics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"

namespace issun::quantize {

namespace {

constexpr double kActive = 1e-5;
constexpr int kNoLayer = std::numeric_limits<int>::max();

// "blk.3.attn_q.weight": 3 and "attn_q.weight".
struct Place {
  int layer = kNoLayer;
  std::string part;
};
Place place_of(const std::string& tensor) {
  constexpr std::string_view kPrefix = "blk.";
  Place place{kNoLayer, tensor};
  if (!tensor.starts_with(kPrefix)) return place;
  const char* const end = tensor.data() + tensor.size();
  int layer = 0;
  const auto [next, error] = std::from_chars(tensor.data() + kPrefix.size(), end, layer);
  if (error == std::errc() && next != end && *next == '.')
    place = {layer, std::string(next + 1, end)};
  return place;
}

// Parts that met nothing are left at 0.
std::vector<double> means(const ImportanceSums::Entry& entry) {
  std::vector<double> values(entry.squares.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double count = entry.counts[i / static_cast<size_t>(entry.columns())];
    if (count > 0) values[i] = entry.squares[i] / count;
  }
  return values;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  const double dot = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  const double sizes = std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0) *
                                 std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
  return sizes > 0 ? dot / sizes : 0;
}

ImportanceStatistics describe(const std::string& tensor, const ImportanceSums::Entry& entry) {
  const std::vector<double> values = means(entry);
  const double n = static_cast<double>(values.size());
  ImportanceStatistics told;
  told.tensor = tensor;
  told.columns = entry.columns();
  told.parts = entry.parts();
  told.unmet = entry.unmet();
  told.rows = std::accumulate(entry.counts.begin(), entry.counts.end(), 0.0);
  told.sum = std::accumulate(values.begin(), values.end(), 0.0);
  told.least = *std::min_element(values.begin(), values.end());
  told.most = *std::max_element(values.begin(), values.end());
  told.mean = told.sum / n;
  double squares = 0, active = 0;
  for (const double value : values) {
    squares += (value - told.mean) * (value - told.mean);
    if (value > kActive) ++active;
    if (value > 0) told.entropy -= value / told.sum * std::log2(value / told.sum);
  }
  told.deviation = std::sqrt(squares / n);
  told.active = active / n;
  told.largest_share = told.sum > 0 ? told.most / told.sum : 0;
  told.evenness = n > 1 ? told.entropy / std::log2(n) : 1;
  const double far = told.mean + told.deviation;
  told.outliers = static_cast<double>(std::count_if(values.begin(), values.end(),
                                                    [&](double value) { return value > far; })) /
                  n;
  return told;
}

}  // namespace

std::vector<ImportanceStatistics> statistics(const ImportanceSums& sums) {
  CHECK_THAT(sums.form == ImportanceForm::Gguf);
  std::vector<ImportanceStatistics> all;
  for (const auto& [tensor, entry] : sums.entries) {
    ImportanceStatistics told = describe(tensor, entry);
    const Place place = place_of(tensor);
    if (place.layer != kNoLayer && place.layer > 0) {
      const auto before =
          sums.entries.find("blk." + std::to_string(place.layer - 1) + "." + place.part);
      if (before != sums.entries.end() && before->second.squares.size() == entry.squares.size()) {
        told.has_similarity = true;
        told.similarity = cosine(means(entry), means(before->second));
      }
    }
    all.push_back(std::move(told));
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return place_of(a.tensor).layer < place_of(b.tensor).layer;
  });
  return all;
}

}  // namespace issun::quantize
