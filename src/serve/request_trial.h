// For tests and fuzzing: requests without a socket, to a server whose model is real and small and
// which writes no answer, so that of each request all is read and nothing is computed.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "serve/router.h"

namespace issun::serve {

// A template with tools and thoughts.
constexpr const char* kTrialTemplate =
    R"({% if tools %}<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools>{% endif -%}
{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}
<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}</{{ m.role }}>
{% endfor %}{% if add_generation_prompt %}<assistant>{% if enable_thinking %}<think>{% endif %}{# </think> #}{% endif %})";

class RequestTrial {
 public:
  // From the repository's root, or where ISSUN_SOURCE says it is.
  RequestTrial() {
    const char* source = std::getenv("ISSUN_SOURCE");
    const std::string root = source == nullptr ? "" : std::string(source) + "/";
    engine::RuntimeOptions options;
    options.threads = 1;
    options.context = 512;
    runtime_ = must(engine::Runtime::open(root + "models/stories260K.gguf", options));
    model_ = must(ServedModel::create(
        *runtime_, {.id = "small", .chat_template = kTrialTemplate, .adapters = {}}));
    ServiceOptions service;
    service.engine.context = 512;
    service_ = must(Service::start(runtime_->forward(), model_->tokenizer(),
                                   must(runtime_->new_cache()), service));
    service_->refuse_more();
    api_.model = model_.get();
    api_.service = service_.get();
    router_ = std::make_unique<Router>(api_, RouterOptions{}, std::span<const Asset>());
  }

  struct Answer final : Reply {
    int status = 0;
    std::string body;
    void send(int code, Headers, std::string text) override { status = code, body = text; }
    void begin(int code, Headers, std::string) override { status = code; }
    void write(std::string piece) override { body += piece; }
    void finish() override {}
    void on_gone(std::function<void()>) override {}
  };

  // `text`: the path, a line's end, the body. What is read well and needs an answer that would be
  // written gets 503.
  std::shared_ptr<Answer> ask(std::string_view text) {
    const size_t line = std::min(text.find('\n'), text.size());
    HttpRequest request;
    request.method = "POST";
    request.path = text.substr(0, line);
    request.headers = {{"host", "localhost"}};
    request.body = text.substr(std::min(line + 1, text.size()));
    auto answer = std::make_shared<Answer>();
    router_->handle(std::move(request), answer);
    return answer;
  }

 private:
  template <class T>
  static T must(Result<T> result) {
    CHECK_THAT(result.has_value());
    return std::move(*result);
  }

  std::unique_ptr<engine::Runtime> runtime_;
  std::unique_ptr<ServedModel> model_;
  Api api_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Service> service_;
};

}  // namespace issun::serve
