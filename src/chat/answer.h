// A model's answer taken apart while it is written: what is said, what was thought before, and
// which tools are called. How an answer is written is known from the template and the prompt.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "chat/answer_channels.h"
#include "chat/answer_format.h"
#include "chat/answer_marked.h"

namespace issun::chat {

// Every piece of an answer appears in what is read exactly once: a call that is malformed is
// content. How the text is cut into pieces makes no difference.
class AnswerReader {
 public:
  explicit AnswerReader(AnswerFormat format);

  // Appends to `out` what is certain by now: never a part of a marker, calls when they are whole.
  void feed(std::string_view text, Answer* out);
  // The end: appends what was held back.
  void finish(Answer* out);

 private:
  std::variant<MarkedAnswer, HarmonyAnswer, RecipientAnswer> reader_;
};

Answer read_answer(AnswerFormat format, std::string_view text);

}  // namespace issun::chat
