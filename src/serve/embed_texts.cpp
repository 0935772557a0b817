#include "serve/embed_texts.h"

#include <algorithm>

namespace issun::serve {

std::vector<engine::TextEmbedding> embed_texts(ServedEmbedder& served, const Json& input) {
  const std::lock_guard lock(served.mutex);
  const auto checked = [](auto result) {
    if (!result) throw bad_request("input", "{}", result.error().message);
    return std::move(*result);
  };
  const auto tokens_of = [](const Json& list) {
    std::vector<int32_t> tokens;
    for (const Json& one : list) {
      if (!one.is_number_integer())
        throw bad_request("input", "expected texts or lists of tokens, found {}", kind_of(one));
      tokens.push_back(static_cast<int32_t>(std::clamp<int64_t>(one.get<int64_t>(), -1, 1 << 30)));
    }
    return tokens;
  };
  std::vector<engine::TextEmbedding> all;
  if (input.is_string()) {
    const std::string text = input.get<std::string>();
    return checked(served.embedder->embed({&text, 1}));
  }
  if (!input.is_array() || input.empty())
    throw bad_request("input", "expected a text or a list of texts, found {}",
                      input.is_array() ? "an empty list" : kind_of(input));
  if (input[0].is_number()) {
    all.push_back(checked(served.embedder->embed_tokens(tokens_of(input))));
    return all;
  }
  if (input.size() > kMostTexts)
    throw bad_request("input", "expected at most {} texts, found {}", kMostTexts, input.size());
  if (input[0].is_array()) {
    for (const Json& list : input)
      all.push_back(checked(served.embedder->embed_tokens(tokens_of(list))));
    return all;
  }
  std::vector<std::string> texts;
  for (const Json& text : input) {
    if (!text.is_string())
      throw bad_request(fmt::format("input[{}]", texts.size()), "expected a text, found {}",
                        kind_of(text));
    texts.push_back(text.get<std::string>());
  }
  return checked(served.embedder->embed(texts));
}

}  // namespace issun::serve
