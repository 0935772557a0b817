// Value: what a template computes with; Python's None, bool, int, float, str, list, tuple and dict.
// Copies share lists and dicts, as in Python. The render that made a list or dict empties it at its
// end (runtime.h), so a template that builds a cycle or a very deep nest leaks nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/input_ranges.h"

namespace issun::chat::jinja {

// A text, and which of it the template did not write.
struct Text {
  std::string chars;
  InputRanges input;
};

struct List;
class Dict;
struct Callable;
struct Loop;

class Value {
 public:
  using Pair = std::pair<std::string, Value>;

  Value() = default;  // undefined
  Value(bool value) : kind_(Kind::boolean) { boolean_ = value; }
  Value(int value) : Value(int64_t{value}) {}
  Value(int64_t value) : kind_(Kind::integer) { integer_ = value; }
  Value(double value) : kind_(Kind::real) { real_ = value; }
  Value(Text text) : kind_(Kind::text), object_(std::make_shared<Text>(std::move(text))) {}
  Value(std::string text) : Value(Text{std::move(text), {}}) {}
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::shared_ptr<List> list) : kind_(Kind::list), object_(std::move(list)) {}
  Value(std::shared_ptr<Dict> dict) : kind_(Kind::dict), object_(std::move(dict)) {}
  Value(std::shared_ptr<Callable> callable) : kind_(Kind::callable), object_(std::move(callable)) {}
  Value(std::shared_ptr<Loop> loop) : kind_(Kind::loop), object_(std::move(loop)) {}
  template <class T>
  Value(T*) = delete;  // a pointer would turn into a bool

  static Value none() {
    Value value;
    value.kind_ = Kind::none;
    return value;
  }
  static Value list(std::vector<Value> items = {});
  static Value dict(std::vector<Pair> entries = {});  // the last of equal keys wins

  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_bool() const { return kind_ == Kind::boolean; }
  bool is_integer() const { return kind_ == Kind::integer; }
  bool is_float() const { return kind_ == Kind::real; }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  bool is_string() const { return kind_ == Kind::text; }
  bool is_sequence() const { return kind_ == Kind::list; }  // list or tuple
  bool is_tuple() const;
  bool is_dict() const;  // a mapping; a namespace is none
  bool is_namespace() const;
  bool is_callable() const { return kind_ == Kind::callable; }
  bool is_loop() const { return kind_ == Kind::loop; }

  // The content; the caller has asked for the kind before.
  bool boolean() const { return boolean_; }
  int64_t integer() const { return is_bool() ? int64_t{boolean_} : integer_; }
  double number() const {  // any is_number()
    return is_float() ? real_ : static_cast<double>(integer());
  }
  const std::string& text() const { return static_cast<Text*>(object_.get())->chars; }
  const InputRanges& input() const {
    return static_cast<Text*>(object_.get())->input;
  }  // of a text
  List& items() const { return *static_cast<List*>(object_.get()); }
  Dict& entries() const { return *static_cast<Dict*>(object_.get()); }  // of a dict or namespace
  Callable& callable() const { return *static_cast<Callable*>(object_.get()); }
  Loop& loop() const { return *static_cast<Loop*>(object_.get()); }
  std::shared_ptr<List> shared_list() const { return std::static_pointer_cast<List>(object_); }

  bool truth() const;        // Python's bool()
  const char* kind() const;  // Python's name of the type, for messages
  // Whether both are the same list, dict, callable or loop.
  bool same_object(const Value& other) const {
    return kind_ == other.kind_ && kind_ != Kind::text && object_ != nullptr &&
           object_ == other.object_;
  }

 private:
  enum class Kind : uint8_t {
    undefined,
    none,
    boolean,
    integer,
    real,
    text,
    list,
    dict,
    callable,
    loop
  };
  Kind kind_ = Kind::undefined;
  union {
    int64_t integer_ = 0;
    bool boolean_;
    double real_;
  };
  std::shared_ptr<void> object_;  // of the type that kind_ says
};

struct List {
  std::vector<Value> values;
  bool tuple = false;
};

// Keeps the order of insertion. Keys are strings, numbers, booleans or None.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  bool namespace_object = false;

  const std::vector<Entry>& entries() const { return entries_; }
  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  // nullptr when absent.
  const Value* find(std::string_view key) const;
  const Value* find_key(const Value& key) const;
  void set(Value key, Value value);
  bool erase(const Value& key);
  void clear();

 private:
  int position(const Value& key) const;  // -1 when absent
  int position(std::string_view key) const;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, int> index_;  // of string keys, once there are many
};

}  // namespace issun::chat::jinja
