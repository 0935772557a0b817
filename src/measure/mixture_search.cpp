#include "measure/mixture_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/memory.h"
#include "base/quote.h"
#include "base/terminal.h"
#include "gguf/content_hash.h"
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

// A tensor to choose a type for.
struct Item {
  std::string name;
  int64_t values = 0;
  std::vector<PlannedType> ways;
  std::vector<double> errors;  // of each way, weighted by importance
  double sensitivity = 0;      // damage for each unit of error
  PlannedType probe = {};
  double probe_error = 0;
  int chosen = 0;

  double damage(int way) const { return sensitivity * errors[static_cast<size_t>(way)]; }
};

class Search {
 public:
  Search(const std::string& path, const gguf::GgufFile& source, const quantize::PlanOptions& plan,
         const MixtureOptions& options)
      : path_(path), source_(source), plan_(plan), options_(options) {}

  Result<MixtureReport> run() {
    if (options_.divergence && !options_.calibration)
      return fail("expected a calibration text to measure a divergence on");
    TRY(find_items());
    TRY(open_trials());
    TRY(measure_errors());
    TRY(find_sensitivities());
    TRY(reach_goal());
    return report();
  }

 private:
  void tell(const std::string& line) const {
    if (options_.progress) options_.progress(line);
  }

  int64_t stored_bytes(const Tensor& tensor, DType type) const {
    return round_up(tensor.rows() * row_bytes(type, tensor.columns()), source_.alignment());
  }

  // --- what there is to choose

  Result<quantize::Plan> plan_with(const std::vector<quantize::TypeRule>& rules) const {
    quantize::PlanOptions plan = plan_;
    plan.file_type = nullptr;
    // What the caller's rules say of a tensor goes before.
    plan.rules.insert(plan.rules.end(), rules.begin(), rules.end());
    return quantize::make_plan(source_, plan);
  }

  Result<void> find_items() {
    const quantize::Plan kept = TRY(plan_with({}));
    std::vector<bool> ruled(kept.tensors.size());
    for (size_t i = 0; i < kept.tensors.size(); ++i) {
      const PlannedType& planned = kept.tensors[i];
      ruled[i] = planned.by_rule;
      report_.values += planned.tensor.columns() * planned.tensor.rows();
      fixed_bytes_ += stored_bytes(planned.tensor, planned.type);
    }
    for (const DType type : options_.types) TRY(add_ways(type, ruled));
    for (const size_t i : places_) {
      const PlannedType& planned = kept.tensors[i];
      fixed_bytes_ -= stored_bytes(planned.tensor, planned.type);
    }
    if (items_.empty())
      return fail("expected a matrix that one of the types fits, found none to choose for");
    return add_probes(ruled);
  }

  // One more type for all the tensors that may have it.
  Result<void> add_ways(DType type, const std::vector<bool>& ruled) {
    const quantize::Plan plan = TRY(plan_with(rules_for(type, ruled)));
    for (size_t i = 0; i < plan.tensors.size(); ++i) {
      const PlannedType& planned = plan.tensors[i];
      if (ruled[i] || !quantize::may_have(planned.tensor, type, plan_.importance)) continue;
      const auto found = std::find(places_.begin(), places_.end(), i);
      if (found == places_.end()) {
        places_.push_back(i);
        Item& item = items_.emplace_back();
        item.name = planned.tensor.name;
        item.values = planned.tensor.columns() * planned.tensor.rows();
        item.ways.push_back(planned);
      } else {
        items_[static_cast<size_t>(found - places_.begin())].ways.push_back(planned);
      }
    }
    if (report_.notes.empty()) report_.notes = plan.notes;
    return {};
  }

  std::vector<quantize::TypeRule> rules_for(DType type, const std::vector<bool>& ruled) const {
    std::vector<quantize::TypeRule> rules;
    for (size_t i = 0; i < ruled.size(); ++i) {
      const Tensor& tensor = source_.tensors()[i];
      if (!ruled[i] && quantize::may_have(tensor, type, plan_.importance))
        rules.push_back({std::string(tensor.name), type});
    }
    return rules;
  }

