#include "chat/jinja/value.h"

namespace issun::chat::jinja {

namespace {

constexpr size_t kIndexedEntries = 16;  // below that a scan is faster than a hash

// Equality of dict keys; lists and dicts are refused as keys before they get here.
bool equal_keys(const Value& a, const Value& b) {
  if (a.is_string() || b.is_string()) return a.is_string() && b.is_string() && a.text() == b.text();
  if (a.is_float() || b.is_float()) {
    return a.is_number() && b.is_number() && a.number() == b.number();
  }
  if (a.is_number() || b.is_number()) {
    return a.is_number() && b.is_number() && a.integer() == b.integer();
  }
  return a.is_none() && b.is_none();
}

}  // namespace

Value Value::list(std::vector<Value> items) {
  return std::make_shared<List>(List{std::move(items), false});
}

Value Value::dict(std::vector<Pair> entries) {
  auto dict = std::make_shared<Dict>();
  for (Pair& entry : entries) dict->set(Value(std::move(entry.first)), std::move(entry.second));
  return dict;
}

bool Value::is_tuple() const { return is_sequence() && items().tuple; }
bool Value::is_dict() const { return kind_ == Kind::dict && !entries().namespace_object; }
bool Value::is_namespace() const { return kind_ == Kind::dict && entries().namespace_object; }

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return boolean();
  if (is_number()) return number() != 0;
  if (is_string()) return !text().empty();
  if (is_sequence()) return !items().values.empty();
  if (is_dict()) return entries().size() > 0;
  return true;
}

const char* Value::kind() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "None";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_string()) return "str";
  if (is_sequence()) return is_tuple() ? "tuple" : "list";
  if (is_namespace()) return "namespace";
  if (is_callable()) return "function";
  if (is_loop()) return "loop";
  return "dict";
}

int Dict::position(std::string_view key) const {
  if (!index_.empty()) {
    const auto found = index_.find(std::string(key));
    return found == index_.end() ? -1 : found->second;
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].first.is_string() && entries_[i].first.text() == key)
      return static_cast<int>(i);
  }
  return -1;
}

int Dict::position(const Value& key) const {
  if (key.is_string()) return position(std::string_view(key.text()));
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (equal_keys(entries_[i].first, key)) return static_cast<int>(i);
  }
  return -1;
}

const Value* Dict::find(std::string_view key) const {
  const int at = position(key);
  return at < 0 ? nullptr : &entries_[at].second;
}

const Value* Dict::find_key(const Value& key) const {
  const int at = position(key);
  return at < 0 ? nullptr : &entries_[at].second;
}

void Dict::set(Value key, Value value) {
  if (const int at = position(key); at >= 0) {
    entries_[at].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  const size_t first = index_.empty() ? 0 : entries_.size() - 1;
  if (entries_.size() <= kIndexedEntries) return;
  for (size_t i = first; i < entries_.size(); ++i) {
    const Value& name = entries_[i].first;
    if (name.is_string()) index_.emplace(name.text(), static_cast<int>(i));
  }
}

bool Dict::erase(const Value& key) {
  const int at = position(key);
  if (at < 0) return false;
  entries_.erase(entries_.begin() + at);
  index_.clear();
  if (entries_.size() <= kIndexedEntries) return true;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Value& name = entries_[i].first;
    if (name.is_string()) index_.emplace(name.text(), static_cast<int>(i));
  }
  return true;
}

void Dict::clear() {
  entries_.clear();
  index_.clear();
}

}  // namespace issun::chat::jinja
