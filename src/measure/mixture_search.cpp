#include "measure/mixture_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/terminal.h"
#include "gguf/content_hash.h"
#include "measure/mixture_items.h"
#include "measure/probes.h"
#include "quantize/allocation.h"

namespace issun::measure {

namespace {

using quantize::PlannedType;

constexpr int64_t kSampledRows = 128;  // of a tensor, to tell its error in a type by
constexpr int kGoalSteps = 8;          // towards a divergence
constexpr double kNearGoal = 0.02;     // below it by this share: near enough
constexpr double kLeastSlope = 0.1;    // of a sensitivity, where another one is measured
constexpr double kWorse = 2;           // times the error

// A choice of all types, and what was said and found of it.
struct Mixture {
  std::vector<int> chosen;
  std::vector<double> damages;  // of each, predicted
  double bytes = 0;
  Estimate divergence;  // where it was measured

  double predicted() const {
    double sum = 0;
    for (const double damage : damages) sum += damage;
    return sum;
  }
};

class Search {
 public:
  Search(const std::string& path, const gguf::GgufFile& source, const quantize::PlanOptions& plan,
         const MixtureOptions& options)
      : path_(path), source_(source), plan_(plan), options_(options) {}

  Result<MixtureReport> run() {
    if (options_.divergence && !options_.calibration)
      return fail("expected a calibration text to measure a divergence on");
    MixtureItems found = TRY(find_items(source_, plan_, options_.types));
    items_ = std::move(found.items);
    fixed_bytes_ = found.fixed_bytes;
    ruled_ = found.ruled;
    report_.values = found.values;
    report_.notes = std::move(found.notes);
    TRY(open_trials());
    TRY(measure_errors());
    TRY(find_sensitivities());
    if (options_.divergence) {
      TRY(reach_divergence());
    } else {
      TRY(reach_size());
    }
    return report();
  }

