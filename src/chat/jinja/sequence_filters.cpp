#include <algorithm>

#include "chat/jinja/filters.h"
#include "chat/jinja/operators.h"
#include "chat/jinja/text.h"

namespace issun::chat::jinja {

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {text_filters(), value_filters(), sequence_filters()}) {
    if (const Builtin* found = find_in(table, name)) return found;
  }
  return nullptr;
}

namespace {

// item.a.b or item.0 for the path "a.b" or 0; undefined where a step leads nowhere.
Result<Value> at_path(Runtime& runtime, Value item, const Value& path) {
  if (path.is_integer()) return subscript(runtime, item, path);
  if (!path.is_string()) return fail("expected an attribute's name, found {}", path.kind());
  std::string_view rest = path.text();
  while (true) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view step = rest.substr(0, dot);
    const bool position =
        !step.empty() && step.size() < 10 &&
        std::all_of(step.begin(), step.end(), [](char c) { return c >= '0' && c <= '9'; });
    int64_t index = 0;
    for (const char c : step) index = position ? index * 10 + (c - '0') : 0;
    const bool by_index = position && !item.is_dict();
    item = TRY(subscript(runtime, item, by_index ? Value(index) : Value(step)));
    if (dot == rest.size() || item.is_undefined()) return item;
    rest.remove_prefix(dot + 1);
  }
}

// What sort, unique, min and max compare: the attribute if one is asked for, small letters unless
// case counts.
Result<Value> key_of(Runtime& runtime, const Value& item, const Value& attribute,
                     bool case_counts) {
  const bool plain = attribute.is_undefined() || attribute.is_none();
  const Value key = plain ? item : TRY(at_path(runtime, item, attribute));
  if (case_counts || !key.is_string()) return key;
  return runtime.changed(key, lower(key.text()));
}

struct Keyed {
  Value key, item;
};

// A stable merge sort; the standard one must not meet an order that fails half-way.
Result<void> merge_sort(Runtime& runtime, std::vector<Keyed>* entries, bool descending) {
  const size_t count = entries->size();
  std::vector<Keyed> merged(count);
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * width) {
      const size_t middle = std::min(begin + width, count),
                   end = std::min(begin + 2 * width, count);
      size_t left = begin, right = middle;
      for (size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
          const int order = TRY(compare(runtime, (*entries)[right].key, (*entries)[left].key));
          take_right = descending ? order > 0 : order < 0;
        }
        merged[out] = std::move((*entries)[take_right ? right++ : left++]);
      }
    }
    entries->swap(merged);
  }
  return {};
}

Result<std::vector<Keyed>> keyed_items(Call& call, const Value& attribute, bool case_counts) {
  std::vector<Keyed> entries;
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  for (const Value& item : items) {
    entries.push_back({TRY(key_of(call.runtime, item, attribute, case_counts)), item});
  }
  return entries;
}

bool flag(const Call& call, int i) { return call.has(i) && call.args[i].truth(); }

Result<Value> sort(Call& call) {
  std::vector<Keyed> entries = TRY(keyed_items(call, call.args[2], flag(call, 1)));
  TRY(merge_sort(call.runtime, &entries, flag(call, 0)));
  std::vector<Value> sorted;
  for (Keyed& entry : entries) sorted.push_back(std::move(entry.item));
  return call.runtime.list(std::move(sorted));
}

Result<Value> dictsort(Call& call) {
  if (!call.self.is_dict()) return fail("expected a dict, found {}", call.self.kind());
  const std::string_view by = call.has(1) ? TRY(call.text(1)) : "key";
  if (by != "key" && by != "value") return fail("expected by='key' or by='value', found '{}'", by);
  std::vector<Keyed> entries;
  for (const auto& [key, value] : call.self.entries().entries()) {
    const Value pair = TRY(call.runtime.list({key, value}, true));
    entries.push_back(
        {TRY(key_of(call.runtime, by == "key" ? key : value, {}, flag(call, 0))), pair});
  }
  TRY(merge_sort(call.runtime, &entries, flag(call, 2)));
  std::vector<Value> sorted;
  for (Keyed& entry : entries) sorted.push_back(std::move(entry.item));
  return call.runtime.list(std::move(sorted));
}

