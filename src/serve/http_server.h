// HTTP/1.1: connections to requests, answers to bytes. One thread speaks to all clients, so that a
// slow one costs a socket and no thread; handlers run on others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "serve/http_message.h"

namespace issun::serve {

// The answer to one request. From any thread; a client that has gone makes every call harmless.
class Reply {
 public:
  virtual ~Reply() = default;
  // A whole answer.
  virtual void send(int status, Headers headers, std::string body) = 0;
  // An answer piece by piece: begin, any number of writes, finish. While nothing is written for a
  // while `idle` is, so that nobody on the way takes the silence for an end; empty: nothing is.
  virtual void begin(int status, Headers headers, std::string idle) = 0;
  virtual void write(std::string piece) = 0;
  virtual void finish() = 0;
  // `gone` is called once, on the thread that speaks, if the client goes before the answer is
  // whole; at once if it has gone already.
  virtual void on_gone(std::function<void()> gone) = 0;
};

// An answer that nobody finished is ended as broken when the last owner of the reply lets go.
using Handler = std::function<void(HttpRequest request, std::shared_ptr<Reply> reply)>;

// An answer that needs nothing further.
struct Refusal {
  int status = 400;
  Headers headers;
  std::string body;
};
// Asked of a request that has a body before that is read; nothing: it may come. On the thread that
// speaks.
using Guard = std::function<std::optional<Refusal>(const HttpRequest& head)>;

struct HttpOptions {
  std::string host = "127.0.0.1";  // an address
  int port = 8080;                 // 0: any that is free
  int64_t most_body_bytes = int64_t{64} << 20;
  int most_head_bytes = 16 << 10;
  int most_connections = 1024;
  double read_seconds = 30;                      // for a request to arrive, from its first byte on
  double keep_seconds = 75;                      // for the next request to begin
  double write_seconds = 60;                     // for a client to take what waits for it
  double idle_seconds = 10;                      // between two signs of life
  int64_t most_unread_bytes = int64_t{8} << 20;  // that wait for one client
  int handlers = 2;                              // threads for them
};

class HttpServer {
 public:
  // Listens from now on. Error: an address that is none, or is taken.
  static Result<std::unique_ptr<HttpServer>> listen(const HttpOptions& options, Handler handler,
                                                    Guard guard = nullptr);
  virtual ~HttpServer() = default;
  virtual int port() const = 0;
  virtual int connections() const = 0;
  // Serves on this thread until stop(), or one of SIGINT and SIGTERM: then `closing` is called
  // once, no further connection is taken, and it returns when the answers under way are whole or
  // `patience_seconds` are over, or at a second signal. false: at that.
  virtual bool run(double patience_seconds, std::function<void()> closing) = 0;
  // From any thread.
  virtual void stop() = 0;
};

}  // namespace issun::serve
