// /v1/embeddings of the OpenAI API, and /v1/rerank.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "serve/embed_texts.h"

namespace issun::serve {

namespace {

std::string base64_of(const std::vector<float>& vector) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<unsigned char> bytes(vector.size() * sizeof(float));
  std::memcpy(bytes.data(), vector.data(), bytes.size());
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) text += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

void make_embeddings(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply,
                     const StillWanted& still_wanted) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedEmbedder& served = api.embedding_model();
  const auto model = fields.text("model");
  if (model && !model->empty() && *model != served.id && *model != "default")
    throw ApiError{.status = 404,
                   .message = fmt::format("model: expected '{}', found '{}'", served.id, *model),
                   .param = "model",
                   .code = "model_not_found"};
  const std::string format = fields.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64")
    throw bad_request("encoding_format", "expected float or base64, found '{}'", format);
  const auto found = embed_texts(served, fields.required("input"), still_wanted);
  const auto dimensions = fields.integer("dimensions", 1, 1 << 20);
  const size_t width = found[0].vectors[0].size();
  if (dimensions && static_cast<size_t>(*dimensions) != width)
    throw bad_request("dimensions", "expected {}, which this model's vectors have, found {}", width,
                      *dimensions);
  fields.accept({"user"});
  Json data = Json::array();
  int tokens = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const std::vector<float>& vector = found[i].vectors[0];
    tokens += found[i].tokens;
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", format == "float" ? Json(vector) : Json(base64_of(vector))}});
  }
  send_json(reply,
            {{"object", "list"},
             {"data", std::move(data)},
             {"model", served.id},
             {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}},
            headers_of(fields, "application/json; charset=utf-8"));
}

void make_ranking(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply,
                  const StillWanted& still_wanted) {
  const Json body = parse_body(request.body);
  Fields fields(body);
  ServedEmbedder& served = api.embedding_model();
  const std::string query = fields.required_text("query");
  fields.required("documents");
  const std::vector<std::string> documents = *fields.texts("documents");
  if (documents.size() > kMostTexts)
    throw bad_request("documents", "expected at most {}, found {}", kMostTexts, documents.size());
  const auto top = fields.integer("top_n", 1, 1 << 30);
  const bool with_text = fields.boolean("return_documents").value_or(false);
  fields.accept({"model"});
  const std::vector<float> scores = rank_texts(served, query, documents, still_wanted);
  std::vector<size_t> order(documents.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  if (top) order.resize(std::min(order.size(), static_cast<size_t>(*top)));
  Json results = Json::array();
  for (const size_t i : order) {
    Json entry{{"index", i}, {"relevance_score", scores[i]}};
    if (with_text) entry["document"] = {{"text", documents[i]}};
    results.push_back(std::move(entry));
  }
  send_json(reply, {{"model", served.id}, {"object", "list"}, {"results", std::move(results)}},
            headers_of(fields, "application/json; charset=utf-8"));
}

void embeddings(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  answer_in_turn(make_embeddings, api, request, reply);
}

void rerank(Api& api, const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
  answer_in_turn(make_ranking, api, request, reply);
}

}  // namespace

void add_embeddings(std::vector<Endpoint>& endpoints) {
  endpoints.push_back({"POST", "/v1/embeddings", embeddings});
  endpoints.push_back({"POST", "/embeddings", embeddings});
  for (const char* path : {"/v1/rerank", "/rerank", "/v1/reranking", "/reranking"})
    endpoints.push_back({"POST", path, rerank});
}

}  // namespace issun::serve
