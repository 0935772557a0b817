// Documents: what a model is to learn from, read from text files and JSON lines in a fixed order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/jinja/value.h"

namespace issun::train {

// How a .txt or .md file becomes documents.
enum class DocumentSplit {
  File,        // one
  BlankLines,  // paragraphs, put together up to DocumentOptions::paragraph_bytes
  Lines,       // one a line that is not blank
};
// "file", "blank-lines" or "lines"; error: another name.
Result<DocumentSplit> document_split_from_name(std::string_view name);

struct DocumentOptions {
  DocumentSplit split = DocumentSplit::File;
  int64_t paragraph_bytes = 4096;  // BlankLines: a longer paragraph stays whole
};

struct Document {
  enum class Kind {
    Text,        // `text`
    Chat,        // `messages`, and `tools` if the record has any
    Completion,  // `prompt` and the `answer` that is learnt
    Pair,        // `query`, `positive` and, unless empty, `negative`: for contrastive learning
  };
  Kind kind = Kind::Text;
  std::string text;
  // A list of dicts with role and content, as chat::ChatInput takes them. "weight": 0 keeps an
  // answer from being learnt.
  chat::jinja::Value messages, tools;
  std::string prompt, answer;
  std::string separator;  // between the two where no chat template says what stands there
  std::string query, positive, negative;
  std::string origin;    // "path", or "path:line"
  uint64_t content = 0;  // XXH64 of what it says: the same wherever it stands
};

struct SourceFile {
  std::string path;
  bool json_lines = false;
};

struct Sources {
  std::vector<SourceFile> files;     // in the order of reading
  std::vector<std::string> skipped;  // in folders: neither .txt, .md nor .jsonl
};

// The files of `paths` in their order; of a folder all below it, sorted by name, hidden ones left
// out. Error: a path that is not there, a file named itself whose ending is unknown, or no file.
Result<Sources> find_sources(const std::vector<std::string>& paths);

// A file may also hold:
//   {"text": ...}
//   {"messages": [{"role", "content"}, ...]}, {"conversations": [{"from", "value"}, ...]}
//   {"prompt", "completion"}, {"instruction", "input" (optional), "output"}
//   {"query" or "anchor", "positive", "negative" (optional)}
// Error: `line` is none of these; says what was expected.
Result<Document> read_record(std::string_view line);

// Calls `body` for each document in order. Error: of `body`; a file that is no UTF-8 or holds no
// document; a line that is no record, with file, line and expectation.
Result<void> read_documents(const Sources& sources, const DocumentOptions& options,
                            const std::function<Result<void>(Document)>& body);

}  // namespace issun::train
