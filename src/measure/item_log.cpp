#include "measure/item_log.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/quote.h"
#include "gguf/content_hash.h"
#include "measure/json_lines.h"
#include "measure/json_text.h"
#include "measure/random_rows.h"

namespace issun::measure {

namespace {

std::string line_of(const nlohmann::ordered_json& object) { return dump(object) + "\n"; }

// Which member of the run now is another in the file.
Result<void> expect_same_run(const std::string& path, std::string_view found,
                             const nlohmann::ordered_json& run) {
  // First by the reader that knows a limit to nesting.
  const auto known = Json::parse(found);
  if (!known || !known->is_object() || !known->has("issun_eval"))
    return fail("{}: expected results of issun eval in its first line", path);
  const auto before = nlohmann::ordered_json::parse(found, nullptr, false);
  for (const auto& [key, value] : run.items()) {
    if (!before.contains(key) || before[key] != value) {
      return fail("{}: expected {} {} as this run has, found {}", path, key, value.dump(),
                  before.contains(key) ? printable(before[key].dump()) : "none");
    }
  }
  return {};
}

}  // namespace

Result<ItemLog> ItemLog::open(const std::string& path, const nlohmann::ordered_json& run) {
  ItemLog log;
  std::string text = is_file(path) ? TRY(read_text(path)) : "";
  const size_t whole = text.rfind('\n') + 1;  // 0 where there is no line
  if (whole == 0) {
    // Nothing, or the beginning of a first line that was cut off.
    if (!line_of(run).starts_with(text))
      return fail("{}: expected results of issun eval in its first line", path);
    TRY(write_atomically(path, line_of(run)));
  } else {
    const size_t first = text.find('\n') + 1;
    TRY(expect_same_run(path, std::string_view(text).substr(0, first), run));
    TRY(log.read(path, std::string_view(text).substr(first, whole - first)));
    if (whole != text.size()) TRY(write_atomically(path, std::string_view(text).substr(0, whole)));
  }
  log.file_ = TRY(File::open_for_appending(path));
  return log;
}

Result<void> ItemLog::read(const std::string& path, std::string_view lines) {
  return for_each_json_line(lines, path, [&](const Json& result) -> Result<void> {
    results_[TRY(integer_of(result, "item"))] = result;
    return {};
  });
}

const Json* ItemLog::find(int64_t item) const {
  const auto found = results_.find(item);
  return found == results_.end() ? nullptr : &found->second;
}

Result<void> ItemLog::add(int64_t item, const nlohmann::ordered_json& result) {
  nlohmann::ordered_json object = {{"item", item}};
  object.update(result);
  const std::string line = line_of(object);
  results_[item] = TRY(Json::parse(std::string_view(line).substr(0, line.size() - 1)));
  if (file_) TRY(file_->write(line));
  return {};
}

Result<std::vector<const Json*>> run_items(
    std::span<const int64_t> items, ItemLog& log,
    const std::function<Result<nlohmann::ordered_json>(int64_t item)>& measure,
    const std::function<void(int64_t done, int64_t total, int64_t newly)>& progress) {
  std::vector<const Json*> results;
  int64_t newly = 0;
  for (const int64_t item : items) {
    if (log.find(item) == nullptr) {
      auto result = measure(item);
      if (!result) return fail("item {}: {}", item, result.error().message);
      TRY(log.add(item, *result));
      ++newly;
    }
    results.push_back(log.find(item));
    if (progress) progress(std::ssize(results), std::ssize(items), newly);
  }
  return results;
}

std::vector<int64_t> choose_items(int64_t total, int64_t limit, std::optional<uint64_t> seed) {
  std::vector<int64_t> items(static_cast<size_t>(total));
  std::iota(items.begin(), items.end(), 0);
  if (limit == 0 || limit >= total) return items;
  if (seed) {
    Random random(*seed);
    for (int64_t i = 0; i < limit; ++i) {
      const uint64_t left = static_cast<uint64_t>(total - i);
      std::swap(items[static_cast<size_t>(i)],
                items[static_cast<size_t>(i) + random.next() % left]);
    }
  }
  items.resize(static_cast<size_t>(limit));
  std::sort(items.begin(), items.end());
  return items;
}

std::string fingerprint(std::string_view bytes) {
  return fmt::format("{:016x}", gguf::content_hash(std::as_bytes(std::span(bytes))));
}

namespace {
void add_tensors(const gguf::GgufFile& file, std::string& facts) {
  for (const Tensor& tensor : file.tensors()) {
    const std::span<const std::byte> bytes{tensor.data, static_cast<size_t>(tensor.bytes())};
    facts +=
        fmt::format("{} {} {:016x}\n", tensor.name, name(tensor.type), gguf::content_hash(bytes));
  }
}
}  // namespace

std::string fingerprint(const model::Model& model) {
  std::string facts = model.config.architecture + "\n";
  add_tensors(model.file, facts);
  for (const gguf::GgufFile& adapter : model.adapters) add_tensors(adapter, facts);
  for (int32_t t = 0; t < model.tokenizer.vocabulary_size(); ++t)
    (facts += model.tokenizer.token_text(t)) += '\n';
  return fingerprint(std::string_view(facts));
}

}  // namespace issun::measure
