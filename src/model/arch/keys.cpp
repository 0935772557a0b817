#include <cmath>

#include "model/arch/arch.h"

namespace issun::model::arch {

Result<int> Keys::in_range(std::string_view key, int64_t value, int64_t low, int64_t high) const {
  if (value < low || value > high) {
    return fail("{}: expected a number from {} to {}, found {}", full(key), low, high, value);
  }
  return static_cast<int>(value);
}

bool Keys::is_array(std::string_view key) const {
  const gguf::Value* value = metadata_.find(full(key));
  return value != nullptr && value->type == gguf::ValueType::Array;
}

Result<int> Keys::count(std::string_view key, int64_t low, int64_t high) const {
  return in_range(key, TRY(metadata_.require<int64_t>(full(key))), low, high);
}

Result<int> Keys::count_or(std::string_view key, int64_t low, int64_t high, int otherwise) const {
  return has(key) ? count(key, low, high) : Result<int>(otherwise);
}

Result<std::vector<int>> Keys::per_layer(std::string_view key, int layers, int64_t low,
                                         int64_t high, int otherwise) const {
  const size_t n = static_cast<size_t>(layers);
  if (!has(key)) return std::vector<int>(n, otherwise);
  if (!is_array(key)) {
    return std::vector<int>(n, TRY(count(key, low, high)));
  }
  const auto values = TRY(metadata_.require<std::vector<int64_t>>(full(key)));
  if (values.size() != n) {
    return fail("{}: expected one number for each of {} layers, found {}", full(key), layers,
                values.size());
  }
  std::vector<int> checked;
  for (const int64_t value : values) checked.push_back(TRY(in_range(key, value, low, high)));
  return checked;
}

Result<std::vector<bool>> Keys::flag_per_layer(std::string_view key, int layers) const {
  auto flags = TRY(metadata_.require<std::vector<bool>>(full(key)));
  if (flags.size() < static_cast<size_t>(layers)) {
    return fail("{}: expected a flag for each of {} layers, found {}", full(key), layers,
                flags.size());
  }
  return flags;
}

Result<double> Keys::number(std::string_view key) const {
  const double value = TRY(metadata_.require<double>(full(key)));
  if (!std::isfinite(value))
    return fail("{}: expected a finite number, found {}", full(key), value);
  return value;
}

Result<double> Keys::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : Result<double>(otherwise);
}

Result<bool> Keys::flag_or(std::string_view key, bool otherwise) const {
  return metadata_.value_or<bool>(full(key), otherwise);
}

Result<int64_t> Keys::texts(std::string_view key) const {
  if (!has(key)) return 0;
  return static_cast<int64_t>(
      TRY(metadata_.require<std::vector<std::string_view>>(full(key))).size());
}

Result<std::string> Keys::text_or(std::string_view key, std::string_view otherwise) const {
  if (!has(key)) return std::string(otherwise);
  return std::string(TRY(metadata_.require<std::string_view>(full(key))));
}

}  // namespace issun::model::arch
