#include "serve/request_fields.h"

#include <cmath>
#include <limits>
#include <random>

#include "base/clock.h"
#include "serve/adapter_scales.h"

namespace issun::serve {

namespace {

constexpr double kMost = 1e6;
constexpr int kMostChoices = 64;
constexpr int kMostStops = 64;

template <class T>
void set(T& to, const std::optional<double>& from) {
  if (from) to = static_cast<T>(*from);
}
void set(int& to, const std::optional<int64_t>& from) {
  if (from) to = static_cast<int>(*from);
}

engine::LogitBias bias_of(const std::string& where, const std::string& token, const Json& bias) {
  engine::LogitBias one;
  size_t used = 0;
  try {
    one.token = std::stoi(token, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != token.size() || one.token < 0)
    throw bad_request(where, "expected the number of a token, found '{}'", token);
  if (bias.is_boolean() && !bias.get<bool>()) {
    one.bias = -std::numeric_limits<float>::infinity();
  } else if (bias.is_number()) {
    one.bias = bias.get<float>();
  } else {
    throw bad_request(where + "." + token, "expected a number or false, found {}", kind_of(bias));
  }
  return one;
}

// {"15043": -100}, or [[15043, -100], ...].
void read_logit_bias(Fields& fields, engine::SamplerOptions& options) {
  const Json* bias = fields.find("logit_bias");
  if (bias == nullptr) return;
  const std::string where = fields.path_of("logit_bias");
  if (bias->is_object()) {
    for (const auto& [token, value] : bias->items())
      options.logit_bias.push_back(bias_of(where, token, value));
    return;
  }
  if (!bias->is_array()) throw bad_request(where, "expected an object, found {}", kind_of(*bias));
  for (const Json& pair : *bias) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer())
      throw bad_request(where, "expected pairs of a token's number and its bias");
    options.logit_bias.push_back(bias_of(where, std::to_string(pair[0].get<int64_t>()), pair[1]));
  }
}

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

void read_seed(Fields& fields, engine::SamplerOptions& options) {
  constexpr int64_t kMostSeed = int64_t{1} << 53;  // what a JSON number holds
  const auto seed = fields.integer("seed", -kMostSeed, kMostSeed);
  options.seed = seed && *seed >= 0 ? static_cast<uint64_t>(*seed) : random_seed();
}

void read_steps(Fields& fields, engine::SamplerOptions& options) {
  const auto names = fields.texts("samplers");
  if (!names) return;
  std::string joined;
  for (const std::string& name : *names) joined += (joined.empty() ? "" : ";") + name;
  auto steps = engine::parse_steps(joined);
  if (!steps) throw bad_request(fields.path_of("samplers"), "{}", steps.error().message);
  options.steps = std::move(*steps);
}

void read_format(Fields& fields, ServedModel& model, Asked* asked) {
  engine::Request& request = asked->request;
  const Json* format = fields.find("response_format");
  if (format == nullptr) return;
  Fields inner(*format, fields.path_of("response_format"));
  const std::string type = inner.required_text("type");
  if (type == "text") return;
  asked->constraint = fields.path_of("response_format");
  if (type == "json_object") {
    const Json* schema = inner.find("schema");
    request.grammar = model.grammar_of_schema(
        schema != nullptr ? *schema : Json{{"type", "object"}}, inner.path_of("schema"));
    return;
  }
  if (type != "json_schema")
    throw bad_request(inner.path_of("type"),
                      "expected text, json_object or json_schema, found '{}'", type);
  // Chat completions put it under json_schema, responses beside the type.
  const Json* wrapped = inner.find("json_schema");
  Fields named(wrapped != nullptr ? *wrapped : *format, wrapped != nullptr
                                                            ? inner.path_of("json_schema")
                                                            : fields.path_of("response_format"));
  request.grammar = model.grammar_of_schema(named.required("schema"), named.path_of("schema"));
}

void read_constraints(Fields& fields, ServedModel& model, Asked* asked) {
  engine::Request& request = asked->request;
  read_format(fields, model, asked);
  const Json* schema = fields.find("json_schema");
  const auto gbnf = fields.text("grammar");
  const int given = (request.grammar != nullptr) + (schema != nullptr) + (gbnf && !gbnf->empty());
  if (given > 1)
    throw bad_request(fields.path_of("grammar"),
                      "expected one of response_format, json_schema and grammar, found {}", given);
  if (schema != nullptr) {
    asked->constraint = fields.path_of("json_schema");
    request.grammar = model.grammar_of_schema(*schema, asked->constraint);
  }
  if (gbnf && !gbnf->empty()) {
    asked->constraint = fields.path_of("grammar");
    request.grammar = model.grammar_of_gbnf(*gbnf, asked->constraint);
  }
}

}  // namespace

