// Any bytes as the body of any endpoint, before a real model: an answer or an error, never a crash.
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/check.h"
#include "serve/router.h"

using namespace issun;
using namespace issun::serve;

namespace {

constexpr const char* kPaths[] = {"/v1/chat/completions",
                                  "/v1/completions",
                                  "/v1/responses",
                                  "/v1/messages",
                                  "/api/chat",
                                  "/api/generate",
                                  "/api/show",
                                  "/tokenize",
                                  "/detokenize",
                                  "/apply-template",
                                  "/v1/messages/count_tokens"};

// Ends each answer as a client does that has seen enough.
class Impatient final : public Reply {
 public:
  void send(int status, Headers, std::string) override {
    CHECK_THAT(status >= 200 && status < 600 && status != 500);
    end();
  }
  void begin(int, Headers, std::string) override {}
  void write(std::string) override {}
  void finish() override { end(); }
  void on_gone(std::function<void()> gone) override { gone(); }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(1), [&] { return ended_; });
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  std::mutex mutex_;  // guards ended_
  std::condition_variable changed_;
  bool ended_ = false;
};

struct House {
  std::unique_ptr<engine::Runtime> runtime;
  std::unique_ptr<ServedModel> model;
  std::unique_ptr<Service> service;
  Api api;
  std::unique_ptr<Router> router;
};

House& house() {
  static House* house = [] {
    auto* made = new House;
    const char* source = std::getenv("ISSUN_SOURCE");
    const std::string path =
        std::string(source != nullptr ? source : ".") + "/models/stories260K.gguf";
    engine::RuntimeOptions options{.threads = 1, .context = 64, .max_sequences = 2};
    made->runtime = *engine::Runtime::open(path, options);
    made->model = *ServedModel::create(*made->runtime, {.id = "m", .chat_template = {}});
    ServiceOptions service;
    service.engine.context = 64;
    service.most_running = 2;
    service.most_waiting = 1 << 20;
    made->service = *Service::start(made->runtime->forward(), made->runtime->model().tokenizer,
                                    *made->runtime->new_cache(), service);
    made->api.model = made->model.get();
    made->api.service = made->service.get();
    made->router = std::make_unique<Router>(made->api, RouterOptions{}, std::span<const Asset>());
    return made;
  }();
  return *house;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  HttpRequest request;
  request.method = "POST";
  request.path = kPaths[data[0] % std::size(kPaths)];
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto reply = std::make_shared<Impatient>();
  house().router->handle(std::move(request), reply);
  reply->wait();
  return 0;
}
