// From a request to the endpoint that answers it: who may ask, from where, and what is said to the
// rest.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api.h"

namespace issun::serve {

struct RouterOptions {
  std::vector<std::string> api_keys;  // any of them opens all endpoints; empty: none is needed
  // Pages of other origins that may ask; "*": all.
  std::vector<std::string> cors_origins;
  // Listening on this machine only: requests must name it as their host, so that no page of
  // elsewhere comes in by a name that points here.
  bool local = true;
};

// A file that is part of the program.
struct Asset {
  std::string_view path;  // "/"
  std::string_view content_type;
  std::string_view bytes;
};

class Router {
 public:
  Router(Api& api, RouterOptions options, std::span<const Asset> assets);
  void handle(HttpRequest request, std::shared_ptr<Reply> reply);
  // What can be said against a request before its body is read: a Guard.
  std::optional<Refusal> refusal_of(const HttpRequest& head) const;

 private:
  void check(const HttpRequest& request) const;
  void check_host(const HttpRequest& request) const;
  void check_key(const HttpRequest& request) const;
  bool may_ask(std::string_view origin, std::string_view host) const;
  void preflight(const HttpRequest& request, Reply& reply) const;
  bool send_asset(const HttpRequest& request, Reply& reply) const;
  const Endpoint& find(const HttpRequest& request) const;

  Api& api_;
  const RouterOptions options_;
  const std::span<const Asset> assets_;
  std::vector<Endpoint> endpoints_;
};

}  // namespace issun::serve