Result<Value> unique(Call& call) {
  const std::vector<Keyed> entries = TRY(keyed_items(call, call.args[1], flag(call, 0)));
  std::vector<Value> keys, kept;
  for (const Keyed& entry : entries) {
    bool seen = false;
    for (size_t i = 0; i < keys.size() && !seen; ++i) {
      seen = TRY(equal(call.runtime, keys[i], entry.key));
    }
    if (seen) continue;
    keys.push_back(entry.key);
    kept.push_back(entry.item);
  }
  return call.runtime.list(std::move(kept));
}

Result<Value> extreme(Call& call, int sign) {
  const std::vector<Keyed> entries = TRY(keyed_items(call, call.args[1], flag(call, 0)));
  if (entries.empty()) return Value();
  const Keyed* best = &entries[0];
  for (const Keyed& entry : entries) {
    if (TRY(compare(call.runtime, entry.key, best->key)) * sign > 0) best = &entry;
  }
  return best->item;
}
Result<Value> smallest(Call& call) { return extreme(call, -1); }
Result<Value> largest(Call& call) { return extreme(call, 1); }

Result<Value> groupby(Call& call) {
  std::vector<Keyed> entries = TRY(keyed_items(call, call.args[0], flag(call, 2)));
  for (Keyed& entry : entries) {
    if (entry.key.is_undefined() && call.has(1)) entry.key = call.args[1];
  }
  TRY(merge_sort(call.runtime, &entries, false));
  std::vector<Value> groups;
  for (size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    std::vector<Value> members;
    for (end = begin; end < entries.size(); ++end) {
      if (TRY(compare(call.runtime, entries[begin].key, entries[end].key)) != 0) break;
      members.push_back(entries[end].item);
    }
    const Value group = TRY(call.runtime.list(std::move(members)));
    // The group's name is the attribute of its first member, with the letters as they are there.
    const Value first = TRY(at_path(call.runtime, entries[begin].item, call.args[0]));
    const Value name = first.is_undefined() ? entries[begin].key : first;
    groups.push_back(TRY(call.runtime.list({name, group}, true)));
  }
  return call.runtime.list(std::move(groups));
}

Result<Value> count(Call& call) { return Value(TRY(length(call.runtime, call.self))); }
Result<Value> as_list(Call& call) {
  return call.runtime.list(TRY(iterate(call.runtime, call.self)));
}
Result<Value> first(Call& call) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  return items.empty() ? Value() : items.front();
}
Result<Value> last(Call& call) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  return items.empty() ? Value() : items.back();
}

Result<Value> reverse(Call& call) {
  return slice(call.runtime, call.self.is_dict() ? TRY(as_list(call)) : call.self, {{}, {}, -1});
}

Result<Value> join(Call& call) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  const Value between = call.has(0) ? TRY(as_text(call.runtime, call.args[0])) : Value("");
  TextSink sink(call.runtime);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) TRY(sink.add_all(between));
    TRY(append_str(sink, TRY(key_of(call.runtime, items[i], call.args[1], true))));
  }
  return std::move(sink).value();
}

Result<Value> sum(Call& call) {
  Value total = call.has(1) ? call.args[1] : Value(0);
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  for (const Value& item : items) {
    const Value term = TRY(key_of(call.runtime, item, call.args[0], true));
    total = TRY(arithmetic(call.runtime, Operator::add, total, term));
  }
  return total;
}

// The first positional argument of `call`, removed from them.
Result<Value> take_first(Call& call, const char* what) {
  auto& positional = call.rest.positional;
  if (positional.empty()) return fail("expected {}", what);
  Value first = std::move(positional.front());
  positional.erase(positional.begin());
  return first;
}

Result<Value> map(Call& call) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  Value attribute, missing;
  for (const auto& [name, value] : call.rest.keyword) {
    if (name == "attribute") attribute = value;
    if (name == "default") missing = value;
  }
  std::vector<Value> mapped;
  if (!attribute.is_undefined()) {
    for (const Value& item : items) {
      Value found = TRY(at_path(call.runtime, item, attribute));
      mapped.push_back(found.is_undefined() ? missing : std::move(found));
    }
    return call.runtime.list(std::move(mapped));
  }
  const Value name = TRY(take_first(call, "a filter's name or attribute="));
  if (!name.is_string()) return fail("expected a filter's name, found {}", name.kind());
  for (const Value& item : items) {
    mapped.push_back(TRY(call.runtime.filter(name.text(), item, call.rest)));
  }
  return call.runtime.list(std::move(mapped));
}