  // Coarse enough to be seen far above rounding, fine enough to be small.
  Result<void> add_probes(const std::vector<bool>& ruled) {
    for (const DType type : {DType::Q4_0, DType::Q3_K}) {
      const quantize::Plan plan = TRY(plan_with(rules_for(type, ruled)));
      for (size_t k = 0; k < items_.size(); ++k) {
        const PlannedType& planned = plan.tensors[places_[k]];
        if (planned.type == type || type == DType::Q4_0) items_[k].probe = planned;
      }
    }
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

  Result<void> interrupted() const {
    if (Interrupts::pending()) return fail("interrupted");
    return {};
  }

  Result<void> measure_errors() {
    for (size_t k = 0; k < items_.size(); ++k) {
      Item& item = items_[k];
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

  Result<double> measured() {
    TRY(interrupted());
    last_ = TRY(trial_->measure()).mean();
    ++report_.measurements;
    return last_.value;
  }

  // The model with one tensor alone in its probe's type.
  Result<void> find_sensitivities() {
    if (trial_ == nullptr) return {};
    report_.measured = true;
    Probes probes = TRY(Probes::open(options_.probes, identity()));
    for (size_t k = 0; k < items_.size(); ++k) {
      Item& item = items_[k];
      std::optional<double> divergence = probes.find(item.name, item.probe.type);
      if (!divergence) {
        tell(fmt::format("damage of tensor {} of {}: {}", k + 1, items_.size(), item.name));
        TRY(trial_->put(item.probe));
        divergence = TRY(measured());
        TRY(put_back(item));
        TRY(probes.add(item.name, item.probe.type, *divergence));
      }
      item.sensitivity = item.probe_error > 0 ? *divergence / item.probe_error : 0;
    }
    return {};
  }

  Result<void> put_back(const Item& item) {
    PlannedType planned = item.probe;
    planned.type = planned.tensor.type;
    return trial_->put(planned);
  }

  // --- the choice

  std::vector<std::vector<quantize::Choice>> choices() const {
    std::vector<std::vector<quantize::Choice>> all;
    for (const Item& item : items_) {
      std::vector<quantize::Choice>& some = all.emplace_back();
      for (size_t w = 0; w < item.ways.size(); ++w) {
        some.push_back({static_cast<double>(stored_bytes(item.ways[w].tensor, item.ways[w].type)),
                        item.damage(static_cast<int>(w))});
      }
    }
    return all;
  }

  double most_bytes() const {
    double most = static_cast<double>(source_.data_bytes()) * 4;
    if (options_.bytes) most = static_cast<double>(*options_.bytes);
    if (options_.bits_per_weight)
      most = std::min(most, *options_.bits_per_weight * static_cast<double>(report_.values) / 8);
    return most - static_cast<double>(fixed_bytes_);
  }

  Result<void> reach_goal() {
    if (options_.divergence) return reach_divergence();
    TRY(choose(quantize::least_damage(choices(), most_bytes())));
    if (trial_ == nullptr) return {};
    TRY(put_chosen());
    return refine(TRY(measured()));
  }

  Result<void> choose(const Result<quantize::Allocation>& found) {
    if (!found) return fail("types: {}", found.error().message);
    for (size_t k = 0; k < items_.size(); ++k) items_[k].chosen = found->chosen[k];
    report_.bound = found->bound;
    return {};
  }

  std::vector<int> chosen() const {
    std::vector<int> all;
    for (const Item& item : items_) all.push_back(item.chosen);
    return all;
  }

  double predicted() const {
    double sum = 0;
    for (const Item& item : items_) sum += item.damage(item.chosen);
    return sum;
  }

  Result<void> put_chosen() {
    tell("measuring the mixture");
    for (const Item& item : items_) TRY(trial_->put(item.ways[static_cast<size_t>(item.chosen)]));
    return {};
  }

  void scale_sensitivities(double factor) {
    for (Item& item : items_) item.sensitivity *= factor;
  }

  // Fewest bytes for which the measured divergence is below the goal: predictions are corrected by
  // what the last choice turned out to have.
  Result<void> reach_divergence() {
    const double goal = *options_.divergence;
    std::vector<int> best;
    Estimate best_measured;
    double best_bytes = 0, least = std::numeric_limits<double>::infinity(), aim = goal;
    for (int step = 0; step < kGoalSteps; ++step) {
      const auto found = quantize::least_bytes(choices(), aim);
      // Where not even the best types are predicted to do, they are tried.
      TRY(choose(found ? found : quantize::least_damage(choices(), most_bytes())));
      TRY(put_chosen());
      const double divergence = TRY(measured());
      least = std::min(least, divergence);
      const double bytes = chosen_bytes();
      if (divergence <= goal && (best.empty() || bytes < best_bytes)) {
        best = chosen();
        best_bytes = bytes;
        best_measured = last_;
      }
      const bool near = divergence <= goal && divergence >= goal * (1 - kNearGoal);
      if (near || divergence == 0) break;
      const double ratio = divergence / std::max(predicted(), 1e-300);
      scale_sensitivities(ratio);
      aim = divergence > goal ? goal * 0.99 : goal;
    }
    if (best.empty()) {
      return fail("expected a divergence of {} to be within reach, found {:.6f} at the least", goal,
                  least);
    }
    for (size_t k = 0; k < items_.size(); ++k) items_[k].chosen = best[k];
    report_.divergence = best_measured;
    return {};
  }

  double chosen_bytes() const {
    double sum = 0;
    for (const Item& item : items_) {
      const PlannedType& way = item.ways[static_cast<size_t>(item.chosen)];
      sum += static_cast<double>(stored_bytes(way.tensor, way.type));
    }
    return sum;
  }

  // --- from the choice to a better one: damages measured where it stands

  // The next worse way that is worse by far enough: the errors of two ways are independent, so that
  // what tells them apart has to be more than chance. -1: none.
  int worse_way(const Item& item) const {
    const double least = kWorse * item.errors[static_cast<size_t>(item.chosen)];
    int best = -1;
    for (int w = 0; w < static_cast<int>(item.ways.size()); ++w) {
      const double error = item.errors[static_cast<size_t>(w)];
      if (w == item.chosen || error <= least) continue;
      if (best < 0 || error < item.errors[static_cast<size_t>(best)]) best = w;
    }
    return best;
  }

  // Sensitivities from what changes when one tensor after the other is made worse by a step.
  Result<void> measure_neighbours(double now, int64_t until) {
    std::vector<size_t> order(items_.size());
    for (size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return items_[a].damage(items_[a].chosen) > items_[b].damage(items_[b].chosen);
    });
    int64_t done = 0;
    for (const size_t k : order) {
      Item& item = items_[k];
      const int way = worse_way(item);
      if (way < 0 || report_.measurements >= until) continue;
      tell(fmt::format("bettering: step {} of {}: {}", ++done, items_.size(), item.name));
      TRY(trial_->put(item.ways[static_cast<size_t>(way)]));
      const double worse = TRY(measured());
      TRY(trial_->put(item.ways[static_cast<size_t>(item.chosen)]));
      const double step =
          item.errors[static_cast<size_t>(way)] - item.errors[static_cast<size_t>(item.chosen)];
      item.sensitivity = std::max((worse - now) / step, kLeastSlope * item.sensitivity);
    }
    return {};
  }

  Result<void> refine(double now) {
    report_.divergence = last_;
    scale_sensitivities(now / std::max(predicted(), 1e-300));
    const int64_t until = report_.measurements + options_.refine;
    while (report_.measurements + 2 <= until && now > 0) {
      const std::vector<int> before = chosen();
      TRY(measure_neighbours(now, until - 1));
      TRY(choose(quantize::least_damage(choices(), most_bytes())));
      if (chosen() == before) break;
      TRY(put_chosen());
      const double next = TRY(measured());
      if (next < now) {
        now = next;
        report_.divergence = last_;
        continue;
      }
      for (size_t k = 0; k < items_.size(); ++k) items_[k].chosen = before[k];
      break;
    }
    return {};
  }

  MixtureReport report() {
    report_.predicted = predicted();
    report_.bytes = fixed_bytes_ + static_cast<int64_t>(chosen_bytes());
    for (const Item& item : items_) {
      const PlannedType& way = item.ways[static_cast<size_t>(item.chosen)];
      report_.tensors.push_back({item.name, way.type, item.values,
                                 stored_bytes(way.tensor, way.type), item.damage(item.chosen)});
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
  std::vector<Item> items_;
  std::vector<size_t> places_;  // of the items among the source's tensors
  int64_t fixed_bytes_ = 0;     // of all other tensors
  Estimate last_;
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