 private:
  void tell(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  Result<void> interrupted() const {
    if (Interrupts::pending()) return fail("interrupted");
    return {};
  }

  // --- what each choice costs

  Result<void> open_trials() {
    if (options_.calibration) {
      tell("reading the calibration text");
      trial_ = TRY(TrialModel::open(path_, options_.threads, *options_.calibration));
      trials_ = &trial_->trials();
      return {};
    }
    workers_ = TRY(Workers::create(options_.threads));
    own_trials_.emplace(TRY(quantize::Trials::create(*workers_)));
    trials_ = &*own_trials_;
    return {};
  }

  Result<void> measure_errors() {
    for (size_t k = 0; k < items_.size(); ++k) {
      MixtureItem& item = items_[k];
      tell(fmt::format("errors of tensor {} of {}", k + 1, items_.size()));
      TRY(interrupted());
      for (const PlannedType& way : item.ways)
        item.errors.push_back(TRY(trials_->error(way, kSampledRows)).errors);
      const auto probe = TRY(trials_->error(item.probe, kSampledRows));
      item.probe_error = probe.errors;
      // Until it is measured: what a matrix is off by counts relative to its size.
      item.sensitivity = probe.squares > 0 ? 1 / probe.squares : 0;
    }
    return {};
  }

  uint64_t identity() const {
    std::vector<uint64_t> parts;
    const auto add = [&](std::span<const std::byte> bytes) {
      parts.push_back(gguf::content_hash(bytes));
    };
    for (const Tensor& tensor : source_.tensors())
      add({tensor.data, static_cast<size_t>(tensor.bytes())});
    add(std::as_bytes(trial_->base().tokens()));
    parts.push_back(static_cast<uint64_t>(options_.calibration->context));
    if (plan_.importance != nullptr) {
      for (const auto& [name, entry] : plan_.importance->entries())
        add(std::as_bytes(std::span(entry.values)));
    }
    return gguf::content_hash(std::as_bytes(std::span(parts)));
  }

  Result<Estimate> measured() {
    TRY(interrupted());
    ++report_.measurements;
    return TRY(trial_->measure()).mean();
  }

  // The model with one tensor alone in its probe's type.
  Result<void> find_sensitivities() {
    if (trial_ == nullptr) return {};
    report_.measured = true;
    Probes probes = TRY(Probes::open(options_.probes, identity()));
    for (size_t k = 0; k < items_.size(); ++k) {
      MixtureItem& item = items_[k];
      std::optional<double> divergence = probes.find(item.name, item.probe.type);
      if (!divergence) {
        tell(fmt::format("damage of tensor {} of {}: {}", k + 1, items_.size(), item.name));
        TRY(trial_->put(item.probe));
        divergence = TRY(measured()).value;
        PlannedType back = item.probe;
        back.type = back.tensor.type;
        TRY(trial_->put(back));
        TRY(probes.add(item.name, item.probe.type, *divergence));
      }
      item.sensitivity = item.probe_error > 0 ? *divergence / item.probe_error : 0;
    }
    return {};
  }

  void scale_sensitivities(double factor) {
    for (MixtureItem& item : items_) item.sensitivity *= factor;
  }

  // --- the choice

  double most_bytes() const {
    double most = static_cast<double>(source_.data_bytes()) * 4;
    if (options_.bytes) most = static_cast<double>(*options_.bytes);
    if (options_.bits_per_weight)
      most = std::min(most, *options_.bits_per_weight * static_cast<double>(report_.values) / 8);
    return most - static_cast<double>(fixed_bytes_);
  }

  Result<Mixture> choose(const Result<quantize::Allocation>& found) {
    if (!found) return fail("types: {}", found.error().message);
    report_.bound = found->bound;
    Mixture mixture;
    mixture.bytes = found->bytes;
    mixture.chosen = found->chosen;
    for (size_t k = 0; k < items_.size(); ++k) {
      items_[k].chosen = found->chosen[k];
      mixture.damages.push_back(items_[k].damage(items_[k].chosen));
    }
    return mixture;
  }

  Result<Mixture> best_of_size() {
    return choose(quantize::least_damage(choices(source_, items_), most_bytes()));
  }

  Result<void> measure(Mixture* mixture) {
    tell("measuring the mixture");
    for (const PlannedType& ruled : ruled_) TRY(trial_->put(ruled));
    for (const MixtureItem& item : items_) TRY(trial_->put(item.way()));
    mixture->divergence = TRY(measured());
    return {};
  }

  void take(const Mixture& mixture) {
    for (size_t k = 0; k < items_.size(); ++k) items_[k].chosen = mixture.chosen[k];
    best_ = mixture;
  }

  // How much more was found than was said.
  static double excess(const Mixture& mixture) {
    return mixture.divergence.value / std::max(mixture.predicted(), 1e-300);
  }

  // Fewest bytes for which the measured divergence is below the goal: predictions are corrected by
  // what the last choice turned out to have.
  Result<void> reach_divergence() {
    const double goal = *options_.divergence;
    double least = std::numeric_limits<double>::infinity(), aim = goal;
    std::optional<Mixture> best;
    for (int step = 0; step < kGoalSteps; ++step) {
      const auto found = quantize::least_bytes(choices(source_, items_), aim);
      // Where not even the best types are predicted to do, they are tried.
      Mixture mixture = found ? TRY(choose(found)) : TRY(best_of_size());
      TRY(measure(&mixture));
      const double divergence = mixture.divergence.value;
      least = std::min(least, divergence);
      if (divergence <= goal && (!best || mixture.bytes < best->bytes)) best = mixture;
      const bool near = divergence <= goal && divergence >= goal * (1 - kNearGoal);
      if (near || divergence == 0) break;
      scale_sensitivities(excess(mixture));
      aim = divergence > goal ? goal * (1 - kNearGoal / 2) : goal;
    }
    if (!best) {
      return fail("expected a divergence of {} to be within reach, found {:.6f} at the least", goal,
                  least);
    }
    take(*best);
    return {};
  }

  Result<void> reach_size() {
    Mixture mixture = TRY(best_of_size());
    if (trial_ != nullptr) TRY(measure(&mixture));
    take(mixture);
    if (options_.refine > 0) return refine();
    return {};
  }

  // --- from the choice to a better one: damages measured where it stands

  // The next worse way that is worse by far enough: the errors of two ways are independent, so that
  // what tells them apart has to be more than chance. -1: none.
  int worse_way(const MixtureItem& item) const {
    const double least = kWorse * item.errors[static_cast<size_t>(item.chosen)];
    int best = -1;
    for (int w = 0; w < static_cast<int>(item.ways.size()); ++w) {
      const double error = item.errors[static_cast<size_t>(w)];
      if (w == item.chosen || error <= least) continue;
      if (best < 0 || error < item.errors[static_cast<size_t>(best)]) best = w;
    }
    return best;
  }

  // Sensitivities from what changes when one tensor after the other is made worse by a step, those
  // of the largest damage first.
  Result<void> measure_steps(int64_t until) {
    std::vector<size_t> order(items_.size());
    for (size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return best_.damages[a] > best_.damages[b]; });
    int64_t done = 0;
    for (const size_t k : order) {
      MixtureItem& item = items_[k];
      const int way = worse_way(item);
      if (way < 0 || report_.measurements >= until) continue;
      tell(fmt::format("bettering: step {} of {}: {}", ++done, items_.size(), item.name));
      TRY(trial_->put(item.ways[static_cast<size_t>(way)]));
      const double more = TRY(measured()).value - best_.divergence.value;
      TRY(trial_->put(item.way()));
      const double step =
          item.errors[static_cast<size_t>(way)] - item.errors[static_cast<size_t>(item.chosen)];
      item.sensitivity = std::max(more / step, kLeastSlope * item.sensitivity);
    }
    return {};
  }

