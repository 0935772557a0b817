#include "experts/trace.h"

#include <algorithm>

#include "base/check.h"
#include "base/memory.h"
#include "experts/trace_reader.h"

namespace issun::experts {

namespace {

template <class T>
void append_list(std::span<const T> numbers, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "[{}]", fmt::join(numbers, ","));
}

void append_text(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(*out), "\\u{:04x}", c);
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void append_guesses(const TraceBatch& batch, std::string* out) {
  *out += ",\"guesses\":[";
  for (size_t l = 0; l < batch.guesses.size(); ++l) {
    *out += l == 0 ? "[" : ",[";
    for (size_t d = 0; d < batch.guesses[l].size(); ++d) {
      if (d > 0) *out += ',';
      append_list(std::span<const int32_t>(batch.guesses[l][d]), out);
    }
    *out += ']';
  }
  *out += ']';
}

}  // namespace

int64_t TraceHeader::all_bytes() const {
  int64_t bytes = 0;
  for (size_t l = 0; l < layers.size(); ++l)
    bytes = saturating_add(bytes, saturating_mul(experts[l], expert_bytes[l]));
  return bytes;
}

const char* name(Phase phase) { return phase == Phase::Prompt ? "prompt" : "generate"; }

std::span<const int32_t> TraceBatch::chosen(const TraceHeader& header, int layer, int row) const {
  const size_t at =
      (static_cast<size_t>(layer) * static_cast<size_t>(rows) + static_cast<size_t>(row)) *
      static_cast<size_t>(header.used);
  return std::span(experts).subspan(at, static_cast<size_t>(header.used));
}

std::string to_line(const TraceHeader& header) {
  std::string out = "{\"issun\":\"routing trace\",\"version\":1,\"model\":";
  append_text(header.model, &out);
  out += ",\"layers\":";
  append_list(std::span<const int>(header.layers), &out);
  out += ",\"experts\":";
  append_list(std::span<const int>(header.experts), &out);
  out += fmt::format(",\"used\":{},\"expert_bytes\":", header.used);
  append_list(std::span<const int64_t>(header.expert_bytes), &out);
  return out + "}\n";
}

std::string to_line(const TraceHeader& header, const TraceBatch& batch) {
  std::string out =
      fmt::format("{{\"phase\":\"{}\",\"rows\":{},\"experts\":[", name(batch.phase), batch.rows);
  for (int l = 0; l < header.mixture_layers(); ++l) {
    out += l == 0 ? "[" : ",[";
    for (int r = 0; r < batch.rows; ++r) {
      if (r > 0) out += ',';
      append_list(batch.chosen(header, l, r), &out);
    }
    out += ']';
  }
  out += ']';
  if (!batch.guesses.empty()) append_guesses(batch, &out);
  return out + "}\n";
}

Result<Trace> Trace::read(const std::string& path) {
  const std::string text = TRY(read_text(path, int64_t{4} << 30));
  return parse(text, path);
}

Result<Trace> Trace::parse(std::string_view text, const std::string& name) {
  Trace trace;
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const Result<void> read = read_line(text.substr(begin, end - begin), ++line == 1, &trace);
    if (!read) return fail("{}: line {}: {}", name, line, read.error().message);
    begin = end + 1;
  }
  if (line == 0) return fail("{}: expected a routing trace, found an empty file", name);
  return trace;
}

Result<TraceWriter> TraceWriter::create(const std::string& path, const TraceHeader& header) {
  File file = TRY(File::create(path));
  TRY(file.write(to_line(header)));
  return TraceWriter(std::move(file), header);
}

Result<void> TraceWriter::append(const TraceBatch& batch) {
  CHECK_THAT(batch.experts.size() == header_.layers.size() * static_cast<size_t>(batch.rows) *
                                         static_cast<size_t>(header_.used));
  return file_.write(to_line(header_, batch));
}

Result<void> TraceWriter::finish() { return file_.finish(); }

}  // namespace issun::experts
