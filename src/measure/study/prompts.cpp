#include "measure/study/prompts.h"

#include "base/file.h"
#include "base/json.h"

namespace issun::measure {

namespace {

// Calls take(line) for each line that is not empty, with its number.
template <class Take>
Result<void> each_line(std::string_view text, Take&& take) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) TRY(take(line, number));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return {};
}

bool inside_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

const std::vector<std::string>& default_prompts() {
  static const std::vector<std::string> prompts = {
      "次の文章の続きを100文字以内で書いてください:"
      "『夜空には無数の星が輝いていたが、その中で一際明るい星"
      "があった。その星は…』",
      "イギリスの産業革命が始まったのは何年ですか?また、その影響について簡単に説明してください。",
      "以下のテキストを50文字以内で要約してください:"
      "『AI技術の進化により、さまざまな分野で自動化が進んでいます"
      "。特に、医療や金融などの分野での活用が期待されており、今後もその発展が注目されています。",
      "この日本語の文章を英語に翻訳してください:"
      "『未来の技術がどのように私たちの生活を変えるかは、まだ未知数です"
      "。』",
      "Pythonでリスト内の奇数をすべて2倍にする関数を作成してください。",
  };
  return prompts;
}

Result<std::vector<std::string>> parse_prompts(std::string_view text, const std::string& name) {
  std::vector<std::string> prompts;
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '[') {
    const auto json = Json::parse(text);
    if (!json) return fail("{}: {}", name, json.error().message);
    for (const Json& prompt : json->items()) {
      if (!prompt.is_string() || prompt.text().empty())
        return fail("{}: expected an array of texts that are not empty", name);
      prompts.push_back(prompt.text());
    }
  } else {
    TRY(each_line(text, [&](std::string_view line, int) -> Result<void> {
      prompts.emplace_back(line);
      return {};
    }));
  }
  if (prompts.empty()) return fail("{}: expected prompts, found none", name);
  return prompts;
}

Result<std::string> read_study_text(const std::string& path, int64_t bytes) {
  const std::string content = TRY(read_text(path));
  std::string text;
  if (path.ends_with(".jsonl")) {
    TRY(each_line(content, [&](std::string_view line, int number) -> Result<void> {
      if (static_cast<int64_t>(text.size()) >= bytes) return {};
      const auto json = Json::parse(line);
      if (!json) return fail("{}: line {}: {}", path, number, json.error().message);
      if (!(*json)["text"].is_string())
        return fail("{}: line {}: expected an object with \"text\"", path, number);
      text += (*json)["text"].text() + "\n\n";
      return {};
    }));
  } else {
    text = content;
  }
  if (static_cast<int64_t>(text.size()) > bytes) {
    size_t end = static_cast<size_t>(bytes);
    while (end > 0 && inside_character(text[end])) --end;
    text.resize(end);
  }
  if (text.empty()) return fail("{}: expected a text, found nothing", path);
  return text;
}

}  // namespace issun::measure
