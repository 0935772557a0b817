// The methods of lists, dicts and the loop variable.
#include <algorithm>

#include "chat/jinja/callable.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/string_methods.h"

namespace issun::chat::jinja {

namespace {

std::vector<Value>& values(const Call& call) { return call.self.items().values; }
Dict& entries(const Call& call) { return call.self.entries(); }

Result<Value> append(Call& call) {
  TRY(call.runtime.grow(sizeof(Value)));
  values(call).push_back(call.args[0]);
  return Value::none();
}

Result<Value> extend(Call& call) {
  const std::vector<Value> more = TRY(iterate(call.runtime, call.args[0]));
  TRY(call.runtime.grow(static_cast<int64_t>(more.size() * sizeof(Value))));
  values(call).insert(values(call).end(), more.begin(), more.end());
  return Value::none();
}

Result<Value> insert(Call& call) {
  const auto count = static_cast<int64_t>(values(call).size());
  int64_t at = TRY(call.integer(0));
  if (at < 0) at = at < -count ? 0 : at + count;
  TRY(call.runtime.grow(sizeof(Value) + count));
  values(call).insert(values(call).begin() + std::min(at, count), call.args[1]);
  return Value::none();
}

Result<Value> list_pop(Call& call) {
  const auto count = static_cast<int64_t>(values(call).size());
  int64_t at = TRY(call.integer(0, -1));
  if (at < 0) at += count;
  if (at < 0 || at >= count) return fail("position outside of the list");
  TRY(call.runtime.spend(count >> 4));
  Value taken = values(call)[at];
  values(call).erase(values(call).begin() + at);
  return taken;
}

// Position of argument 0; -1 when absent.
Result<int64_t> position(Call& call) {
  for (size_t i = 0; i < values(call).size(); ++i) {
    if (TRY(equal(call.runtime, values(call)[i], call.args[0]))) return static_cast<int64_t>(i);
  }
  return int64_t{-1};
}

Result<Value> list_remove(Call& call) {
  const int64_t at = TRY(position(call));
  if (at < 0) return fail("value not in the list");
  values(call).erase(values(call).begin() + at);
  return Value::none();
}

Result<Value> list_index(Call& call) {
  const int64_t at = TRY(position(call));
  if (at < 0) return fail("value not in the list");
  return Value(at);
}

Result<Value> list_count(Call& call) {
  int64_t count = 0;
  for (const Value& value : values(call)) count += TRY(equal(call.runtime, value, call.args[0]));
  return Value(count);
}

Result<Value> list_copy(Call& call) { return call.runtime.list(values(call)); }

Result<Value> list_clear(Call& call) {
  values(call).clear();
  return Value::none();
}

Result<Value> list_reverse(Call& call) {
  TRY(call.runtime.spend(static_cast<int64_t>(values(call).size()) >> 4));
  std::reverse(values(call).begin(), values(call).end());
  return Value::none();
}

Result<Value> dict_get(Call& call) {
  TRY(call.runtime.spend(entries(call).size() >> 4));
  const Value* found = entries(call).find_key(call.args[0]);
  if (found != nullptr) return *found;
  return call.has(1) ? call.args[1] : Value::none();
}

Result<Value> dict_keys(Call& call) {
  return call.runtime.list(TRY(iterate(call.runtime, call.self)));
}

Result<Value> dict_values(Call& call) {
  std::vector<Value> found;
  for (const auto& [key, value] : entries(call).entries()) found.push_back(value);
  return call.runtime.list(std::move(found));
}

Result<Value> dict_items(Call& call) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : entries(call).entries()) {
    pairs.push_back(TRY(call.runtime.list({key, value}, true)));
  }
  return call.runtime.list(std::move(pairs));
}

Result<void> store(Call& call, const Value& key, const Value& value) {
  if (!key.is_string() && !key.is_number() && !key.is_none()) {
    return fail("a value of kind {} is no dict key", key.kind());
  }
  TRY(call.runtime.grow(static_cast<int64_t>(sizeof(Dict::Entry)) + (entries(call).size() >> 4)));
  entries(call).set(key, value);
  return {};
}

Result<Value> dict_update(Call& call) {
  for (const Value& more : call.rest.positional) {
    if (!more.is_dict()) return fail("expected a dict, found {}", more.kind());
    const std::vector<Dict::Entry> copied = more.entries().entries();
    for (const auto& [key, value] : copied) TRY(store(call, key, value));
  }
  for (const auto& [name, value] : call.rest.keyword) TRY(store(call, Value(name), value));
  return Value::none();
}

Result<Value> dict_setdefault(Call& call) {
  if (const Value* found = entries(call).find_key(call.args[0])) return *found;
  const Value value = call.has(1) ? call.args[1] : Value::none();
  TRY(store(call, call.args[0], value));
  return value;
}

Result<Value> dict_pop(Call& call) {
  TRY(call.runtime.spend(entries(call).size()));
  const Value* found = entries(call).find_key(call.args[0]);
  if (found == nullptr && !call.has(1)) return fail("no such key");
  const Value value = found == nullptr ? call.args[1] : *found;
  entries(call).erase(call.args[0]);
  return value;
}

Result<Value> dict_copy(Call& call) {
  Value made = TRY(call.runtime.dict());
  TRY(call.runtime.grow(entries(call).size() * static_cast<int64_t>(sizeof(Dict::Entry))));
  for (const auto& [key, value] : entries(call).entries()) made.entries().set(key, value);
  return made;
}

Result<Value> dict_clear(Call& call) {
  entries(call).clear();
  return Value::none();
}

Result<Value> loop_cycle(Call& call) {
  const auto& choices = call.rest.positional;
  if (choices.empty()) return fail("expected values to cycle through");
  return choices[call.self.loop().index % choices.size()];
}

Result<Value> loop_changed(Call& call) {
  Loop& loop = call.self.loop();
  const Value seen = TRY(call.runtime.list(call.rest.positional));
  const bool changed = !loop.saw_change || !TRY(equal(call.runtime, seen, loop.last_changed));
  loop.saw_change = true;
  loop.last_changed = seen;
  return Value(changed);
}

constexpr Builtin kTupleMethods[] = {{"index", "value", list_index},
                                     {"count", "value", list_count}};

constexpr Builtin kListMethods[] = {
    {"append", "object", append},       {"extend", "iterable", extend},
    {"insert", "index object", insert}, {"pop", "index?", list_pop},
    {"remove", "value", list_remove},   {"index", "value", list_index},
    {"count", "value", list_count},     {"copy", "", list_copy},
    {"clear", "", list_clear},          {"reverse", "", list_reverse},
};

constexpr Builtin kDictMethods[] = {
    {"get", "key default?", dict_get}, {"keys", "", dict_keys},
    {"values", "", dict_values},       {"items", "", dict_items},
    {"update", "*", dict_update},      {"setdefault", "key default?", dict_setdefault},
    {"pop", "key default?", dict_pop}, {"copy", "", dict_copy},
    {"clear", "", dict_clear},
};

constexpr Builtin kLoopMethods[] = {{"cycle", "*", loop_cycle}, {"changed", "*", loop_changed}};

}  // namespace

const Builtin* find_method(const Value& self, std::string_view name) {
  if (self.is_string()) return find_in(string_methods(), name);
  if (self.is_tuple()) return find_in(kTupleMethods, name);
  if (self.is_sequence()) return find_in(kListMethods, name);
  if (self.is_dict()) return find_in(kDictMethods, name);
  if (self.is_loop()) return find_in(kLoopMethods, name);
  return nullptr;
}

}  // namespace issun::chat::jinja
