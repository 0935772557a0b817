#include "import/plan.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/quote.h"

namespace issun::import {

namespace {

constexpr std::string_view kPrefixes[] = {"model.", "language_model.", "transformer.", "backbone.",
                                          "bert.",  "roberta.",        "distilbert."};
// What no network needs: tables that are computed, and switches of training.
constexpr std::string_view kNeedless[] = {".masked_bias",     ".attn.bias",   ".attention.bias",
                                          ".inv_freq",        "position_ids", "num_batches_tracked",
                                          ".activation_scale"};
// The parts of models that also see or hear.
constexpr std::string_view kOtherSenses[] = {
    "vision_tower.",          "vision_model.", "visual.",     "audio_tower.",
    "multi_modal_projector.", "embed_vision.", "embed_audio."};

bool is_number(std::string_view part, int* number) {
  const char* end = part.data() + part.size();
  const auto [next, error] = std::from_chars(part.data(), end, *number);
  return error == std::errc() && next == end && *number >= 0 && part[0] != '+';
}

std::string_view without_prefix(std::string_view name) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view prefix : kPrefixes) {
      if (!name.starts_with(prefix)) continue;
      name.remove_prefix(prefix.size());
      again = true;
    }
  }
  return name;
}

// Everything stored that becomes one tensor of the file.
struct Group {
  Change change = Change::None;
  int layer = -1;
  bool stacked = false;          // of experts
  std::map<int, Scaled> stored;  // by expert
};

class Planner {
 public:
  Planner(std::span<const TensorRule> rules, const Counts& counts)
      : rules_(rules), counts_(counts) {}

  Result<void> add(const StoredTensor& tensor) {
    const std::string_view plain = without_prefix(tensor.name);
    for (const std::string_view sense : kOtherSenses) {
      if (!plain.starts_with(sense)) continue;
      ++plan.left_out;
      return {};
    }
    const StoredName name = parse_stored_name(tensor.name);
    if (is_ahead(name)) {
      ++plan.ahead;
      return {};
    }
    bool known = false;
    for (const TensorRule& rule : rules_) {
      if (rule.from != name.pattern) continue;
      known = true;
      if (rule.to != nullptr) TRY(add(tensor, name, rule));
    }
    if (known) return {};
    for (const std::string_view needless : kNeedless) {
      if (plain.ends_with(needless)) return {};
    }
    return fail("{}: expected a tensor of this architecture, found one that it does not have",
                printable(tensor.name));
  }

  Result<void> finish() {
    for (const auto& [name, group] : groups_) {
      Result<PlannedTensor> planned = plan_group(name, group);
      if (!planned) return fail("{}: {}", name, planned.error().message);
      plan.tensors.push_back(std::move(*planned));
    }
    std::stable_sort(plan.tensors.begin(), plan.tensors.end(),
                     [](const auto& a, const auto& b) { return a.layer < b.layer; });
    return {};
  }

  Plan plan;

 private:
  bool is_ahead(const StoredName& name) const {
    if (name.pattern.starts_with("mtp.")) return counts_.layers_ahead > 0;
    return name.pattern.starts_with("layers.#.") && name.numbers[0] >= counts_.layers &&
           name.numbers[0] < counts_.layers + counts_.layers_ahead;
  }

  Result<void> add(const StoredTensor& tensor, const StoredName& name, const TensorRule& rule) {
    const int layer = name.numbers.empty() ? -1 : name.numbers[0];
    if (layer >= counts_.layers) {
      return fail("{}: expected layers below {}", printable(tensor.name), counts_.layers);
    }
    const std::string_view to = rule.to;
    const bool named_whole = to.ends_with(".weight") || to.ends_with(".bias");
    std::string whole = numbered(to, layer) + (named_whole ? "" : std::string(name.ending));
    if (to.ends_with('.')) whole = numbered(to.substr(0, to.size() - 1), layer);
    Group& group = groups_[whole];
    group.change = rule.change;
    group.layer = layer;
    group.stacked = name.numbers.size() > 1;
    Scaled& stored = group.stored[group.stacked ? name.numbers[1] : 0];
    const StoredTensor*& place = name.scales ? stored.scales : stored.codes;
    if (place != nullptr) {
      return fail("{}: expected one tensor of that meaning, found two", printable(tensor.name));
    }
    place = &tensor;
    return {};
  }

