// Which values can be completed at all: the least fixed point, and rules without the rest.
#include "grammar/json_array.h"
#include "grammar/json_object.h"
#include "grammar/schema_compiler.h"

namespace issun::grammar {

namespace {

class Pruning {
 public:
  explicit Pruning(JsonRules& rules)
      : rules_(rules),
        values_(rules.values.size()),
        arrays_(rules.arrays.size()),
        objects_(rules.objects.size()) {}

  Result<void> run() {
    // Later rules are mostly parts of earlier ones.
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = values_.size(); i-- > 0;) changed = TRY(look_at(i)) || changed;
    }
    if (!possible(rules_.root)) return fail("schema: no value satisfies it");
    for (ValueRule& value : rules_.values) {
      std::erase_if(value.arrays, [&](uint32_t array) { return !arrays_[array]; });
      std::erase_if(value.objects, [&](uint32_t object) { return !objects_[object]; });
    }
    for (ArrayRule& array : rules_.arrays) array = TRY(kept(array));
    for (ObjectRule& object : rules_.objects) {
      object = kept(std::move(object));
      if (object.others != nullptr) object.runs = RunTable(*object.others);
    }
    return {};
  }

 private:
  bool possible(RuleId rule) const { return rule != kNoRule && values_[rule]; }

  // Whether anything was found to be possible that was not known to be.
  Result<bool> look_at(size_t index) {
    const ValueRule& value = rules_.values[index];
    const bool simple = value.kinds != 0 || value.number >= 0 || value.string >= 0;
    bool changed = simple && !values_[index];
    for (const uint32_t array : value.arrays) {
      if (arrays_[array] || !TRY(array_possible(rules_.arrays[array]))) continue;
      changed = arrays_[array] = true;
    }
    for (const uint32_t object : value.objects) {
      if (objects_[object] || !object_possible(rules_.objects[object])) continue;
      changed = objects_[object] = true;
    }
    if (changed) values_[index] = true;
    return changed;
  }

  // Without the choices that are impossible, as far as is known.
  Result<ArrayRule> kept(const ArrayRule& array) const {
    ArrayRule result = array;
    for (auto& choices : result.items) {
      std::erase_if(choices, [&](const ItemChoice& choice) { return !possible(choice.rule); });
    }
    for (size_t i = 0; i < result.items.size(); ++i) {
      if (result.items[i].empty()) {
        result.most = std::min(result.most, static_cast<int64_t>(i));
        break;
      }
    }
    if (!result.contains.empty() && !find_completable(result)) {
      return fail("contains: too many items to count");
    }
    return result;
  }
  Result<bool> array_possible(const ArrayRule& array) const {
    const ArrayRule with = TRY(kept(array));
    return with.least <= with.most && completable(with, 0, 0);
  }

  ObjectRule kept(ObjectRule object) const {
    for (auto* rules : {&object.named, &object.classes}) {
      for (PropertyRule& rule : *rules) {
        if (!possible(rule.rule)) rule.rule = kNoRule;
        if (!possible(rule.witness)) rule.witness = kNoRule;
      }
    }
    if (object.others == nullptr) return object;
    std::vector<uint32_t> labels = {0};
    bool changed = false;
    for (uint32_t i = 0; i < object.classes.size(); ++i) {
      const bool stays = object.classes[i].rule != kNoRule;
      labels.push_back(stays ? i + 1 : 0);
      changed = changed || !stays;
    }
    if (changed) {
      Dfa others = object.others->relabelled(labels);
      object.others = others.empty() ? nullptr : std::make_shared<const Dfa>(std::move(others));
    }
    return object;
  }
  bool object_possible(const ObjectRule& object) const {
    for (size_t i = 0; i < object.named.size(); ++i) {
      if (object.required[i] && !possible(object.named[i].rule)) return false;
    }
    const ObjectRule with = kept(object);
    return completable(with, first_seen(with));
  }

  JsonRules& rules_;
  std::vector<bool> values_, arrays_, objects_;
};

}  // namespace

Result<void> prune(JsonRules& rules) { return Pruning(rules).run(); }

}  // namespace issun::grammar
