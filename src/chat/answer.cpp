#include "chat/answer.h"

namespace issun::chat {

namespace {

std::variant<MarkedAnswer, HarmonyAnswer, RecipientAnswer> reader_of(AnswerFormat format) {
  switch (format.style) {
    case AnswerStyle::Harmony:
      return HarmonyAnswer(!format.tools.empty());
    case AnswerStyle::Recipients:
      return RecipientAnswer(!format.tools.empty());
    case AnswerStyle::Marked:
      break;
  }
  return MarkedAnswer(std::move(format));
}

}  // namespace

AnswerReader::AnswerReader(AnswerFormat format) : reader_(reader_of(std::move(format))) {}

void AnswerReader::feed(std::string_view text, Answer* out) {
  std::visit([&](auto& reader) { reader.feed(text, out); }, reader_);
}

void AnswerReader::finish(Answer* out) {
  std::visit([&](auto& reader) { reader.finish(out); }, reader_);
}

Answer read_answer(AnswerFormat format, std::string_view text) {
  Answer answer;
  AnswerReader reader(std::move(format));
  reader.feed(text, &answer);
  reader.finish(&answer);
  return answer;
}

}  // namespace issun::chat
