// How a template writes calls of tools, as the pieces around their names and arguments: learnt from
// what it makes of a talk in which tools are called, and proven by reading that back.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "chat/answer_format.h"
#include "chat/chat_template.h"

namespace issun::chat {

// open NAME middle ARGUMENTS (between NAME middle ARGUMENTS)* close
// ARGUMENTS are a JSON object.
struct CallForm {
  std::string open, middle, close;
  // Empty: the template writes one call only, or numbers them.
  std::string between;
  bool operator==(const CallForm&) const = default;
};
// Stands in the pieces for an id that the model makes up: nine letters or digits.
constexpr char kCallId = '\x01';

// format: of answers to a prompt made of `input`, which has tools. ends: the texts of tokens that
// end an answer. nullopt: the template shows no calls, or not with arguments in JSON, or what it
// shows is not read back.
std::optional<CallForm> call_form(const ChatTemplate& chat, const ChatInput& input,
                                  const AnswerFormat& format, std::span<const std::string> ends);

// What a model must have written to be rendered as `message` behind the talk of `input`; with the
// token that ends it. nullopt: the template does not take it.
std::optional<std::string> written_by(const ChatTemplate& chat, ChatInput input,
                                      const jinja::Value& message);

}  // namespace issun::chat
