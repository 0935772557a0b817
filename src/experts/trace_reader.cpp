#include "experts/trace_reader.h"

#include <algorithm>

#include "base/json_reader.h"
#include "base/quote.h"

namespace issun::experts {

namespace {

constexpr int64_t kMostLayers = 1 << 16, kMostExperts = 1 << 20, kMostRows = 1 << 24,
                  kMostBytes = int64_t{1} << 48;

// Each member of an object once at most.
class Members {
 public:
  Result<void> add(const std::string& name) {
    if (has(name)) return fail("{} twice", printable(name));
    names_.push_back(name);
    return {};
  }
  Result<void> expect(std::string_view name) const {
    if (!has(name)) return fail("expected \"{}\", found none", name);
    return {};
  }

 private:
  bool has(std::string_view name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  std::vector<std::string> names_;
};

Result<int64_t> whole(JsonReader& json, const char* what, int64_t least, int64_t most) {
  const JsonNumber number = TRY(json.number());
  if (!number.whole || number.integer < least || number.integer > most)
    return fail("{}: expected a whole number from {} to {}, found {}", what, least, most,
                number.value);
  return number.integer;
}

template <class T>
Result<std::vector<T>> list(JsonReader& json, const char* what, int64_t least, int64_t most) {
  std::vector<T> out;
  TRY(json.array([&]() -> Result<void> {
    out.push_back(static_cast<T>(TRY(whole(json, what, least, most))));
    return {};
  }));
  return out;
}

Result<void> expect_count(const char* what, size_t found, size_t expected, const char* of) {
  if (found == expected) return {};
  return fail("{}: expected {} {}, found {}", what, expected, of, found);
}

Result<void> check(TraceHeader& header) {
  const size_t layers = header.layers.size();
  if (layers == 0) return fail("layers: expected one that has experts, found none");
  for (size_t i = 1; i < layers; ++i) {
    if (header.layers[i] <= header.layers[i - 1]) return fail("layers: expected a rising list");
  }
  if (header.experts.size() == 1) header.experts.resize(layers, header.experts[0]);
  TRY(expect_count("experts", header.experts.size(), layers, "numbers, one a layer"));
  TRY(expect_count("expert_bytes", header.expert_bytes.size(), layers, "numbers, one a layer"));
  for (const int experts : header.experts) {
    if (experts < header.used)
      return fail("used: expected at most the {} experts of a layer, found {}", experts,
                  header.used);
  }
  return {};
}

Result<TraceHeader> read_header(JsonReader& json) {
  TraceHeader header;
  Members members;
  TRY(json.object([&](std::string& key) -> Result<void> {
    TRY(members.add(key));
    if (key == "issun") {
      if (const std::string kind = TRY(json.string()); kind != "routing trace")
        return fail("issun: expected \"routing trace\", found \"{}\"", printable(kind));
    } else if (key == "version") {
      TRY(whole(json, "version", 1, 1));
    } else if (key == "model") {
      header.model = TRY(json.string());
    } else if (key == "layers") {
      header.layers = TRY(list<int>(json, "layers", 0, kMostLayers));
    } else if (key == "experts") {
      if (json.peek() == JsonReader::Kind::Number)
        header.experts = {static_cast<int>(TRY(whole(json, "experts", 1, kMostExperts)))};
      else
        header.experts = TRY(list<int>(json, "experts", 1, kMostExperts));
    } else if (key == "used") {
      header.used = static_cast<int>(TRY(whole(json, "used", 1, kMostExperts)));
    } else if (key == "expert_bytes") {
      header.expert_bytes = TRY(list<int64_t>(json, "expert_bytes", 1, kMostBytes));
    } else {
      TRY(json.skip());
    }
    return {};
  }));
  for (const char* name :
       {"issun", "version", "model", "layers", "experts", "used", "expert_bytes"})
    TRY(members.expect(name));
  TRY(check(header));
  return header;
}

// Error: an id twice.
Result<void> expect_different(std::span<const int32_t> ids, std::vector<int32_t>* sorted) {
  sorted->assign(ids.begin(), ids.end());
  std::sort(sorted->begin(), sorted->end());
  const auto twice = std::adjacent_find(sorted->begin(), sorted->end());
  if (twice == sorted->end()) return {};
  return fail("experts: expected different ones for a row, found {} twice", *twice);
}

// The ids of all rows of all layers, behind each other.
Result<void> read_experts(JsonReader& json, const TraceHeader& header, TraceBatch* batch,
                          size_t* first_rows) {
  size_t layers = 0;
  std::vector<int32_t> sorted;
  TRY(json.array([&]() -> Result<void> {
    if (layers == header.layers.size())
      return fail("experts: expected {} layers, found more", header.layers.size());
    const int64_t most = header.experts[layers] - 1;
    size_t rows = 0;
    TRY(json.array([&]() -> Result<void> {
      const std::vector<int32_t> ids = TRY(list<int32_t>(json, "experts", 0, most));
      TRY(expect_count("experts", ids.size(), static_cast<size_t>(header.used), "of a row"));
      TRY(expect_different(ids, &sorted));
      batch->experts.insert(batch->experts.end(), ids.begin(), ids.end());
      ++rows;
      return {};
    }));
    if (layers == 0) *first_rows = rows;
    TRY(expect_count("experts", rows, *first_rows, "rows, as in the first layer"));
    ++layers;
    return {};
  }));
  return expect_count("experts", layers, header.layers.size(), "layers");
}

Result<void> read_guesses(JsonReader& json, const TraceHeader& header, TraceBatch* batch) {
  std::vector<int32_t> sorted;
  TRY(json.array([&]() -> Result<void> {
    const size_t layer = batch->guesses.size();
    if (layer == header.layers.size())
      return fail("guesses: expected {} layers, found more", header.layers.size());
    batch->guesses.emplace_back();
    return json.array([&]() -> Result<void> {
      std::vector<int32_t> ids = TRY(list<int32_t>(json, "guesses", 0, header.experts[layer] - 1));
      TRY(expect_different(ids, &sorted));
      if (batch->guesses[layer].size() == header.layers.size())
        return fail("guesses: expected at most one a layer before, found more");
      batch->guesses[layer].push_back(std::move(ids));
      return {};
    });
  }));
  return expect_count("guesses", batch->guesses.size(), header.layers.size(), "layers");
}

Result<TraceBatch> read_batch(JsonReader& json, const TraceHeader& header) {
  TraceBatch batch;
  Members members;
  size_t rows = 0;
  TRY(json.object([&](std::string& key) -> Result<void> {
    TRY(members.add(key));
    if (key == "phase") {
      const std::string phase = TRY(json.string());
      if (phase != "prompt" && phase != "generate")
        return fail("phase: expected prompt or generate, found \"{}\"", printable(phase));
      batch.phase = phase == "prompt" ? Phase::Prompt : Phase::Generate;
    } else if (key == "rows") {
      batch.rows = static_cast<int>(TRY(whole(json, "rows", 1, kMostRows)));
    } else if (key == "experts") {
      TRY(read_experts(json, header, &batch, &rows));
    } else if (key == "guesses") {
      TRY(read_guesses(json, header, &batch));
    } else {
      TRY(json.skip());
    }
    return {};
  }));
  for (const char* name : {"phase", "rows", "experts"}) TRY(members.expect(name));
  TRY(expect_count("experts", rows, static_cast<size_t>(batch.rows), "rows"));
  return batch;
}

}  // namespace

Result<void> read_line(std::string_view line, bool first, Trace* trace) {
  JsonReader json(line);
  if (first)
    trace->header = TRY(read_header(json));
  else
    trace->batches.push_back(TRY(read_batch(json, trace->header)));
  return json.end();
}

}  // namespace issun::experts
