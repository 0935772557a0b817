#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "apps/commands.h"
#include "apps/default_model.h"
#include "apps/model_source.h"
#include "base/clock.h"
#include "import/open.h"

namespace issun::apps {

namespace {

std::vector<std::string> cache_type_names() {
  std::vector<std::string> names;
  for (const DType type : cache::kCacheTypes) names.push_back(CLI::detail::to_lower(name(type)));
  return names;
}

Result<DType> parse_cache_type(const std::string& text) {
  const auto type = dtype_from_name(text);
  if (type && cache::is_cache_type(*type)) return *type;
  return fail("cache type: expected one of {}, found '{}'", fmt::join(cache_type_names(), ", "),
              text);
}

}  // namespace

void add_model(CLI::App& command, std::string& path, bool optional) {
  command
      .add_option("model,-m,--model", path,
                  std::string(optional ? "model file (GGUF) or directory; none: the one that comes "
                                         "with issun"
                                       : "model file (GGUF)") +
                      "; or a name that `list` prints, hf:OWNER/NAME[:TYPE] (also -hf "
                      "OWNER/NAME[:TYPE]), or an address (also -mu URL), fetched if it is not here")
      ->required(!optional);
  add_source_flags(command);
}

void ModelFlags::add(CLI::App& command, bool optional_model) {
  add_model(command, path, optional_model);
  command.add_option("-t,--threads", options.threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command
      .add_option("-c,--ctx-size", options.context,
                  "context in tokens; 0: the model's own, at most 4096")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  add_compute(command);
}

void ModelFlags::add_compute(CLI::App& command) {
  const auto cache_option = [&](const char* flag, std::string& type, const char* help) {
    return command.add_option(flag, type, help)
        ->check(CLI::IsMember(cache_type_names(), CLI::ignore_case));
  };
  command
      .add_option("-b,--batch,--batch-size", options.max_rows, "prompt tokens computed at a time")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command
      .add_option("--ubatch-size", ubatch,
                  "the same, also -ub; if both are given the smaller one counts")
      ->check(CLI::Range(1, 1 << 16));
  cache_option("--cache-type", cache_type, "numbers of the cache for keys and values")
      ->capture_default_str();
  cache_option("--cache-type-k", key_type, "of the keys alone, also -ctk");
  cache_option("--cache-type-v", value_type, "of the values alone, also -ctv");
  command
      .add_option("--cache-rotate", cache_rotation,
                  "spread each row of the cache by a Hadamard matrix before it is rounded; auto: "
                  "where it has 4 or 5 bits")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command
      .add_option("--spin", options.spin_microseconds,
                  "microseconds that a thread which waits for others keeps looking before it "
                  "sleeps; 0: sleeps at once")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  memory.add(command);
  batch_command_ = &command;
  command.add_flag(
      "--exact", options.exact,
      "activations and attention in F32 throughout: slower, free of rounding to integers or bf16");
  command.add_option("--lora", adapters,
                     "LoRA adapter to add: GGUF file or PEFT directory; may be repeated");
  command.add_option("--lora-scaled", scaled_adapters,
                     "the same with a factor, FILE:SCALE; may be repeated");
}

Result<engine::RuntimeOptions> ModelFlags::runtime_options() const {
  engine::RuntimeOptions resolved = options;
  resolved.threads = std::max(0, options.threads);
  if (ubatch > 0) resolved.max_rows = std::min(resolved.max_rows, ubatch);
  resolved.rows_chosen =
      ubatch > 0 || (batch_command_ != nullptr && batch_command_->count("--batch") > 0);
  TRY(memory.apply(resolved));
  resolved.planned = [](const engine::MemoryChoice& choice, const model::Model& model) {
    if (choice.streams) tell(describe(choice, model));
  };
  resolved.key_type = TRY(parse_cache_type(key_type.empty() ? cache_type : key_type));
  resolved.value_type = TRY(parse_cache_type(value_type.empty() ? cache_type : value_type));
  resolved.cache_rotation = cache_rotation == "on"    ? engine::CacheRotation::On
                            : cache_rotation == "off" ? engine::CacheRotation::Off
                                                      : engine::CacheRotation::Auto;
  return resolved;
}

std::string ModelFlags::model_name() const { return path.empty() ? kDefaultModelName : path; }

void ModelFlags::warn(const model::Model& model) const {
  for (const std::string& warning : model.tokenizer.warnings()) say("warning: " + warning);
  if (options.context > model.config.context_length) {
    say(fmt::format("note: a context of {} tokens, the model was trained with {}", options.context,
                    model.config.context_length));
  }
}

namespace {

// "FILE:SCALE", the last colon counts.
Result<ModelFlags::Adapter> parse_scaled(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string number = colon == std::string::npos ? "" : text.substr(colon + 1);
  char* end = nullptr;
  const float scale = std::strtof(number.c_str(), &end);
  if (!number.empty() && *end == '\0' && std::isfinite(scale)) {
    return ModelFlags::Adapter{text.substr(0, colon), scale};
  }
  return fail("--lora-scaled: expected FILE:SCALE with a number, found '{}'", text);
}

}  // namespace

Result<std::unique_ptr<model::Model>> ModelFlags::open_model() const {
  auto opened =
      TRY(path.empty() ? model::Model::from_memory(default_model(), kDefaultModelName)
                       : import::open_model(path, [](const std::string& note) { say(note); }));
  for (const Adapter& adapter : TRY(all_adapters()))
    TRY(import::add_adapter(*opened, adapter.file, scale_adapters_later ? 1 : adapter.scale));
  return opened;
}

Result<std::vector<ModelFlags::Adapter>> ModelFlags::all_adapters() const {
  std::vector<Adapter> all;
  for (const std::string& adapter : adapters) all.push_back({adapter, 1});
  for (const std::string& adapter : scaled_adapters) all.push_back(TRY(parse_scaled(adapter)));
  return all;
}

Result<std::unique_ptr<engine::Runtime>> ModelFlags::open() const {
  const double began = seconds_now();
  show_progress(fmt::format("reading {} ...", model_name()));
  auto opened = TRY(open_model());
  warn(*opened);
  auto runtime =
      TRY(engine::Runtime::start(std::move(opened), TRY(runtime_options()), seconds_now() - began));
  tell_forecast(*runtime);
  return runtime;
}

Result<std::vector<int32_t>> parse_tokens(const std::string& text) {
  std::vector<int32_t> tokens;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int32_t token = 0;
    const auto [next, error] = std::from_chars(at, end, token);
    const bool separated = next == end || (*next == ',' && next + 1 != end);
    if (error != std::errc() || !separated) {
      return fail("tokens: expected whole numbers separated by commas, found '{}'",
                  std::string(at, end).substr(0, 40));
    }
    tokens.push_back(token);
    at = next == end ? end : next + 1;
  }
  return tokens;
}

Result<void> expect_another_file(const std::string& out, const std::string& in) {
  std::error_code none;
  if (!std::filesystem::equivalent(out, in, none)) return {};
  return fail("{}: expected another file to write than the one that is read", out);
}

}  // namespace issun::apps
