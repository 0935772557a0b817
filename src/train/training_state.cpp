#include "train/training_state.h"

#include <charconv>
#include <cmath>

#include "base/json.h"
#include "chat/jinja/json.h"

namespace issun::train {

namespace {

Result<int64_t> count_of(const Json& object, std::string_view key) {
  const Json& value = object[key];
  if (value.is_integer() && value.integer() >= 0) return value.integer();
  return fail("\"{}\": expected a whole number that is not negative", key);
}

// 64 bits without a sign, which JSON's readers do not all keep as a number.
Result<uint64_t> bits_of(const Json& object, std::string_view key) {
  const Json& value = object[key];
  uint64_t bits = 0;
  if (value.is_string()) {
    const std::string& text = value.text();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return bits;
  }
  return fail("\"{}\": expected hexadecimal digits in a string", key);
}

Result<double> number_of(const Json& object, std::string_view key) {
  if (object[key].is_number()) return object[key].number();
  return fail("\"{}\": expected a number", key);
}

}  // namespace

std::string to_json(const TrainingState& state) {
  const bool known = state.best_loss && std::isfinite(*state.best_loss);
  return fmt::format(
      "{{\"step\": {}, \"adam_step\": {}, \"tokens\": {}, \"epoch\": {}, \"sequence\": {}, "
      "\"seed\": \"{:x}\", \"seconds\": {}, \"best_loss\": {}, \"data_hash\": \"{:x}\", "
      "\"config\": {}}}",
      state.step, state.adam_step, state.tokens, state.data.epoch, state.data.sequence, state.seed,
      std::isfinite(state.seconds) ? state.seconds : 0,
      known ? fmt::format("{}", *state.best_loss) : "null", state.data_hash,
      chat::jinja::json_string(state.config));
}

Result<TrainingState> training_state_from_json(std::string_view text) {
  const Json object = TRY(Json::parse(text));
  TrainingState state;
  state.step = TRY(count_of(object, "step"));
  state.adam_step = TRY(count_of(object, "adam_step"));
  state.tokens = TRY(count_of(object, "tokens"));
  state.data.epoch = TRY(count_of(object, "epoch"));
  state.data.sequence = TRY(count_of(object, "sequence"));
  state.seed = TRY(bits_of(object, "seed"));
  state.seconds = TRY(number_of(object, "seconds"));
  if (object.has("best_loss")) state.best_loss = TRY(number_of(object, "best_loss"));
  state.data_hash = TRY(bits_of(object, "data_hash"));
  if (!object["config"].is_string()) return fail("\"config\": expected a string");
  state.config = object["config"].text();
  return state;
}

}  // namespace issun::train
