// Answers in parts, each with a header that says whom it is for: Harmony's channels (gpt-oss), and
// Functionary's recipients.
#pragma once

#include <string>
#include <string_view>

#include "chat/answer_format.h"

namespace issun::chat {

// <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...
// The prompt ends with "<|start|>assistant". The channel "analysis" is reasoning; a part with
// "to=functions.f" in its header is a call; all others are content.
class HarmonyAnswer {
 public:
  // Without tools nothing is a call.
  explicit HarmonyAnswer(bool has_tools) : has_tools_(has_tools) {}
  void feed(std::string_view text, Answer* out);
  void finish(Answer* out);

 private:
  enum class Part { Header, Reasoning, Content, Call };
  bool advance(Answer* out);
  bool read_header(Answer* out);
  bool read_body(Answer* out);
  void begin(std::string_view header, Answer* out);
  void end_call(std::string_view arguments, Answer* out);

  bool has_tools_;
  Part part_ = Part::Header;
  std::string held_;
  size_t searched_ = 0;        // no end of a part begins before this place of held_
  std::string header_, name_;  // of a call
  bool ended_ = false;
};

// The prompt ends with ">>>"; then "all\n" and content, or a tool's name, a line's end and its
// arguments; before each part that follows stands ">>>".
class RecipientAnswer {
 public:
  explicit RecipientAnswer(bool has_tools) : has_tools_(has_tools) {}
  void feed(std::string_view text, Answer* out);
  void finish(Answer* out);

 private:
  enum class Part { Header, Content, Call };
  bool advance(Answer* out);
  bool read_header(Answer* out);
  bool read_body(Answer* out);
  void end_call(std::string_view arguments, Answer* out);

  bool has_tools_;
  Part part_ = Part::Header;
  std::string held_;
  size_t searched_ = 0;  // no mark begins before this place of held_
  std::string mark_;     // that begins the part, in the answer: none before the first
  std::string name_;
  bool ended_ = false;
};

}  // namespace issun::chat