  Result<void> refine() {
    const int64_t until = report_.measurements + options_.refine;
    scale_sensitivities(excess(best_));
    while (report_.measurements + 2 <= until && best_.divergence.value > 0) {
      TRY(measure_steps(until - 1));
      Mixture next = TRY(best_of_size());
      if (next.chosen == best_.chosen) break;
      TRY(measure(&next));
      if (next.divergence.value >= best_.divergence.value) break;
      take(next);
    }
    take(best_);
    return {};
  }

  MixtureReport report() {
    report_.predicted = best_.predicted();
    if (trial_ != nullptr) report_.divergence = best_.divergence;
    report_.bytes = fixed_bytes_ + static_cast<int64_t>(best_.bytes);
    for (size_t k = 0; k < items_.size(); ++k) {
      const MixtureItem& item = items_[k];
      report_.tensors.push_back({item.name, item.way().type, item.values,
                                 stored_bytes(source_, item.way().tensor, item.way().type),
                                 best_.damages[k]});
    }
    return std::move(report_);
  }

  const std::string& path_;
  const gguf::GgufFile& source_;
  const quantize::PlanOptions& plan_;
  const MixtureOptions& options_;
  std::unique_ptr<TrialModel> trial_;  // where damage is measured
  std::unique_ptr<Workers> workers_;   // where it is not
  std::optional<quantize::Trials> own_trials_;
  quantize::Trials* trials_ = nullptr;
  std::vector<MixtureItem> items_;
  int64_t fixed_bytes_ = 0;
  std::vector<PlannedType> ruled_;  // by the caller
  Mixture best_;
  MixtureReport report_;
};

}  // namespace

std::vector<DType> usual_types() {
  return {DType::F16,    DType::Q8_0,   DType::Q6_K,    DType::Q5_K,    DType::Q5_1,
          DType::Q5_0,   DType::Q4_K,   DType::Q4_1,    DType::Q4_0,    DType::IQ4_NL,
          DType::IQ4_XS, DType::Q3_K,   DType::IQ3_S,   DType::IQ3_XXS, DType::Q2_K,
          DType::IQ2_S,  DType::IQ2_XS, DType::IQ2_XXS, DType::IQ1_M,   DType::IQ1_S};
}

std::vector<quantize::TypeRule> MixtureReport::rules() const {
  std::vector<quantize::TypeRule> rules;
  for (const TensorChoice& tensor : tensors) rules.push_back({tensor.name, tensor.type});
  return rules;
}

Result<MixtureReport> search_mixture(const std::string& path, const gguf::GgufFile& source,
                                     const quantize::PlanOptions& plan,
                                     const MixtureOptions& options) {
  return Search(path, source, plan, options).run();
}

}  // namespace issun::measure
