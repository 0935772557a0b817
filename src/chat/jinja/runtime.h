// Runtime: the limits of one render and the makers of its values. A template comes from a stranger,
// so every loop pays steps, every new text pays bytes and every recursion asks for depth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/jinja/value.h"

namespace issun::chat::jinja {

struct Arguments;

struct Limits {
  int64_t steps = 20'000'000;          // about a second
  int64_t bytes = int64_t{256} << 20;  // of text and lists ever made, whether kept or not
  int64_t output_bytes = int64_t{64} << 20;
  int depth = 400;  // of expressions, statements, macro calls and nested values together
};

class Runtime {
 public:
  // `clock`: seconds since 1970 as the wall clock where the user is shows them.
  Runtime(const Limits& limits, int64_t clock) : limits_(limits), left_(limits), clock_(clock) {}
  virtual ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Error: the render takes more than its limit.
  Result<void> spend(int64_t steps);
  Result<void> grow(int64_t bytes);

  Result<Value> text(std::string text);
  // `piece` is a part of source.text(), and the input in it stays input.
  Result<Value> text(const Value& source, std::string_view piece);
  // What was made of the whole of source.text(): all input if there is any in it.
  Result<Value> changed(const Value& source, std::string text);
  Result<Value> list(std::vector<Value> values, bool tuple = false);
  Result<Value> dict();
  // A deep copy that belongs to this render, for what the caller passed in. as_input: its texts are
  // input, all but roles, of which templates build markup ('<|' + message.role + '|>').
  Result<Value> copy(const Value& value, bool as_input);

  virtual Result<Value> call(const Value& callable, Arguments arguments) = 0;
  // Error: no such name. Filters and tests by name, as map('upper') and select('odd') need them.
  Result<Value> filter(std::string_view name, const Value& subject, Arguments arguments);
  Result<bool> test(std::string_view name, const Value& subject, Arguments arguments);

  const Limits& limits() const { return limits_; }
  int64_t clock() const { return clock_; }

 private:
  friend class Deeper;
  const Limits limits_;
  Limits left_;
  const int64_t clock_;
  int depth_ = 0;
  std::vector<Value> made_;  // every list and dict of this render, to be emptied at its end
};

// One level deeper for as long as it lives.
class Deeper {
 public:
  explicit Deeper(Runtime& runtime) : runtime_(runtime) { ++runtime_.depth_; }
  ~Deeper() { --runtime_.depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  // Error: deeper than the limit.
  Result<void> check() const;

 private:
  Runtime& runtime_;
};

// Text under construction that pays for its bytes before it grows.
class TextSink {
 public:
  explicit TextSink(Runtime& runtime) : runtime_(runtime) {}
  Runtime& runtime() const { return runtime_; }
  Result<void> add(std::string_view piece);
  // `piece` is a part of source.text(), and the input in it stays input.
  Result<void> add(const Value& source, std::string_view piece);
  Result<void> add_all(const Value& source) { return add(source, source.text()); }
  Result<void> add(int64_t count, char character);
  Result<void> pad(int64_t count) { return add(count, ' '); }
  // All that was added since the text had this many bytes is input.
  void mark_input(size_t since) { text_.input.append_rest(since, text_.chars.size()); }
  Value value() && { return Value(std::move(text_)); }
  const std::string& text() const { return text_.chars; }
  const InputRanges& input() const { return text_.input; }

 private:
  Runtime& runtime_;
  Text text_;
};

}  // namespace issun::chat::jinja
