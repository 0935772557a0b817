#include "chat/prompt_tokens.h"

#include <string>
#include <string_view>

namespace issun::chat {

namespace {

std::string_view text_of(const tokenizer::Tokenizer& tokenizer, tokenizer::Token token) {
  return token < 0 ? "" : tokenizer.token_text(token);
}

}  // namespace

void name_text_ends(const tokenizer::Tokenizer& tokenizer, ChatInput* input) {
  input->bos_token = text_of(tokenizer, tokenizer.bos());
  input->eos_token = text_of(tokenizer, tokenizer.eos());
}

Result<std::vector<tokenizer::Token>> encode_prompt(const tokenizer::Tokenizer& tokenizer,
                                                    const ChatPrompt& prompt) {
  const std::string_view begin = text_of(tokenizer, tokenizer.bos());
  const bool said = !prompt.input.empty() && prompt.input[0].begin < begin.size();
  const bool begun = !begin.empty() && prompt.text.starts_with(begin) && !said;
  return tokenizer.encode(prompt.text,
                          {.add_special = !begun, .parse_special = true, .literal = prompt.input});
}

}  // namespace issun::chat
