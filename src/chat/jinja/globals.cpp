// The functions every template may call.
#include <ctime>

#include "chat/jinja/callable.h"
#include "chat/jinja/operators.h"

namespace issun::chat::jinja {

namespace {

constexpr int64_t kLongestRange = 100'000;

Result<Value> range(Call& call) {
  int64_t begin = 0;
  int64_t end = TRY(call.integer(0));
  if (call.has(1)) {
    begin = end;
    end = TRY(call.integer(1));
  }
  const int64_t step = TRY(call.integer(2, 1));
  if (step == 0) return fail("step 0");
  std::vector<Value> values;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(values.size()) >= kLongestRange) {
      return fail("more than {} numbers", kLongestRange);
    }
    values.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return call.runtime.list(std::move(values));
}

Result<Value> dict(Call& call) {
  Value made = TRY(call.runtime.dict());
  if (call.rest.positional.size() > 1) return fail("expected at most one positional argument");
  for (const Value& first : call.rest.positional) {
    if (!first.is_dict() && !first.is_namespace())
      return fail("expected a dict, found {}", first.kind());
    for (const auto& [key, value] : first.entries().entries()) {
      TRY(call.runtime.grow(sizeof(Dict::Entry)));
      made.entries().set(key, value);
    }
  }
  for (auto& [name, value] : call.rest.keyword) made.entries().set(name, std::move(value));
  return made;
}

Result<Value> name_space(Call& call) {
  Value made = TRY(dict(call));
  made.entries().namespace_object = true;
  return made;
}

Result<Value> raise_exception(Call& call) {
  return fail("{}", TRY(to_text(call.runtime, call.args[0])));
}

Result<Value> strftime_now(Call& call) {
  constexpr size_t kLongestFormat = 200;
  const std::string format(TRY(call.text(0)));
  if (format.size() > kLongestFormat) return fail("a format above {} bytes", kLongestFormat);
  const auto seconds = static_cast<std::time_t>(call.runtime.clock());
  std::tm broken{};
  if (gmtime_r(&seconds, &broken) == nullptr) return fail("clock {} out of range", seconds);
  char text[4096];
  const size_t size = std::strftime(text, sizeof text, format.c_str(), &broken);
  return call.runtime.text(std::string(text, size));
}

constexpr Builtin kGlobals[] = {
    {"range", "start stop? step?", range},    {"dict", "*", dict},
    {"namespace", "*", name_space},           {"raise_exception", "message", raise_exception},
    {"strftime_now", "format", strftime_now},
};

}  // namespace

const Builtin* find_global(std::string_view name) { return find_in(kGlobals, name); }

}  // namespace issun::chat::jinja
