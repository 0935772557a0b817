// The flags that say how a talk becomes a prompt: system text, template, tools, thinking.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/conversation.h"

namespace issun::apps {

class ChatFlags {
 public:
  void add(CLI::App& command);
  // Error: a file that cannot be read, or holds something else.
  Result<engine::ConversationOptions> read() const;

  bool raw() const { return raw_; }
  bool hides_thinking() const { return hide_thinking_; }

 private:
  std::string system_, template_, template_file_, variables_, tools_, thinking_ = "auto";
  bool raw_ = false, hide_thinking_ = false;
};

}  // namespace issun::apps