  Result<PlannedTensor> plan_group(const std::string& name, const Group& group) const {
    for (const auto& [expert, stored] : group.stored) {
      if (stored.codes == nullptr) return fail("expected numbers beside scales, found none");
      TRY(stored.type());
    }
    const Scaled& first = group.stored.begin()->second;
    std::vector<int64_t> shape = first.shape();
    if (group.change == Change::Squeezed) std::erase(shape, 1);
    PlannedTensor planned;
    planned.name = name;
    planned.change = group.change;
    planned.layer = group.layer;
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
      return fail("expected numbers, found none in {}", safetensors::describe_shape(shape));
    }
    if (shape.empty() || shape.size() > 3) {
      return fail("expected 1 to 3 dimensions, found {}", safetensors::describe_shape(shape));
    }
    planned.size.assign(shape.rbegin(), shape.rend());
    planned.columns = planned.size[0];
    int64_t rows = 1;
    for (size_t d = 1; d < planned.size.size(); ++d) rows *= planned.size[d];
    for (const auto& [expert, stored] : group.stored) {
      if (stored.codes->shape != first.codes->shape || stored.codes->type != first.codes->type) {
        return fail("expected experts of one shape and type, found {} {} beside {} {}",
                    stored.codes->type->name, safetensors::describe_shape(stored.codes->shape),
                    first.codes->type->name, safetensors::describe_shape(first.codes->shape));
      }
      planned.parts.push_back({stored, 0, rows});
    }
    if (group.stacked) {
      if (group.stored.rbegin()->first + 1 != static_cast<int>(group.stored.size())) {
        return fail("expected experts 0 to {}, found {} of them", group.stored.rbegin()->first,
                    group.stored.size());
      }
      planned.size.push_back(static_cast<int64_t>(group.stored.size()));
    }
    TRY(apply_change(planned));
    return planned;
  }

  Result<void> apply_change(PlannedTensor& planned) const {
    switch (planned.change) {
      case Change::None:
      case Change::PlusOne:
      case Change::Squeezed:
      case Change::MinusExpOfLog:
      case Change::ByFamily:
        return {};
      case Change::QueryHeads:
      case Change::KeyHeads:
        planned.heads =
            planned.change == Change::QueryHeads ? counts_.query_heads : counts_.key_heads;
        return turn_heads(planned);
      case Change::Transposed:
        if (planned.size.size() == 1) {  // the bias beside it
          planned.change = Change::None;
          return {};
        }
        if (planned.size.size() != 2) return fail("expected a matrix to transpose");
        std::swap(planned.size[0], planned.size[1]);
        planned.columns = planned.size[0];
        planned.parts[0].rows = planned.size[1];
        return {};
      case Change::FirstHalf:
      case Change::SecondHalf:
        return halve(planned);
      case Change::EvenRows:
      case Change::OddRows:
        return take_every_second(planned);
    }
    return {};
  }

  static Result<void> turn_heads(PlannedTensor& planned) {
    if (planned.size.size() == 1) {  // a bias: rows of one number
      planned.columns = 1;
      planned.parts[0].rows = planned.size[0];
    }
    if (planned.heads > 0 && planned.rows() % (2 * planned.heads) == 0) return {};
    return fail("expected rows of {} heads of even width, found {} rows", planned.heads,
                planned.rows());
  }

  static Result<void> halve(PlannedTensor& planned) {
    if (planned.size.size() < 2 || planned.size[1] % 2 != 0) {
      return fail("expected an even number of rows to split, found {}",
                  planned.size.size() < 2 ? 1 : planned.size[1]);
    }
    const int64_t both = planned.size[1], half = both / 2;
    const Part whole = planned.parts[0];
    planned.parts.clear();
    for (int64_t row = 0; row < whole.rows; row += both) {
      planned.parts.push_back(
          {whole.stored, row + (planned.change == Change::SecondHalf ? half : 0), half});
    }
    planned.size[1] = half;
    return {};
  }

  static Result<void> take_every_second(PlannedTensor& planned) {
    if (planned.name.ends_with(".bias")) {  // rows of one number
      planned.size.insert(planned.size.begin(), 1);
      planned.columns = 1;
    }
    if (planned.parts.size() != 1 || planned.size.size() < 2 || planned.size[1] % 2 != 0) {
      return fail("expected an even number of rows to take every second of, found {}",
                  planned.size.size() < 2 ? 1 : planned.size[1]);
    }
    const int64_t both = planned.size[1], odd = planned.change == Change::OddRows ? 1 : 0;
    const Scaled stored = planned.parts[0].stored;
    const int64_t matrices = planned.size.size() > 2 ? planned.size[2] : 1;
    planned.parts.clear();
    for (int64_t m = 0; m < matrices; ++m) {
      planned.parts.push_back({stored, m * both + odd, both / 2, 2});
    }
    planned.size[1] = both / 2;
    if (planned.columns == 1) planned.size.erase(planned.size.begin());
    return {};
  }

  std::span<const TensorRule> rules_;
  const Counts counts_;
  std::map<std::string, Group> groups_;
};

}  // namespace

