#include "serve/http_server.h"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <vector>

#include "base/thread.h"
#include "base/utf8.h"
#include "serve/exchange.h"

namespace issun::serve {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);  // errors as values

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
}

using Parser = http::request_parser<http::string_body>;

HttpRequest head_of_request(Parser& parser) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t question = target.find('?');
  request.path = percent_decoded(target.substr(0, question));
  if (question != std::string::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(lower_ascii(field.name_string()), std::string(field.value()));
  }
  return request;
}

HttpRequest request_of(Parser& parser) {
  HttpRequest request = head_of_request(parser);
  request.body = std::move(parser.get().body());
  return request;
}

std::string refusal(int status, std::string_view message) {
  const std::string body = fmt::format(
      R"({{"error":{{"message":"{}","type":"invalid_request_error","param":null,"code":{}}}}})",
      message, status);
  return head_of(status, {{"Content-Type", "application/json"}}, static_cast<int64_t>(body.size()),
                 false) +
         body;
}

class Server final : public HttpServer {
 public:
  Server(const HttpOptions& options, Handler handler, Guard guard)
      : options_(options),
        handler_(std::move(handler)),
        guard_(std::move(guard)),
        acceptor_(io_),
        signals_(io_),
        deadline_(io_) {}

  ~Server() override {
    handlers_.stop();
    threads_.clear();
  }

  Result<void> open() {
    error_code error;
    const auto address = asio::ip::make_address(options_.host, error);
    if (error)
      return fail("--host: expected an address such as 127.0.0.1, found '{}'", options_.host);
    const tcp::endpoint endpoint(address, static_cast<uint16_t>(options_.port));
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return fail("{}:{}: {}", options_.host, options_.port, error.message());
    for (int i = 0; i < options_.handlers; ++i) {
      threads_.push_back(TRY(Thread::start([this] { handlers_.run(); })));
    }
    return {};
  }

  int port() const override { return acceptor_.local_endpoint().port(); }
  int connections() const override { return connections_; }

  bool run(double patience_seconds, std::function<void()> closing) override {
    patience_ = patience_seconds;
    closing_ = std::move(closing);
    error_code ignored;
    signals_.add(SIGINT, ignored);
    signals_.add(SIGTERM, ignored);
    asio::co_spawn(io_, watch_signals(), asio::detached);
    asio::co_spawn(io_, accept(), asio::detached);
    io_.run();
    // Nothing of the handlers goes on behind the back of the caller.
    signals_.clear(ignored);
    handlers_.stop();
    threads_.clear();
    return !hurried_;
  }

  void stop() override {
    asio::post(io_, [this] { close(); });
  }

 private:
  asio::awaitable<void> watch_signals() {
    for (int count = 0; !done_; ++count) {
      const auto [error, signal] = co_await signals_.async_wait(kQuietly);
      if (error) co_return;
      if (count == 0) {
        close();
      } else {
        hurried_ = true;
        io_.stop();
      }
    }
  }

  // No more connections; the end comes when the answers under way are whole.
  void close() {
    if (closing_now_) return;
    closing_now_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    if (closing_) closing_();
    for (tcp::socket* socket : idle_) socket->cancel(ignored);
    deadline_.expires_after(milliseconds(patience_));
    deadline_.async_wait([this](error_code error) {
      if (!error) io_.stop();
    });
    end_if_done();
  }

  void end_if_done() {
    if (!closing_now_ || connections_ > 0) return;
    done_ = true;
    deadline_.cancel();
    signals_.cancel();
  }

  asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kQuietly);
      if (closing_now_) co_return;
      if (error) {  // too many open files: others have to close theirs first
        asio::steady_timer pause(io_, std::chrono::milliseconds(50));
        co_await pause.async_wait(kQuietly);
        continue;
      }
      if (connections_ >= options_.most_connections) {
        turn_away(std::move(socket));
        continue;
      }
      ++connections_;
      asio::co_spawn(io_, serve(beast::tcp_stream(std::move(socket))), [this](std::exception_ptr) {
        --connections_;
        end_if_done();
      });
    }
  }

  // Politely, and without waiting for anything.
  static void turn_away(tcp::socket socket) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    static const std::string answer = [] {
      std::string text = refusal(503, "too many connections");
      return text.insert(text.find("\r\n") + 2, "Retry-After: 1\r\n");
    }();
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(tcp::socket::shutdown_both, ignored);
  }

  asio::awaitable<void> serve(beast::tcp_stream stream) {
    error_code ignored;
    stream.socket().set_option(tcp::no_delay(true), ignored);
    beast::flat_buffer buffer(static_cast<size_t>(options_.most_head_bytes) + (64 << 10));
    bool keep = true;
    while (keep && !closing_now_) keep = co_await serve_one(stream, buffer);
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  // false: the connection ends.
  asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    if (buffer.size() == 0) {
      stream.expires_after(milliseconds(options_.keep_seconds));
      idle_.push_back(&stream.socket());
      const auto [error, bytes] = co_await stream.async_read_some(buffer.prepare(4096), kQuietly);
      std::erase(idle_, &stream.socket());
      if (error || closing_now_) co_return false;
      buffer.commit(bytes);
    }
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(options_.most_head_bytes));
    parser.body_limit(static_cast<uint64_t>(options_.most_body_bytes));
    stream.expires_after(milliseconds(options_.read_seconds));
    const auto [error, bytes] = co_await http::async_read_header(stream, buffer, parser, kQuietly);
    if (error) co_return co_await refuse(stream, error);
    if (!parser.is_done() && guard_) {
      if (const auto refused = guard_(head_of_request(parser))) {
        stream.expires_after(std::chrono::seconds(2));
        const std::string text = head_of(refused->status, refused->headers,
                                         static_cast<int64_t>(refused->body.size()), false) +
                                 refused->body;
        co_await asio::async_write(stream, asio::buffer(text), kQuietly);
        co_await take_leave(stream);
        co_return false;
      }
    }
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream, asio::buffer(go_on), kQuietly);
    }
    if (!parser.is_done()) {
      const auto [failed, more] = co_await http::async_read(stream, buffer, parser, kQuietly);
      if (failed) co_return co_await refuse(stream, failed);
    }
    const bool modern = parser.get().version() >= 11;
    auto exchange = std::make_shared<Exchange>(stream.get_executor(), options_, modern,
                                               parser.keep_alive() && modern && !closing_now_,
                                               parser.get().method() == http::verb::head);
    asio::post(handlers_, [this, request = request_of(parser),
                           handle = std::make_shared<Handle>(exchange)]() mutable {
      handler_(std::move(request), std::move(handle));
    });
    Closing closing{*exchange};
    const bool whole = co_await answer(stream, *exchange, buffer.size() == 0);
    closing.done = true;
    exchange->close(whole);
    co_return whole && exchange->keeps();
  }

  // Where the server stops at once, and this coroutine with it, nobody is told any more, and what
  // waits to be told goes: it holds the exchange.
  struct Closing {
    Exchange& exchange;
    bool done = false;
    ~Closing() {
      if (!done) exchange.close(true);
    }
  };

  // Ends so that the last words arrive: a connection that is closed with bytes unread is reset.
  static asio::awaitable<void> take_leave(beast::tcp_stream& stream) {
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    std::vector<char> dropped(64 << 10);
    for (int i = 0; i < 64; ++i) {
      const auto [error, bytes] = co_await stream.async_read_some(asio::buffer(dropped), kQuietly);
      if (error || bytes == 0) co_return;
    }
  }

  // What could not be read is said, where it is worth an answer.
  asio::awaitable<bool> refuse(beast::tcp_stream& stream, error_code error) {
    std::string text;
    if (error == http::error::body_limit) {
      text =
          refusal(413, fmt::format("the body is longer than {} bytes", options_.most_body_bytes));
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      text = refusal(431,
                     fmt::format("the headers are longer than {} bytes", options_.most_head_bytes));
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
      text = refusal(400, "this is not HTTP");
    }
    if (!text.empty()) {
      stream.expires_after(std::chrono::seconds(2));
      co_await asio::async_write(stream, asio::buffer(text), kQuietly);
      co_await take_leave(stream);
    }
    co_return false;
  }

  // Writes what the handler gives as it comes. false: the client has gone, or the answer broke.
  // watch: nothing of a further request has come, so that whatever can be read is an end, or one.
  asio::awaitable<bool> answer(beast::tcp_stream& stream, Exchange& exchange, bool watch) {
    const auto client = std::make_shared<Client>();
    if (watch) watch_client(stream.socket(), exchange, client);
    const bool whole = co_await write_all(stream, exchange, *client);
    client->watched = false;
    error_code ignored;
    stream.socket().cancel(ignored);
    co_return whole;
  }

  struct Client {
    bool gone = false;
    bool watched = true;
  };

  asio::awaitable<bool> write_all(beast::tcp_stream& stream, Exchange& exchange,
                                  const Client& client) {
    for (;;) {
      const Exchange::Taken taken = exchange.take();
      if (taken.broken || client.gone) co_return false;
      if (!taken.bytes.empty()) {
        stream.expires_after(milliseconds(options_.write_seconds));
        const auto [error, bytes] =
            co_await asio::async_write(stream, asio::buffer(taken.bytes), kQuietly);
        if (error) co_return false;
      }
      if (taken.last) co_return true;
      if (!taken.bytes.empty()) continue;  // more may have come meanwhile
      exchange.timer().expires_after(milliseconds(options_.idle_seconds));
      const auto [cancelled] = co_await exchange.timer().async_wait(kQuietly);
      if (!cancelled) exchange.add_idle();
    }
  }

  // Sees the client go while the answer is being made.
  static void watch_client(tcp::socket& socket, Exchange& exchange,
                           std::shared_ptr<Client> client) {
    socket.async_wait(tcp::socket::wait_read, [&socket, &exchange, client](error_code error) {
      if (error || !client->watched) return;
      char byte;
      error_code failure;
      socket.non_blocking(true, failure);
      const size_t n = socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, failure);
      if (n > 0 || failure == asio::error::would_block) return;  // the next request: later
      client->gone = true;
      exchange.timer().cancel();
    });
  }

  const HttpOptions options_;
  Handler handler_;
  Guard guard_;
  asio::io_context io_{1};
  asio::io_context handlers_;
  asio::executor_work_guard<asio::io_context::executor_type> handlers_stay_ =
      asio::make_work_guard(handlers_);
  tcp::acceptor acceptor_;
  asio::signal_set signals_;
  asio::steady_timer deadline_;
  std::vector<tcp::socket*> idle_;  // that wait for a request
  std::atomic<int> connections_ = 0;
  bool closing_now_ = false, done_ = false, hurried_ = false;
  double patience_ = 0;
  std::function<void()> closing_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpOptions& options, Handler handler,
                                                       Guard guard) {
  auto server = std::make_unique<Server>(options, std::move(handler), std::move(guard));
  TRY(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace issun::serve
