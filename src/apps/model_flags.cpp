#include <charconv>

#include "apps/commands.h"
#include "apps/default_model.h"
#include "base/clock.h"

namespace issun::apps {

void ModelFlags::add(CLI::App& command, bool optional_model) {
  auto* model =
      command.add_option("model,-m,--model", path,
                         optional_model ? "model file (GGUF); none: the one that comes with issun"
                                        : "model file (GGUF)");
  if (!optional_model) model->required();
  command.add_option("-t,--threads", options.threads, "threads; 0: one for each core")
      ->check(CLI::Range(0, 1024));
  command
      .add_option("-c,--ctx-size", options.context,
                  "context in tokens; 0: the model's own, at most 4096")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  command.add_option("-b,--batch", options.max_rows, "prompt tokens computed at a time")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command.add_option("--cache-type", cache_type, "numbers of the cache for keys and values")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  command.add_flag("--exact", options.exact,
                   "activations in F32 throughout: slower, free of rounding to 8 bits");
}

Result<engine::RuntimeOptions> ModelFlags::runtime_options() const {
  engine::RuntimeOptions resolved = options;
  const auto type = dtype_from_name(cache_type);
  if (!type) return fail("--cache-type: expected f32 or f16, found '{}'", cache_type);
  resolved.cache_type = *type;
  return resolved;
}

Result<std::unique_ptr<model::Model>> ModelFlags::open_model() const {
  if (path.empty()) return model::Model::from_memory(default_model(), kDefaultModelName);
  return model::Model::open(path);
}

Result<std::unique_ptr<engine::Runtime>> ModelFlags::open() const {
  const double began = seconds_now();
  auto opened = TRY(open_model());
  for (const std::string& warning : opened->tokenizer.warnings()) say("warning: " + warning);
  return engine::Runtime::start(std::move(opened), TRY(runtime_options()), seconds_now() - began);
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

}  // namespace issun::apps
