#include "measure/mixture_items.h"

#include <algorithm>
#include <limits>

#include "base/memory.h"

namespace issun::measure {

namespace {

using quantize::PlannedType;

class Finder {
 public:
  Finder(const gguf::GgufFile& source, const quantize::PlanOptions& plan)
      : source_(source), plan_(plan) {}

  Result<MixtureItems> find(const std::vector<DType>& types) {
    const quantize::Plan kept = TRY(plan_with({}));
    for (const PlannedType& planned : kept.tensors) {
      ruled_.push_back(planned.by_rule);
      found_.values += planned.tensor.columns() * planned.tensor.rows();
      found_.fixed_bytes += stored_bytes(source_, planned.tensor, planned.type);
      if (planned.by_rule && planned.type != planned.tensor.type) found_.ruled.push_back(planned);
    }
    for (const DType type : types) TRY(add_ways(type));
    for (const size_t i : places_) {
      const PlannedType& planned = kept.tensors[i];
      found_.fixed_bytes -= stored_bytes(source_, planned.tensor, planned.type);
    }
    if (found_.items.empty())
      return fail("expected a matrix that one of the types fits, found none to choose for");
    TRY(add_probes());
    return std::move(found_);
  }

 private:
  Result<quantize::Plan> plan_with(const std::vector<quantize::TypeRule>& rules) const {
    quantize::PlanOptions plan = plan_;
    plan.file_type = nullptr;
    // What the caller's rules say of a tensor goes before.
    plan.rules.insert(plan.rules.end(), rules.begin(), rules.end());
    return quantize::make_plan(source_, plan);
  }

  bool is_free(size_t i, DType type) const {
    return !ruled_[i] && quantize::may_have(source_.tensors()[i], type, plan_.importance);
  }

  // That type for all the tensors that may have it.
  Result<quantize::Plan> plan_in(DType type) const {
    std::vector<quantize::TypeRule> rules;
    for (size_t i = 0; i < ruled_.size(); ++i) {
      if (is_free(i, type)) rules.push_back({std::string(source_.tensors()[i].name), type});
    }
    return plan_with(rules);
  }

  Result<void> add_ways(DType type) {
    const quantize::Plan plan = TRY(plan_in(type));
    for (size_t i = 0; i < plan.tensors.size(); ++i) {
      if (!is_free(i, type)) continue;
      const PlannedType& planned = plan.tensors[i];
      auto place = std::find(places_.begin(), places_.end(), i);
      if (place == places_.end()) {
        place = places_.insert(place, i);
        MixtureItem& item = found_.items.emplace_back();
        item.name = planned.tensor.name;
        item.values = planned.tensor.columns() * planned.tensor.rows();
      }
      found_.items[static_cast<size_t>(place - places_.begin())].ways.push_back(planned);
    }
    if (found_.notes.empty()) found_.notes = plan.notes;
    return {};
  }

  // Coarse enough to be seen far above rounding, fine enough to be small: Q3_K, or what comes next
  // where rows do not divide or a matrix has it already.
  Result<void> add_probes() {
    for (const DType type : {DType::Q4_1, DType::Q4_0, DType::Q2_K, DType::Q3_K}) {
      const quantize::Plan plan = TRY(plan_in(type));
      for (size_t k = 0; k < places_.size(); ++k) {
        const PlannedType& planned = plan.tensors[places_[k]];
        const bool tells = planned.type != planned.tensor.type;  // of what it has already nothing
        if (tells && (planned.type == type || type == DType::Q4_0 || type == DType::Q4_1))
          found_.items[k].probe = planned;
      }
    }
    for (MixtureItem& item : found_.items) {
      if (item.probe.tensor.data == nullptr) item.probe = lightest(item);
    }
    return {};
  }

  // The way of fewest bits that changes anything.
  static PlannedType lightest(const MixtureItem& item) {
    const auto bytes = [](const PlannedType& way) {
      return way.type == way.tensor.type ? std::numeric_limits<int64_t>::max()
                                         : row_bytes(way.type, way.tensor.columns());
    };
    return *std::min_element(
        item.ways.begin(), item.ways.end(),
        [&](const PlannedType& a, const PlannedType& b) { return bytes(a) < bytes(b); });
  }

  const gguf::GgufFile& source_;
  const quantize::PlanOptions& plan_;
  std::vector<bool> ruled_;     // of each tensor: the caller's rules decide
  std::vector<size_t> places_;  // of the items among the tensors
  MixtureItems found_;
};

}  // namespace

int64_t stored_bytes(const gguf::GgufFile& file, const Tensor& tensor, DType type) {
  return round_up(tensor.rows() * row_bytes(type, tensor.columns()), file.alignment());
}

Result<MixtureItems> find_items(const gguf::GgufFile& source, const quantize::PlanOptions& plan,
                                const std::vector<DType>& types) {
  return Finder(source, plan).find(types);
}

std::vector<std::vector<quantize::Choice>> choices(const gguf::GgufFile& source,
                                                   const std::vector<MixtureItem>& items) {
  std::vector<std::vector<quantize::Choice>> all;
  for (const MixtureItem& item : items) {
    std::vector<quantize::Choice>& some = all.emplace_back();
    for (size_t w = 0; w < item.ways.size(); ++w) {
      const PlannedType& way = item.ways[w];
      some.push_back({static_cast<double>(stored_bytes(source, way.tensor, way.type)),
                      item.damage(static_cast<int>(w))});
    }
  }
  return all;
}

}  // namespace issun::measure
