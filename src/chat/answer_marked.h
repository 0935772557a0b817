// An answer that is text with marks around what is no content: <think>, <tool_call> and the like.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_format.h"

namespace issun::chat {

class MarkedAnswer {
 public:
  explicit MarkedAnswer(AnswerFormat format);
  void feed(std::string_view text, Answer* out);
  void finish(Answer* out);

 private:
  enum class State { Start, Reasoning, Content, Calls, BareJson };

  // One step of what is held; false: more text is needed.
  bool advance(Answer* out);
  bool start();
  bool reason(Answer* out);
  bool speak(Answer* out);
  bool call(Answer* out);
  size_t body_begin() const;
  bool inside_string(size_t place);
  bool try_calls(size_t close, size_t close_size, Answer* out);
  void give_up_calls(size_t close, Answer* out);

  std::string_view rest() const { return std::string_view(held_).substr(at_); }
  void say(std::string_view text, Answer* out);
  void think(std::string_view text, Answer* out);

  AnswerFormat format_;
  State state_;
  std::string held_;  // from at_ on: not decided yet
  size_t at_ = 0;
  bool ended_ = false;
  bool drop_blanks_;     // those that come next separate, and say nothing
  std::string blanks_;   // behind what was said or thought: they belong to it if it goes on
  size_t section_ = 0;   // of format_.calls, which the calls are in
  size_t searched_ = 0;  // no end of the section begins before this place of held_
  StringWatch strings_;  // of the section
  size_t watched_ = 0;   // what of held_ it has read
  size_t tried_ = 0;     // where the last section ended that held no calls after all
  int tries_ = 0;        // sections in vain that began before that place
};

// The length of the longest end of `text` that one of the marks begins with.
size_t begun_mark(std::string_view text, const std::vector<std::string>& marks);

}  // namespace issun::chat
