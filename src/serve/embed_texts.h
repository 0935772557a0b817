// Texts or tokens of a request to vectors, in their turn.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "serve/api.h"

namespace issun::serve {

constexpr size_t kMostTexts = 2048;  // of a request, as the OpenAI API has it

// Throws where the work is no longer wanted; called between pieces of it.
using StillWanted = std::function<void()>;

// input: a text, a list of texts, a list of tokens, or a list of those. Throws ApiError.
std::vector<engine::TextEmbedding> embed_texts(ServedEmbedder& served, const Json& input,
                                               const StillWanted& still_wanted);
// How well each document answers the query.
std::vector<float> rank_texts(ServedEmbedder& served, const std::string& query,
                              const std::vector<std::string>& documents,
                              const StillWanted& still_wanted);

using VectorHandler = void (*)(Api& api, const HttpRequest& request,
                               const std::shared_ptr<Reply>& reply,
                               const StillWanted& still_wanted);
// Answers with what makes vectors, behind those that came before; a client that goes takes its
// request along. Throws ApiError: as many wait as may.
void answer_in_turn(VectorHandler handler, Api& api, const HttpRequest& request,
                    const std::shared_ptr<Reply>& reply);

}  // namespace issun::serve
