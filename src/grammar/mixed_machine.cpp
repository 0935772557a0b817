#include "grammar/mixed_machine.h"

#include <iterator>

namespace issun::grammar {

namespace {

template <class T>
uint32_t join(std::vector<T>& to, std::vector<T> more) {
  const auto before = static_cast<uint32_t>(to.size());
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return before;
}

void shift(RuleId& rule, uint32_t by) {
  if (rule != kNoRule) rule += by;
}
void shift(std::vector<PropertyRule>& properties, uint32_t by) {
  for (PropertyRule& property : properties) {
    shift(property.rule, by);
    shift(property.witness, by);
  }
}

}  // namespace

RuleId append(JsonRules& rules, JsonRules more) {
  const auto values = static_cast<uint32_t>(rules.values.size());
  for (ArrayRule& array : more.arrays) {
    for (std::vector<ItemChoice>& choices : array.items) {
      for (ItemChoice& choice : choices) shift(choice.rule, values);
    }
  }
  for (ObjectRule& object : more.objects) {
    shift(object.named, values);
    shift(object.classes, values);
  }
  const auto numbers = static_cast<int>(join(rules.numbers, std::move(more.numbers)));
  const auto strings = static_cast<int>(join(rules.strings, std::move(more.strings)));
  const uint32_t arrays = join(rules.arrays, std::move(more.arrays));
  const uint32_t objects = join(rules.objects, std::move(more.objects));
  for (ValueRule& value : more.values) {
    if (value.number >= 0) value.number += numbers;
    if (value.string >= 0) value.string += strings;
    for (uint32_t& array : value.arrays) array += arrays;
    for (uint32_t& object : value.objects) object += objects;
  }
  join(rules.values, std::move(more.values));
  return more.root + values;
}

}  // namespace issun::grammar
