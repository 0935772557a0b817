#include "serve/router.h"

#include <doctest/doctest.h>

using namespace issun;
using namespace issun::serve;

namespace {

struct Heard final : Reply {
  int status = 0;
  Headers headers;
  std::string body;
  void send(int s, Headers h, std::string b) override {
    CHECK(status == 0);
    status = s, headers = std::move(h), body = std::move(b);
  }
  void begin(int s, Headers h, std::string) override { status = s, headers = std::move(h); }
  void write(std::string piece) override { body += piece; }
  void finish() override {}
  void on_gone(std::function<void()>) override {}
  std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

HttpRequest get(std::string path, Headers headers = {{"host", "localhost:8080"}}) {
  HttpRequest request;
  request.method = "GET";
  request.path = std::move(path);
  request.headers = std::move(headers);
  return request;
}

std::shared_ptr<Heard> ask(Router& router, HttpRequest request) {
  auto heard = std::make_shared<Heard>();
  router.handle(std::move(request), heard);
  return heard;
}

}  // namespace

TEST_CASE("What is nowhere is 404, what is asked in the wrong way 405 with the right one") {
  Api api;
  Router router(api, {}, {});
  CHECK(ask(router, get("/health"))->status == 200);
  CHECK(ask(router, get("/nowhere"))->status == 404);
  const auto wrong = ask(router, get("/v1/chat/completions"));
  CHECK(wrong->status == 405);
  CHECK(wrong->body.find("POST") != std::string::npos);
}

TEST_CASE("Without a model that writes, what needs one says so") {
  Api api;
  Router router(api, {}, {});
  HttpRequest request = get("/v1/chat/completions");
  request.method = "POST";
  request.body = R"({"messages":[{"role":"user","content":"hello"}]})";
  CHECK(ask(router, request)->status == 501);
}

TEST_CASE("A key opens all but what is open, and a wrong one nothing") {
  Api api;
  Router router(api, {.api_keys = {"right", "other"}, .cors_origins = {}}, {});
  CHECK(ask(router, get("/health"))->status == 200);
  const auto models = [&](const char* key) {
    return ask(router, get("/v1/models", {{"host", "localhost"}, {"authorization", key}}))->status;
  };
  CHECK(ask(router, get("/v1/models"))->status == 401);
  CHECK(models("Bearer wrong") == 401);
  CHECK(models("Bearer ") == 401);
  CHECK(models("Bearer righ") == 401);
  CHECK(models("right") == 401);
  CHECK(models("Bearer right") == 200);
  CHECK(models("Bearer other") == 200);
}

TEST_CASE("On this machine alone, only this machine's names and pages are served") {
  Api api;
  Router router(api, {}, {});
  for (const char* host : {"localhost", "127.0.0.1:8080", "[::1]:80", ""})
    CHECK(ask(router, get("/health", {{"host", host}}))->status == 200);
  CHECK(ask(router, get("/health", {{"host", "evil.example"}}))->status == 403);
  CHECK(ask(router, get("/health", {{"host", "localhost.evil.example"}}))->status == 403);
  const auto from = [&](const char* origin) {
    return ask(router, get("/health", {{"host", "localhost"}, {"origin", origin}}));
  };
  CHECK(from("https://evil.example")->status == 403);
  CHECK(from("null")->status == 403);
  const auto own = from("http://localhost:3000");
  CHECK(own->status == 200);
  CHECK(own->header("Access-Control-Allow-Origin") == "http://localhost:3000");
}

TEST_CASE("The server's own page may ask by whatever name the server was reached") {
  Api api;
  Router router(api, {.api_keys = {}, .cors_origins = {}, .local = false}, {});
  const auto from = [&](const char* origin) {
    return ask(router, get("/health", {{"host", "192.168.1.5:8080"}, {"origin", origin}}))->status;
  };
  CHECK(from("http://192.168.1.5:8080") == 200);
  CHECK(from("http://192.168.1.6:8080") == 403);
}

TEST_CASE("What is wrong with the head of a request is known before its body is read") {
  Api api;
  Router router(api, {.api_keys = {"k"}, .cors_origins = {}}, {});
  HttpRequest request = get("/v1/chat/completions");
  request.method = "POST";
  CHECK(router.refusal_of(request)->status == 401);
  request.headers.emplace_back("authorization", "Bearer k");
  CHECK_FALSE(router.refusal_of(request));
  request.path = "/nowhere";
  CHECK(router.refusal_of(request)->status == 404);
  request.headers[0].second = "evil.example";
  CHECK(router.refusal_of(request)->status == 403);
}

TEST_CASE("An origin that is allowed may ask, and a preflight says what with") {
  Api api;
  Router router(api, {.api_keys = {}, .cors_origins = {"https://good.example"}}, {});
  HttpRequest request =
      get("/v1/models", {{"host", "localhost"},
                         {"origin", "https://good.example"},
                         {"access-control-request-headers", "authorization, content-type"}});
  request.method = "OPTIONS";
  const auto answer = ask(router, request);
  CHECK(answer->status == 204);
  CHECK(answer->header("Access-Control-Allow-Headers") == "authorization, content-type");
  CHECK(answer->header("Access-Control-Allow-Origin") == "https://good.example");
}

TEST_CASE("Files of the page are given with a policy that lets nothing else in") {
  Api api;
  const Asset page{"/", "text/html; charset=utf-8", "<p>hello"};
  Router router(api, {.api_keys = {"k"}, .cors_origins = {}}, {&page, 1});
  const auto answer = ask(router, get("/"));
  CHECK(answer->status == 200);
  CHECK(answer->body == "<p>hello");
  CHECK(answer->header("Content-Security-Policy").find("default-src 'self'") == 0);
}
