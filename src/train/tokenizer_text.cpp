#include "train/tokenizer_text.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <limits>

#include "base/file.h"
#include "base/folder.h"
#include "base/json_reader.h"
#include "base/quote.h"
#include "base/utf8.h"

namespace issun::train {

namespace {

constexpr int64_t kLargestFile = int64_t{1} << 36;

bool is_text_file(std::string_view path) {
  return path.ends_with(".txt") || path.ends_with(".md") || path.ends_with(".jsonl");
}

Result<std::vector<std::string>> files_of(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    if (!is_directory(input)) {
      files.push_back(input);
      continue;
    }
    const size_t before = files.size();
    const std::vector<std::string> below = TRY(files_below(input));
    std::copy_if(below.begin(), below.end(), std::back_inserter(files), is_text_file);
    if (files.size() == before) {
      return fail("{}: expected .txt, .md or .jsonl files in this folder, found none",
                  visible(input));
    }
  }
  return files;
}

// Where the chunk that starts text ends: behind the last line end that something visible follows.
size_t chunk_end(std::string_view text) {
  const size_t most = static_cast<size_t>(TrainingText::kChunkBytes);
  if (text.size() <= most) return text.size();
  for (size_t end = most; end > 0; --end) {
    if (text[end - 1] == '\n' && static_cast<unsigned char>(text[end]) > ' ') return end;
  }
  size_t end = most;
  while (end > most - 3 && (text[end] & 0xC0) == 0x80) --end;
  return end;
}

// The 64-bit finaliser of MurmurHash3: evenly spread numbers out of 0, 1, 2 ...
uint64_t finalised(uint64_t x) {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCD;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53;
  return x ^ x >> 33;
}

}  // namespace

// Reads file after file; of those that are sampled only what was chosen stays in memory.
class TextReader {
 public:
  TextReader(const TextOptions& options, Workers& workers, TrainingText& text)
      : options_(options), workers_(workers), text_(text) {}

  Result<void> read() {
    const std::vector<std::string> files = TRY(files_of(options_.inputs));
    if (options_.sample_bytes > 0) TRY(set_share(files));
    for (const std::string& path : files) TRY(read_file(path));
    text_.files_ = static_cast<int>(files.size());
    if (!text_.chunks_.empty()) return {};
    return fail("expected text to learn from, found none in {} {}", files.size(),
                files.size() == 1 ? "file" : "files");
  }

 private:
  Result<void> set_share(const std::vector<std::string>& files) {
    int64_t bytes = 0;
    for (const std::string& path : files) {
      bytes += TRY(TRY(File::open_for_reading(path)).size());
    }
    if (bytes > options_.sample_bytes) {
      share_ = static_cast<double>(options_.sample_bytes) / static_cast<double>(bytes);
    }
    return {};
  }

  bool chosen() {
    if (share_ >= 1) return true;
    const uint64_t draw = finalised(finalised(options_.seed) + next_chunk_++);
    return static_cast<double>(draw >> 11) * 0x1p-53 < share_;
  }

  Result<void> read_file(const std::string& path) {
    std::string content = TRY(read_text(path, kLargestFile));
    if (path.ends_with(".jsonl")) return read_lines(path, content);
    std::string_view text = content;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const std::vector<std::string_view> chunks = chosen_chunks(text);
    TRY(check_utf8(path, content, chunks));
    keep(chunks, std::move(content));
    return {};
  }

  std::vector<std::string_view> chosen_chunks(std::string_view text) {
    std::vector<std::string_view> chunks;
    while (!text.empty()) {
      const size_t end = chunk_end(text);
      if (chosen()) chunks.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    return chunks;
  }

  Result<void> check_utf8(const std::string& path, std::string_view content,
                          const std::vector<std::string_view>& chunks) {
    std::atomic<int64_t> first{std::numeric_limits<int64_t>::max()};
    workers_.for_each(static_cast<int64_t>(chunks.size()), 1, [&](int64_t c, int64_t, int) {
      const std::string_view chunk = chunks[static_cast<size_t>(c)];
      for (size_t at = 0; at < chunk.size();) {
        const Utf8Char character = decode_utf8(chunk, at);
        if (character.state != Utf8::Valid) {
          const int64_t offset = chunk.data() - content.data() + static_cast<int64_t>(at);
          int64_t known = first.load();
          while (offset < known && !first.compare_exchange_weak(known, offset)) {}
          return;
        }
        at += static_cast<size_t>(character.bytes);
      }
    });
    if (first.load() == std::numeric_limits<int64_t>::max()) return {};
    return fail("{}: expected UTF-8, found a malformed character at byte {}", visible(path),
                first.load());
  }

  // Moves the chunks to where they stay; a sample is copied, so that the rest can go.
  void keep(const std::vector<std::string_view>& chunks, std::string&& content) {
    if (share_ < 1) {
      for (const std::string_view chunk : chunks) {
        text_.chunks_.push_back(text_.texts_.emplace_back(chunk));
      }
      return;
    }
    const char* before = content.data();
    const std::string& kept = text_.texts_.emplace_back(std::move(content));
    for (const std::string_view chunk : chunks) {
      const auto at = static_cast<size_t>(chunk.data() - before);
      text_.chunks_.push_back(std::string_view(kept).substr(at, chunk.size()));
    }
  }

  Result<void> read_lines(const std::string& path, std::string_view content) {
    int64_t number = 0;
    while (!content.empty()) {
      const size_t end = std::min(content.find('\n'), content.size());
      const std::string_view line = content.substr(0, end);
      content.remove_prefix(std::min(end + 1, content.size()));
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      auto text = text_of(line);
      if (!text) {
        return fail("{}: line {}: {}", visible(path), number, text.error().message);
      }
      const std::vector<std::string_view> chunks = chosen_chunks(*text);
      keep(chunks, std::move(*text));
    }
    return {};
  }

  static Result<std::string> text_of(std::string_view line) {
    JsonReader reader(line);
    std::string text;
    bool found = false;
    TRY(reader.object([&](const std::string& key) -> Result<void> {
      if (key != "text") return reader.skip();
      text = TRY(reader.string());
      found = true;
      return {};
    }));
    TRY(reader.end());
    if (!found) return fail("expected an object with a \"text\", found none in it");
    return text;
  }

  const TextOptions& options_;
  Workers& workers_;
  TrainingText& text_;
  double share_ = 1;  // of the chunks that are chosen
  uint64_t next_chunk_ = 0;
};

Result<TrainingText> TrainingText::open(const TextOptions& options, Workers& workers) {
  TrainingText text;
  TRY(TextReader(options, workers, text).read());
  return text;
}

int64_t TrainingText::bytes() const {
  int64_t bytes = 0;
  for (const std::string_view chunk : chunks_) bytes += static_cast<int64_t>(chunk.size());
  return bytes;
}

void TrainingText::normalise(const tokenizer::Charsmap& map, Workers& workers) {
  std::deque<std::string> texts(chunks_.size());
  workers.for_each(static_cast<int64_t>(chunks_.size()), 1, [&](int64_t c, int64_t, int) {
    std::string& text = texts[static_cast<size_t>(c)];
    map.replace(chunks_[static_cast<size_t>(c)], [&](std::string_view part) { text.append(part); });
    chunks_[static_cast<size_t>(c)] = text;
  });
  texts_.swap(texts);
}

}  // namespace issun::train
