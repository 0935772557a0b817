// From the text that a template made to tokens: what came from the talk is never markup.
#pragma once

#include <vector>

#include "base/result.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace issun::chat {

// Sets bos_token and eos_token to the texts of the vocabulary's; empty where it has none.
void name_text_ends(const tokenizer::Tokenizer& tokenizer, ChatInput* input);

// Most templates write the token that begins a text themselves; it stands there exactly once.
// Error: as Tokenizer::encode.
Result<std::vector<tokenizer::Token>> encode_prompt(const tokenizer::Tokenizer& tokenizer,
                                                    const ChatPrompt& prompt);

}  // namespace issun::chat
