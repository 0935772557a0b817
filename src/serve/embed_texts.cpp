#include "serve/embed_texts.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

namespace issun::serve {

namespace {

// Of these that are computed without asking whether they are wanted still.
constexpr size_t kTextsAtOnce = 32;

template <class Compute>
void in_pieces(std::span<const std::string> texts, const StillWanted& still_wanted,
               Compute compute) {
  for (size_t at = 0; at < texts.size(); at += kTextsAtOnce) {
    still_wanted();
    compute(texts.subspan(at, std::min(kTextsAtOnce, texts.size() - at)));
  }
}

}  // namespace

std::vector<float> rank_texts(ServedEmbedder& served, const std::string& query,
                              const std::vector<std::string>& documents,
                              const StillWanted& still_wanted) {
  std::vector<float> scores;
  in_pieces(documents, still_wanted, [&](std::span<const std::string> some) {
    auto found = served.embedder->rank(query, some);
    if (!found) throw bad_request("documents", "{}", found.error().message);
    scores.insert(scores.end(), found->begin(), found->end());
  });
  return scores;
}

void answer_in_turn(VectorHandler handler, Api& api, const HttpRequest& request,
                    const std::shared_ptr<Reply>& reply) {
  ServedEmbedder& served = api.embedding_model();
  auto gone = std::make_shared<std::atomic<bool>>(false);
  // Not through `served`, which may have let go of the queue that still waits for its work.
  const auto work = [handler, &api, queue = served.queue.get(), request, reply, gone] {
    const StillWanted still_wanted = [&] {
      if (*gone || queue->stopping())
        throw ApiError{.status = 503, .message = "the server is shutting down"};
    };
    answer_with([&] { handler(api, request, reply, still_wanted); }, request.path, reply);
  };
  const bool waits = served.queue->add(work, gone);
  if (!waits) throw ApiError{.status = 503, .message = "as many requests for vectors wait as may"};
  reply->on_gone([gone] { *gone = true; });
}

std::vector<engine::TextEmbedding> embed_texts(ServedEmbedder& served, const Json& input,
                                               const StillWanted& still_wanted) {
  still_wanted();
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
    for (const Json& list : input) {
      still_wanted();
      all.push_back(checked(served.embedder->embed_tokens(tokens_of(list))));
    }
    return all;
  }
  std::vector<std::string> texts;
  for (const Json& text : input) {
    if (!text.is_string())
      throw bad_request(fmt::format("input[{}]", texts.size()), "expected a text, found {}",
                        kind_of(text));
    texts.push_back(text.get<std::string>());
  }
  in_pieces(texts, still_wanted, [&](std::span<const std::string> some) {
    for (engine::TextEmbedding& one : checked(served.embedder->embed(some)))
      all.push_back(std::move(one));
  });
  return all;
}

}  // namespace issun::serve
