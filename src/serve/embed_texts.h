// Texts or tokens of a request to vectors.
#pragma once

#include <vector>

#include "serve/api.h"

namespace issun::serve {

constexpr size_t kMostTexts = 2048;  // of a request, as the OpenAI API has it

// input: a text, a list of texts, a list of tokens, or a list of those. Throws ApiError.
std::vector<engine::TextEmbedding> embed_texts(ServedEmbedder& served, const Json& input);

}  // namespace issun::serve
