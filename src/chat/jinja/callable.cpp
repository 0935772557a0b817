#include "chat/jinja/callable.h"

#include <algorithm>

namespace issun::chat::jinja {

namespace {

// The parameter list without its first name, and that name.
std::string_view next_parameter(std::string_view* parameters) {
  const size_t end = std::min(parameters->find(' '), parameters->size());
  const std::string_view name = parameters->substr(0, end);
  parameters->remove_prefix(std::min(end + 1, parameters->size()));
  return name;
}

}  // namespace

Result<std::string_view> Call::text(int i) const {
  if (!args[i].is_string()) {
    return fail("expected a string as argument {}, found {}", i + 1, args[i].kind());
  }
  return std::string_view(args[i].text());
}

Result<int64_t> Call::integer(int i) const {
  if (!args[i].is_integer() && !args[i].is_bool()) {
    return fail("expected an integer as argument {}, found {}", i + 1, args[i].kind());
  }
  return args[i].integer();
}

Result<int64_t> Call::integer(int i, int64_t otherwise) const {
  if (args[i].is_undefined() || args[i].is_none()) return otherwise;
  return integer(i);
}

Result<Value> call_builtin(Runtime& runtime, const Builtin& builtin, const Value& self,
                           Arguments arguments) {
  TRY(runtime.spend(1));
  Call call{runtime, self, {}, {}};
  std::string_view parameters = builtin.parameters;
  size_t taken = 0;  // of the positional arguments
  bool open = false;
  while (!parameters.empty()) {
    std::string_view name = next_parameter(&parameters);
    if (name == "*") {
      open = true;
      break;
    }
    const bool optional = name.ends_with('?');
    if (optional) name.remove_suffix(1);
    auto& named = arguments.keyword;
    const auto found = std::find_if(named.begin(), named.end(),
                                    [&](const Value::Pair& pair) { return pair.first == name; });
    if (taken < arguments.positional.size()) {
      call.args.push_back(std::move(arguments.positional[taken++]));
      if (found != named.end()) return fail("{}: argument '{}' given twice", builtin.name, name);
    } else if (found != named.end()) {
      call.args.push_back(std::move(found->second));
      named.erase(found);
    } else if (optional) {
      call.args.emplace_back();
    } else {
      return fail("{}: expected an argument '{}'", builtin.name, name);
    }
  }
  auto& positional = arguments.positional;
  positional.erase(positional.begin(), positional.begin() + static_cast<ptrdiff_t>(taken));
  if (!open && !positional.empty()) {
    return fail("{}: expected at most {} arguments, found {}", builtin.name, taken,
                taken + positional.size());
  }
  if (!open && !arguments.keyword.empty()) {
    return fail("{}: no argument named '{}'", builtin.name, arguments.keyword.front().first);
  }
  call.rest = std::move(arguments);
  Result<Value> result = builtin.run(call);
  if (!result) return fail("{}: {}", builtin.name, result.error().message);
  return result;
}

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
  for (const Builtin& builtin : table) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

Value Loop::attribute(std::string_view name) const {
  const auto count = static_cast<int64_t>(items->values.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return count - index;
  if (name == "revindex0") return count - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index == count - 1;
  if (name == "length") return count;
  if (name == "depth") return depth;
  if (name == "depth0") return depth - 1;
  if (name == "previtem" && index > 0) return items->values[index - 1];
  if (name == "nextitem" && index + 1 < count) return items->values[index + 1];
  return {};
}

}  // namespace issun::chat::jinja
