#include "serve/router.h"

#include <algorithm>

namespace issun::serve {

namespace {

// Adds to every answer what its asker's origin needs.
class ForOrigin final : public Reply {
 public:
  ForOrigin(std::shared_ptr<Reply> reply, std::string origin)
      : reply_(std::move(reply)), origin_(std::move(origin)) {}
  void send(int status, Headers headers, std::string body) override {
    add(headers);
    reply_->send(status, std::move(headers), std::move(body));
  }
  void begin(int status, Headers headers, std::string idle) override {
    add(headers);
    reply_->begin(status, std::move(headers), std::move(idle));
  }
  void write(std::string piece) override { reply_->write(std::move(piece)); }
  void finish() override { reply_->finish(); }
  void on_gone(std::function<void()> gone) override { reply_->on_gone(std::move(gone)); }

 private:
  void add(Headers& headers) const {
    headers.emplace_back("Access-Control-Allow-Origin", origin_);
    headers.emplace_back("Vary", "Origin");
  }
  std::shared_ptr<Reply> reply_;
  const std::string origin_;
};

// In a time that does not tell how much of it was right.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    difference |=
        static_cast<unsigned char>(a[i]) ^
        static_cast<unsigned>(b.empty() ? 0 : static_cast<unsigned char>(b[i % b.size()]));
  return difference == 0;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_local_name(std::string_view host) {
  const std::string_view name = without_port(host);
  return name == "localhost" || name.starts_with("127.") || name == "[::1]" ||
         name.ends_with(".localhost");
}

// The page that the server itself gives.
bool is_own_origin(std::string_view origin, std::string_view host) {
  const size_t scheme = origin.find("://");
  return scheme != origin.npos && !host.empty() && origin.substr(scheme + 3) == host;
}

// Another page on this machine.
bool is_local_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return is_local_name(origin.substr(scheme.size()));
  }
  return false;
}

bool leads_to(const Endpoint& endpoint, std::string_view path) {
  const std::string_view own = endpoint.path;
  if (!endpoint.named) return path == own;
  return path.starts_with(own) && path.size() > own.size() &&
         path.find('/', own.size()) == path.npos;
}

constexpr const char* kPagePolicy =
    "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' "
    "data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

}  // namespace

Router::Router(Api& api, RouterOptions options, std::span<const Asset> assets)
    : api_(api), options_(std::move(options)), assets_(assets) {
  for (const auto add : {add_chat, add_completions, add_embeddings, add_tokens, add_status,
                         add_adapters, add_slots, add_ollama, add_responses, add_messages}) {
    add(endpoints_);
  }
}

void Router::check_host(const HttpRequest& request) const {
  if (!options_.local) return;
  const std::string_view host = request.header("host");
  if (host.empty() || is_local_name(host)) return;
  throw ApiError{.status = 403,
                 .message = fmt::format("host: expected localhost, found '{}'", host)};
}

void Router::check_key(const HttpRequest& request) const {
  if (options_.api_keys.empty()) return;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = request.header("authorization");
  given = given.starts_with(kBearer) ? given.substr(kBearer.size()) : request.header("x-api-key");
  bool right = false;
  for (const std::string& key : options_.api_keys) right |= same_secret(given, key);
  if (right) return;
  throw ApiError{.status = 401,
                 .message = given.empty() ? "expected an API key: Authorization: Bearer KEY"
                                          : "the API key is not a right one",
                 .code = "invalid_api_key"};
}

bool Router::may_ask(std::string_view origin, std::string_view host) const {
  if (is_local_origin(origin) || is_own_origin(origin, host)) return true;
  const auto& allowed = options_.cors_origins;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& one) { return one == "*" || one == origin; });
}

void Router::preflight(const HttpRequest& request, Reply& reply) const {
  Headers headers{{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                  {"Access-Control-Max-Age", "600"}};
  const std::string wanted(request.header("access-control-request-headers"));
  if (!wanted.empty()) headers.emplace_back("Access-Control-Allow-Headers", wanted);
  reply.send(204, std::move(headers), "");
}

bool Router::send_asset(const HttpRequest& request, Reply& reply) const {
  if (request.method != "GET" && request.method != "HEAD") return false;
  for (const Asset& asset : assets_) {
    if (asset.path != request.path) continue;
    reply.send(200,
               {{"Content-Type", std::string(asset.content_type)},
                {"Cache-Control", "no-cache"},
                {"X-Content-Type-Options", "nosniff"},
                {"Referrer-Policy", "no-referrer"},
                {"Content-Security-Policy", kPagePolicy}},
               std::string(asset.bytes));
    return true;
  }
  return false;
}

const Endpoint& Router::find(const HttpRequest& request) const {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string others;
  for (const Endpoint& endpoint : endpoints_) {
    if (!leads_to(endpoint, request.path)) continue;
    if (endpoint.method == method) return endpoint;
    others += (others.empty() ? "" : ", ") + std::string(endpoint.method);
  }
  if (others.empty())
    throw ApiError{.status = 404,
                   .message = fmt::format("nothing is at {}", request.path),
                   .code = "not_found"};
  ApiError wrong{
      .status = 405,
      .message = fmt::format("{}: expected {}, found {}", request.path, others, request.method)};
  wrong.allow = others;
  throw wrong;
}

std::optional<Refusal> Router::refusal_of(const HttpRequest& head) const {
  try {
    check(head);
    if (head.method != "OPTIONS" && !find(head).open) check_key(head);
  } catch (const ApiError& error) {
    return worded(error, head.path);
  }
  return std::nullopt;
}

// Host and origin.
void Router::check(const HttpRequest& request) const {
  check_host(request);
  const std::string_view origin = request.header("origin");
  if (origin.empty() || may_ask(origin, request.header("host"))) return;
  throw ApiError{
      .status = 403,
      .message = fmt::format("origin: '{}' may not ask; --cors-origin allows it", origin)};
}

void Router::handle(HttpRequest request, std::shared_ptr<Reply> reply) {
  // `reply` may be wrapped on the way: the refusal goes through it too.
  const auto handle_it = [&] {
    check(request);
    if (const std::string origin(request.header("origin")); !origin.empty())
      reply = std::make_shared<ForOrigin>(std::move(reply), origin);
    if (request.method == "OPTIONS") return preflight(request, *reply);
    if (send_asset(request, *reply)) return;
    const Endpoint& endpoint = find(request);
    if (!endpoint.open) check_key(request);
    endpoint.handle(api_, request, reply);
  };
  answer_with(handle_it, request.path, reply);
}

}  // namespace issun::serve
