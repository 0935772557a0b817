#include "train/documents.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/folder.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "gguf/content_hash.h"

namespace issun::train {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

enum class Ending { Text, JsonLines, Unknown };

Ending ending_of(std::string_view path) {
  if (path.ends_with(".txt") || path.ends_with(".md")) return Ending::Text;
  return path.ends_with(".jsonl") ? Ending::JsonLines : Ending::Unknown;
}

void add_file(const std::string& path, Sources* sources) {
  const Ending ending = ending_of(path);
  if (ending == Ending::Unknown) {
    sources->skipped.push_back(path);
  } else {
    sources->files.push_back({path, ending == Ending::JsonLines});
  }
}

bool is_blank(std::string_view text) { return text.find_first_not_of(kBlanks) == text.npos; }

// The next line of `rest` without its end, taken off.
std::string_view take_line(std::string_view* rest) {
  const size_t end = std::min(rest->find('\n'), rest->size());
  const std::string_view line = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

// One past the end of the paragraphs that make the next document: the first one, and those after it
// while they fit.
size_t grouped_paragraphs(std::string_view text, int64_t bytes) {
  size_t end = 0;  // of the last paragraph taken, with the blank lines behind it
  bool blank_before = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t at = text.size() - rest.size();
    const bool blank = is_blank(take_line(&rest));
    if (!blank && blank_before) {
      if (static_cast<int64_t>(at) > bytes && end != 0) return end;
      end = at;
    }
    blank_before = blank;
  }
  return end != 0 && static_cast<int64_t>(text.size()) > bytes ? end : text.size();
}

using Body = std::function<Result<void>(Document)>;

// Counts what was given to the body.
class Delivery {
 public:
  explicit Delivery(const Body& body) : body_(body) {}
  Result<void> text(std::string_view text, std::string origin) {
    if (is_blank(text)) return {};
    Document document;
    document.text = text;
    document.content = gguf::content_hash(std::as_bytes(std::span(text)));
    return record(std::move(document), std::move(origin));
  }
  Result<void> record(Document document, std::string origin) {
    document.origin = std::move(origin);
    ++count_;
    return body_(std::move(document));
  }
  int64_t count() const { return count_; }

 private:
  const Body& body_;
  int64_t count_ = 0;
};

Result<void> read_text_file(const std::string& path, std::string_view text,
                            const DocumentOptions& options, Delivery* delivery) {
  if (!valid_utf8(text)) {
    size_t at = 0;
    int64_t line = 1;
    for (Utf8Char c; (c = decode_utf8(text, at)).state == Utf8::Valid;) {
      line += text[at] == '\n';
      at += static_cast<size_t>(c.bytes);
    }
    return fail("{}:{}: expected UTF-8, found other bytes at byte {}", path, line, at);
  }
  if (options.split == DocumentSplit::File) return delivery->text(text, path);
  int64_t line = 1;
  while (!text.empty()) {
    const std::string_view before = text;
    std::string_view document;
    if (options.split == DocumentSplit::Lines) {
      document = take_line(&text);
    } else {
      const size_t end = grouped_paragraphs(text, options.paragraph_bytes);
      document = text.substr(0, end);
      document = document.substr(0, document.find_last_not_of(kBlanks) + 1);
      text.remove_prefix(end);
    }
    TRY(delivery->text(document, fmt::format("{}:{}", path, line)));
    const std::string_view taken = before.substr(0, before.size() - text.size());
    line += std::count(taken.begin(), taken.end(), '\n');
  }
  return {};
}

Result<void> read_json_lines(const std::string& path, std::string_view text, Delivery* delivery) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(&text);
    if (is_blank(line)) continue;
    Result<Document> document = read_record(line);
    if (!document) return fail("{}:{}: {}", path, number, document.error().message);
    TRY(delivery->record(std::move(*document), fmt::format("{}:{}", path, number)));
  }
  return {};
}

}  // namespace

Result<DocumentSplit> document_split_from_name(std::string_view name) {
  if (name == "file") return DocumentSplit::File;
  if (name == "blank-lines") return DocumentSplit::BlankLines;
  if (name == "lines") return DocumentSplit::Lines;
  return fail("split of documents: expected file, blank-lines or lines, found '{}'",
              printable(name));
}

Result<Sources> find_sources(const std::vector<std::string>& paths) {
  Sources sources;
  for (const std::string& path : paths) {
    if (is_directory(path)) {
      const std::vector<std::string> files = TRY(files_below(path));
      for (const std::string& file : files) add_file(file, &sources);
    } else if (!is_file(path)) {
      return fail("{}: expected a file or a folder, found none", path);
    } else if (ending_of(path) == Ending::Unknown) {
      return fail("{}: expected a name that ends in .txt, .md or .jsonl", path);
    } else {
      add_file(path, &sources);
    }
  }
  if (!sources.files.empty()) return sources;
  if (paths.empty()) return fail("training data: expected a file or a folder, found none");
  return fail("{}: expected files that end in .txt, .md or .jsonl, found {} others", paths[0],
              sources.skipped.size());
}

Result<void> read_documents(const Sources& sources, const DocumentOptions& options,
                            const Body& body) {
  for (const SourceFile& source : sources.files) {
    const MappedFile file = TRY(MappedFile::open(source.path));
    std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    Delivery delivery(body);
    TRY(source.json_lines ? read_json_lines(source.path, text, &delivery)
                          : read_text_file(source.path, text, options, &delivery));
    TRY(file.still_whole());
    if (delivery.count() == 0) return fail("{}: expected text, found none", source.path);
  }
  return {};
}

}  // namespace issun::train