Result<Value> chosen(Call& call, bool by_attribute, bool wanted) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  const Value attribute = by_attribute ? TRY(take_first(call, "an attribute's name")) : Value();
  const bool tested = !call.rest.positional.empty();
  const Value name = tested ? TRY(take_first(call, "a test's name")) : Value("");
  if (!name.is_string()) return fail("expected a test's name, found {}", name.kind());
  std::vector<Value> kept;
  for (const Value& item : items) {
    const Value subject = by_attribute ? TRY(at_path(call.runtime, item, attribute)) : item;
    const bool holds =
        tested ? TRY(call.runtime.test(name.text(), subject, call.rest)) : subject.truth();
    if (holds == wanted) kept.push_back(item);
  }
  return call.runtime.list(std::move(kept));
}
Result<Value> select(Call& call) { return chosen(call, false, true); }
Result<Value> reject(Call& call) { return chosen(call, false, false); }
Result<Value> selectattr(Call& call) { return chosen(call, true, true); }
Result<Value> rejectattr(Call& call) { return chosen(call, true, false); }

Result<Value> items_of(Call& call) {
  if (call.self.is_undefined()) return call.runtime.list({});
  if (!call.self.is_dict()) return fail("expected a dict, found {}", call.self.kind());
  return call_builtin(call.runtime, *find_method(call.self, "items"), call.self, {});
}

Result<Value> attr(Call& call) {
  if (const Builtin* method = find_method(call.self, TRY(call.text(0)))) {
    auto bound = std::make_shared<Callable>();
    bound->builtin = method;
    bound->self = call.self;
    return Value(std::move(bound));
  }
  if (!call.self.is_namespace()) return Value();
  const Value* found = call.self.entries().find_key(call.args[0]);
  return found == nullptr ? Value() : *found;
}

Result<Value> batch(Call& call) {
  const std::vector<Value> items = TRY(iterate(call.runtime, call.self));
  const int64_t size = TRY(call.integer(0));
  if (size < 1) return fail("expected a size of at least 1, found {}", size);
  std::vector<Value> batches;
  for (size_t begin = 0; begin < items.size();) {
    const size_t end = begin + std::min(static_cast<size_t>(size), items.size() - begin);
    std::vector<Value> members(items.begin() + static_cast<ptrdiff_t>(begin),
                               items.begin() + static_cast<ptrdiff_t>(end));
    const int64_t missing = size - static_cast<int64_t>(members.size());
    if (call.has(1) && missing > 0) {
      TRY(call.runtime.grow(std::min<int64_t>(missing, int64_t{1} << 55) * 32));
      members.insert(members.end(), static_cast<size_t>(missing), call.args[1]);
    }
    batches.push_back(TRY(call.runtime.list(std::move(members))));
    begin = end;
  }
  return call.runtime.list(std::move(batches));
}

constexpr Builtin kSequenceFilters[] = {
    {"length", "", count},
    {"count", "", count},
    {"list", "", as_list},
    {"first", "", first},
    {"last", "", last},
    {"reverse", "", reverse},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"dictsort", "case_sensitive? by? reverse?", dictsort},
    {"unique", "case_sensitive? attribute?", unique},
    {"min", "case_sensitive? attribute?", smallest},
    {"max", "case_sensitive? attribute?", largest},
    {"groupby", "attribute default? case_sensitive?", groupby},
    {"join", "d? attribute?", join},
    {"sum", "attribute? start?", sum},
    {"map", "*", map},
    {"select", "*", select},
    {"reject", "*", reject},
    {"selectattr", "*", selectattr},
    {"rejectattr", "*", rejectattr},
    {"items", "", items_of},
    {"attr", "name", attr},
    {"batch", "linecount fill_with?", batch},
};

}  // namespace

std::span<const Builtin> sequence_filters() { return kSequenceFilters; }

}  // namespace issun::chat::jinja
