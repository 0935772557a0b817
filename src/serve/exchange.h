// One answer between the handler that makes it and the connection that sends it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "serve/http_server.h"

namespace issun::serve {

namespace asio = boost::asio;

// What handlers and the connection share of one answer. Handlers put bytes in, the connection takes
// them out.
class Exchange final : public Reply, public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::any_io_executor executor, const HttpOptions& options, bool chunks, bool keep,
           bool head_only)
      : timer_(executor), options_(options), chunks_(chunks), keep_(keep), head_only_(head_only) {}

  void send(int status, Headers headers, std::string body) override {
    const std::lock_guard lock(mutex_);
    if (begun_) return;
    begun_ = finished_ = true;
    pending_ = head_of(status, headers, static_cast<int64_t>(body.size()), keep_);
    if (!head_only_) pending_ += body;
    wake();
  }

  void begin(int status, Headers headers, std::string idle) override {
    const std::lock_guard lock(mutex_);
    if (begun_) return;
    begun_ = streaming_ = true;
    if (!chunks_) keep_ = false;
    pending_ = head_of(status, headers, -1, keep_);
    if (!chunks_) {  // HTTP/1.0: the end of the connection is that of the answer
      const std::string_view line = "Transfer-Encoding: chunked\r\n";
      pending_.erase(pending_.find(line), line.size());
    }
    idle_ = std::move(idle);
    wake();
  }

  void write(std::string piece) override {
    const std::lock_guard lock(mutex_);
    if (!streaming_ || finished_ || overrun_ || piece.empty()) return;
    add(piece);
    if (static_cast<int64_t>(pending_.size()) > options_.most_unread_bytes) overrun_ = true;
    wake();
  }

  void finish() override {
    const std::lock_guard lock(mutex_);
    if (!streaming_ || finished_) return;
    finished_ = true;
    if (chunks_) pending_ += kLastChunk;
    wake();
  }

  void on_gone(std::function<void()> gone) override {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ && !is_gone_) return;
      if (!is_gone_) {
        gone_ = std::move(gone);
        return;
      }
    }
    gone();
  }

  // The rest is the connection's, on its thread.

  struct Taken {
    std::string bytes;
    bool last = false, broken = false;
  };
  Taken take() {
    const std::lock_guard lock(mutex_);
    return {std::exchange(pending_, {}), finished_, overrun_};
  }
  // Something to say although nothing is new.
  void add_idle() {
    const std::lock_guard lock(mutex_);
    if (streaming_ && !finished_ && pending_.empty() && !idle_.empty()) add(idle_);
  }
  bool keeps() const { return keep_; }
  asio::steady_timer& timer() { return timer_; }
  // The client has gone, or the answer is whole.
  void close(bool whole) {
    std::function<void()> gone;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      is_gone_ = !whole;
      finished_ = true;
      gone.swap(gone_);
    }
    if (!whole && gone) gone();
  }
  // Nobody will write any more.
  void abandon() {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    if (begun_) {
      overrun_ = true;
    } else {
      begun_ = finished_ = true;
      pending_ = head_of(500, {}, 0, keep_);
    }
    wake();
  }

 private:
  void add(std::string_view piece) { pending_ += chunks_ ? chunk_of(piece) : std::string(piece); }
  void wake() {
    asio::post(timer_.get_executor(), [this, keep = weak_from_this().lock()] {
      if (keep) timer_.cancel();
    });
  }

  asio::steady_timer timer_;
  const HttpOptions& options_;
  std::mutex mutex_;  // guards all below
  const bool chunks_;
  bool keep_;
  const bool head_only_;
  bool begun_ = false, streaming_ = false, finished_ = false, overrun_ = false;
  bool closed_ = false, is_gone_ = false;
  std::string pending_, idle_;
  std::function<void()> gone_;
};

// What a handler holds: when the last copy is let go of, the answer is over.
class Handle final : public Reply {
 public:
  explicit Handle(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Handle() override { exchange_->abandon(); }
  void send(int status, Headers headers, std::string body) override {
    exchange_->send(status, std::move(headers), std::move(body));
  }
  void begin(int status, Headers headers, std::string idle) override {
    exchange_->begin(status, std::move(headers), std::move(idle));
  }
  void write(std::string piece) override { exchange_->write(std::move(piece)); }
  void finish() override { exchange_->finish(); }
  void on_gone(std::function<void()> gone) override { exchange_->on_gone(std::move(gone)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace issun::serve
