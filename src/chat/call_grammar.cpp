#include "chat/call_grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "chat/search.h"

namespace issun::chat {

namespace {

std::string escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool plain = byte >= 0x20 && byte != 0x7F && c != '"' && c != '\\' && c != ']' &&
                     c != '[' && c != '^' && c != '-';
  return plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
}

std::string quoted(std::string_view text) {
  std::string literal = "\"";
  for (const char c : text) literal += escaped(c);
  return literal + "\"";
}

// A token that has no text of its own, such as a mark the model was taught as one.
tokenizer::Token silent_token(const tokenizer::Tokenizer& tokenizer, std::string_view mark) {
  const tokenizer::Token token = tokenizer.find(mark);
  if (token == tokenizer::kNoToken || tokenizer.is_end(token)) return tokenizer::kNoToken;
  std::string text;
  tokenizer.append_piece(token, false, text);
  return text.empty() ? token : tokenizer::kNoToken;
}

// As a sequence of GBNF.
class Literal {
 public:
  explicit Literal(const tokenizer::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string of(std::string_view text) {
    while (!text.empty()) {
      const size_t mark = mark_size(text);
      const tokenizer::Token token =
          mark == 0 ? tokenizer::kNoToken : silent_token(tokenizer_, text.substr(0, mark));
      if (text[0] == kCallId) {
        add("[a-zA-Z0-9]{9}");
        text.remove_prefix(1);
      } else if (token != tokenizer::kNoToken) {
        add(fmt::format("<[{}]>", token));
        text.remove_prefix(mark);
      } else {
        plain_ += text[0];
        text.remove_prefix(1);
      }
    }
    add("");
    return out_.empty() ? "\"\"" : out_;
  }

 private:
  // Of what may be a mark at the beginning.
  static size_t mark_size(std::string_view text) {
    const char close = text[0] == '<' ? '>' : text[0] == '[' ? ']' : '\0';
    const size_t end = close == '\0' ? npos : text.find(close);
    return end == npos ? 0 : end + 1;
  }
  void add(std::string part) {
    if (!plain_.empty()) out_ += (out_.empty() ? "" : " ") + quoted(plain_);
    plain_.clear();
    if (!part.empty()) out_ += (out_.empty() ? "" : " ") + part;
  }
  const tokenizer::Tokenizer& tokenizer_;
  std::string out_, plain_;
};

struct Thought {
  std::string open;  // empty: the prompt has opened it
  std::string close, after;
  bool needed = false;
};

// The thought that may come before calls; close is empty: none.
Thought thought_of(const AnswerFormat& format, std::string_view prompt) {
  if (format.style == AnswerStyle::Harmony)
    return {"<|channel|>analysis<|message|>", "<|end|>", "<|start|>assistant"};
  if (format.style != AnswerStyle::Marked || format.reasoning.close.empty()) return {};
  if (format.reasoning_open) return {"", format.reasoning.close, "", true};
  if (without_blanks(prompt).ends_with(format.reasoning.close)) return {};
  return {format.reasoning.open, format.reasoning.close, ""};
}

std::string thought_rules(const Thought& thought, const tokenizer::Tokenizer& tokenizer) {
  if (thought.close.empty()) return "thought ::= \"\"\n";
  const auto literal = [&](std::string_view text) { return Literal(tokenizer).of(text); };
  std::string rules;
  if (silent_token(tokenizer, thought.close) != tokenizer::kNoToken) {
    rules = "thinking ::= .* " + literal(thought.close) + "\n";
  } else {
    rules = text_up_to("thinking", thought.close);
  }
  const std::string all =
      fmt::format("{} thinking {} \"\\n\"{{0,2}}", literal(thought.open), literal(thought.after));
  return fmt::format("thought ::= ({}){}\n", all, thought.needed ? "" : "?") + rules;
}

}  // namespace

// The machine of Knuth, Morris and Pratt: a rule for each beginning of the mark that was read.
std::string text_up_to(const std::string& name, std::string_view mark) {
  const auto rule = [&](size_t read) {
    return read == 0 ? name : fmt::format("{}-{}", name, read);
  };
  std::string letters(mark);
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  std::string others, rules;
  for (const char c : letters) others += escaped(c);
  for (size_t read = 0; read < mark.size(); ++read) {
    rules += fmt::format("{} ::= [^{}] {}", rule(read), others, rule(0));
    for (const char c : letters) {
      const std::string text = std::string(mark.substr(0, read)) + c;
      size_t known = text.size();
      while (!mark.starts_with(std::string_view(text).substr(text.size() - known))) --known;
      rules += fmt::format(" | {}", quoted(std::string_view(&c, 1)));
      if (known < mark.size()) rules += " " + rule(known);
    }
    rules += "\n";
  }
  return rules;
}

std::string call_grammar(const CallGrammarInput& input, const tokenizer::Tokenizer& tokenizer) {
  const auto literal = [&](std::string_view text) { return Literal(tokenizer).of(text); };
  const bool many = !input.one_call && !input.form.between.empty();
  std::string calls = "call";
  if (many) calls += fmt::format(" ({} call)*", literal(input.form.between));
  std::string gbnf = fmt::format("root ::= thought {} {} {}\n", literal(input.form.open), calls,
                                 literal(input.form.close));
  gbnf += thought_rules(thought_of(input.format, input.prompt), tokenizer);
  std::string choice;
  for (const CallableTool& tool : input.tools) {
    choice += fmt::format("{}{} {} {}", choice.empty() ? "" : " | ", quoted(tool.name),
                          literal(input.form.middle), tool.rule);
  }
  return gbnf + "call ::= " + choice + "\n";
}

}  // namespace issun::chat