engine::SamplerOptions read_sampling(Fields& fields, const Defaults& defaults) {
  engine::SamplerOptions o = defaults.sampling;
  set(o.temperature, fields.number("temperature", 0, 100));
  set(o.dynatemp_range, fields.number("dynatemp_range", 0, 100));
  set(o.dynatemp_exponent, fields.number("dynatemp_exponent", 0, 100));
  set(o.top_k, fields.integer("top_k", -1, 1 << 30));
  o.top_k = std::max(0, o.top_k);
  set(o.top_p, fields.number("top_p", 0, 1));
  set(o.min_p, fields.number("min_p", 0, 1));
  set(o.typical_p, fields.number("typical_p", 0, 1));
  set(o.top_n_sigma, fields.number("top_n_sigma", -1, kMost));
  set(o.xtc_probability, fields.number("xtc_probability", 0, 1));
  set(o.xtc_threshold, fields.number("xtc_threshold", 0, 1));
  set(o.min_keep, fields.integer("min_keep", 0, 1 << 30));
  set(o.repeat_penalty, fields.number("repeat_penalty", 0, 100));
  set(o.presence_penalty, fields.number("presence_penalty", -100, 100));
  set(o.frequency_penalty, fields.number("frequency_penalty", -100, 100));
  set(o.repeat_last_n, fields.integer("repeat_last_n", -1, 1 << 30));
  set(o.dry_multiplier, fields.number("dry_multiplier", 0, 100));
  set(o.dry_base, fields.number("dry_base", 0, 100));
  set(o.dry_allowed_length, fields.integer("dry_allowed_length", 0, 1 << 30));
  set(o.dry_penalty_last_n, fields.integer("dry_penalty_last_n", -1, 1 << 30));
  if (auto breakers = fields.texts("dry_sequence_breakers"))
    o.dry_sequence_breakers = std::move(*breakers);
  set(o.mirostat, fields.integer("mirostat", 0, 2));
  set(o.mirostat_tau, fields.number("mirostat_tau", 0, 100));
  set(o.mirostat_eta, fields.number("mirostat_eta", 0, 1));
  read_logit_bias(fields, o);
  read_steps(fields, o);
  read_seed(fields, o);
  if (auto sound = engine::check(o); !sound) throw bad_request("", "{}", sound.error().message);
  return o;
}

namespace {

// lora, or the scales of now.
std::vector<float> adapter_scales(Fields& fields, const ServedModel& model) {
  const std::vector<ServedAdapter> adapters = model.adapters();
  if (const Json* list = fields.find("lora"))
    return read_adapter_scales(*list, fields.path_of("lora"), adapters.size());
  std::vector<float> scales;
  for (const ServedAdapter& adapter : adapters) scales.push_back(adapter.scale);
  return scales;
}

}  // namespace

Asked read_asked(Fields& fields, const Defaults& defaults, ServedModel& model) {
  Asked asked;
  engine::Request& request = asked.request;
  request.sampling = read_sampling(fields, defaults);
  request.max_tokens = defaults.max_tokens;
  for (const char* name : {"n_predict", "max_tokens", "max_completion_tokens", "max_output_tokens"})
    set(request.max_tokens, fields.integer(name, -1, 1 << 30));
  if (auto stop = fields.texts("stop")) request.stop = std::move(*stop);
  if (request.stop.size() > kMostStops)
    throw bad_request(fields.path_of("stop"), "expected at most {} texts, found {}", kMostStops,
                      request.stop.size());
  request.adapter_scales = adapter_scales(fields, model);
  request.ignore_end = fields.boolean("ignore_eos").value_or(false);
  set(asked.choices, fields.integer("n", 1, kMostChoices));
  set(asked.priority, fields.integer("priority", -1000, 1000));
  if (const auto wait = fields.number("timeout_ms", 1, 1e9))
    asked.deadline = seconds_now() + *wait / 1000;
  read_constraints(fields, model, &asked);
  return asked;
}

void check_model(Fields& fields, const ServedModel& model) {
  const auto name = fields.text("model");
  if (!name || name->empty() || *name == model.id() || *name == "default") return;
  throw ApiError{.status = 404,
                 .message = fmt::format("model: expected '{}', found '{}'", model.id(), *name),
                 .param = "model",
                 .code = "model_not_found"};
}

std::string header_list(const std::vector<std::string>& names) {
  constexpr size_t kMostNames = 20, kLongest = 64;
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i == kMostNames) return list + ", ...";
    std::string name = names[i].substr(0, kLongest);
    for (char& c : name) {
      if (c <= ' ' || c > '~' || c == ',') c = '?';
    }
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

Headers headers_of(const Fields& fields, const char* content_type) {
  Headers headers{{"Content-Type", content_type}};
  const std::string unknown = header_list(fields.left());
  if (!unknown.empty()) headers.emplace_back("X-Issun-Unknown-Fields", unknown);
  return headers;
}

}  // namespace issun::serve