int64_t PlannedTensor::rows() const {
  int64_t rows = 0;
  for (const Part& part : parts) rows += part.rows;
  return rows;
}

void Plan::add_values(std::string name, std::vector<float> values) {
  PlannedTensor planned;
  planned.name = std::move(name);
  planned.size = {static_cast<int64_t>(values.size())};
  planned.values = std::move(values);
  tensors.insert(tensors.begin(), std::move(planned));
}

PlannedTensor* Plan::find(std::string_view name) {
  for (PlannedTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

StoredName parse_stored_name(std::string_view name) {
  StoredName parsed;
  name = without_prefix(name);
  // Old encoders call the gain of a norm gamma and its bias beta; numbers with scales are apart.
  constexpr struct {
    std::string_view ending, meaning;
    bool scales = false;
  } kEndings[] = {{".weight", ".weight"},       {".bias", ".bias"},
                  {".gamma", ".weight"},        {".beta", ".bias"},
                  {"_bias", ".bias"},           {"_blocks", ".weight"},
                  {"_scales", ".weight", true}, {".weight_scale_inv", ".weight", true}};
  parsed.ending = ".weight";
  for (const auto& [ending, meaning, scales] : kEndings) {
    if (!name.ends_with(ending)) continue;
    name.remove_suffix(ending.size());
    parsed.ending = meaning;
    parsed.scales = scales;
    break;
  }
  while (!name.empty()) {
    const size_t end = std::min(name.find('.'), name.size());
    int number = 0;
    if (!parsed.pattern.empty()) parsed.pattern += '.';
    if (parsed.numbers.size() < 2 && is_number(name.substr(0, end), &number)) {
      parsed.numbers.push_back(number);
      parsed.pattern += '#';
    } else {
      parsed.pattern += name.substr(0, end);
    }
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return parsed;
}

std::string numbered(std::string_view pattern, int layer) {
  const size_t mark = pattern.find('#');
  if (mark == std::string_view::npos) return std::string(pattern);
  return fmt::format("{}{}{}", pattern.substr(0, mark), layer, pattern.substr(mark + 1));
}

Result<Plan> plan_tensors(const safetensors::SafetensorsSet& stored,
                          std::span<const TensorRule> rules, const Counts& counts) {
  Planner planner(rules, counts);
  for (const auto& [name, tensor] : stored.tensors()) TRY(planner.add(*tensor));
  TRY(planner.finish());
  return std::move(planner.plan);
}

}  // namespace issun::import
