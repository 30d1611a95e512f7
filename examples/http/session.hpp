// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "request.hpp"
#include "response.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cohort.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace http {

class session;

/// What the connections of one worker share.
struct shared_state {
  responses answers;
  /// Counts seconds while there are connections: a coarse clock that costs a request nothing.
  std::uint64_t now = 0;
  std::uint64_t timeout = 30;
  /// Connections begin with a header of the PROXY protocol.
  bool proxied = false;
  std::list<session*> sessions{};
};

/// One connection: reads requests, answers them in order, as many in one write as have arrived.
class session {
public:
  session(shared_state& shared, cohort::connection<asio::ip::tcp>& client, cohort::session in_scope)
      : shared_(shared),
        client_(client),
        in_scope_(std::move(in_scope)),
        place_(shared.sessions.insert(shared.sessions.end(), this)),
        in_proxy_header_(shared.proxied)
  {
  }
  ~session() { shared_.sessions.erase(place_); }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  /// Completes when the connection is to be closed.
  asio::awaitable<void> run();

  /// Whether what it waits for is overdue.
  bool overdue() const noexcept { return waiting_ && shared_.now >= deadline_; }

  /// Ends its wait: an idle connection closes, an unfinished request gets its 408.
  void interrupt()
  {
    std::error_code ignored;
    client_.cancel(ignored);
  }

private:
  /// What is to be done before more of the input is looked at.
  enum class next { read, write, delay, crash, close };

  static constexpr std::size_t much_output_ = 64 * 1024;
  static constexpr std::uint64_t linger_seconds_ = 2;

  next received(std::size_t size, std::error_code& error);
  next consume();
  next skip_proxy_header();
  next parse();
  next check_header();
  next answer(beast::status status);
  next answer(beast::status status, std::string_view type, std::string_view body,
      std::string_view more_fields = "");
  next finish(persistence after);
  next refuse(beast::status status);

  void write_now(std::error_code& error);
  persistence after_this() const;
  asio::mutable_buffer room();
  void wait_for(std::uint64_t seconds) noexcept;
  asio::awaitable<void> linger();

  shared_state& shared_;
  cohort::connection<asio::ip::tcp>& client_;
  cohort::session in_scope_;
  std::list<session*>::iterator place_;
  // The request that is being read or answered.
  std::optional<request> request_;
  std::size_t header_size_ = 0;
  std::string body_;
  std::string output_;
  std::size_t written_ = 0;
  unsigned writes_ = 0;
  std::uint64_t deadline_ = 0;
  bool waiting_ = false;
  bool in_proxy_header_;
  // The client may go on sending, what it sends is not going to be read.
  bool unread_ = false;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::array<char, 2 * header_limit> input_;
};

// Implementation

inline asio::awaitable<void> session::run()
{
  using asio::redirect_error;
  using asio::use_awaitable;
  std::error_code error;
  client_.socket().non_blocking(true, error);
  next what = next::read;
  while (what != next::close && !error) {
    if (what == next::read) {
      std::optional<cohort::idle_mark> idle;
      if (!request_) {
        wait_for(shared_.timeout);
        idle = in_scope_.idle();
      }
      waiting_ = true;
      const std::size_t size =
          co_await client_.async_read_some(room(), redirect_error(use_awaitable, error));
      waiting_ = false;
      idle.reset();
      what = received(size, error);
    } else if (what == next::delay) {
      asio::steady_timer timer(client_.get_executor(), request_->delay());
      co_await timer.async_wait(use_awaitable);
      what = answer(beast::status::ok, "text/plain",
          "waited " + std::to_string(request_->delay().count()) + " ms\n");
    } else {
      what = consume();
    }
    write_now(error);
    while (error == asio::error::would_block) {
      wait_for(shared_.timeout);
      co_await client_.socket().async_wait(
          asio::ip::tcp::socket::wait_write, redirect_error(use_awaitable, error));
      waiting_ = false;
      if (!error) write_now(error);
    }
    if (what == next::crash) std::abort();
  }
  if (unread_ && !error) co_await linger();
}

inline void session::wait_for(std::uint64_t seconds) noexcept
{
  waiting_ = true;
  // The current second has begun already.
  deadline_ = shared_.now + seconds + 1;
}

inline asio::mutable_buffer session::room()
{
  if (begin_ != 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return asio::buffer(input_) + end_;
}

inline session::next session::received(std::size_t size, std::error_code& error)
{
  // A request may have arrived at the very moment of an interruption.
  if (error == asio::error::operation_aborted) size = client_.read_some(room(), error);
  if (error == asio::error::would_block) {
    error.clear();
    return request_ && shared_.now >= deadline_ ? refuse(beast::status::request_timeout)
                                                : next::close;
  }
  if (error) return next::close;
  end_ += size;
  return consume();
}

inline session::next session::consume()
{
  if (in_proxy_header_)
    if (const next what = skip_proxy_header(); what != next::write) return what;
  while (begin_ != end_ && output_.size() < much_output_) {
    const next what = parse();
    if (what != next::write) return what;
  }
  return begin_ == end_ ? next::read : next::write;
}

inline session::next session::skip_proxy_header()
{
  const auto input = std::as_bytes(std::span(input_).subspan(begin_, end_ - begin_));
  const auto size = cohort::proxy_header(input).size();
  // Who asks for more than there is room for is no balancer.
  if (size > input_.size()) return next::close;
  if (!size || *size > input.size()) return next::read;
  begin_ += *size;
  in_proxy_header_ = false;
  return next::write;
}

inline session::next session::parse()
{
  if (!request_) {
    // Old clients send an empty line after a body.
    while (begin_ != end_ && (input_[begin_] == '\r' || input_[begin_] == '\n')) ++begin_;
    if (begin_ == end_) return next::read;
    request_.emplace(body_);
    header_size_ = 0;
    deadline_ = shared_.now + shared_.timeout + 1;
  }
  const bool in_header = !request_->is_header_done();
  boost::beast::error_code error;
  const std::size_t used =
      request_->put(boost::asio::const_buffer(input_.data() + begin_, end_ - begin_), error);
  begin_ += used;
  if (in_header) header_size_ += used;
  const bool header_done = request_->is_header_done();
  if (error == beast::error::header_limit ||
      (in_header && header_size_ + (header_done ? 0 : end_ - begin_) > header_limit))
    return refuse(beast::status::request_header_fields_too_large);
  if (error == beast::error::body_limit) return refuse(beast::status::payload_too_large);
  if (error == beast::error::need_more && end_ - begin_ != input_.size()) return next::read;
  if (error) return refuse(beast::status::bad_request);
  if (request_->is_done()) return answer(request_->problem());
  return in_header ? check_header() : next::write;
}

inline session::next session::check_header()
{
  const beast::status problem = request_->problem();
  // Such a body would be waited for in vain, or nobody knows where it ends.
  if (problem != beast::status::ok && request_->expects_continue()) return refuse(problem);
  if (problem == beast::status::bad_request) return refuse(problem);
  if (request_->expects_continue() && begin_ == end_)
    output_.append("HTTP/1.1 100 Continue\r\n\r\n");
  return next::write;
}

inline session::next session::answer(beast::status status)
{
  switch (status) {
  case beast::status::ok: break;
  case beast::status::bad_request:
  case beast::status::expectation_failed: return refuse(status);
  case beast::status::method_not_allowed:
    return answer(status, "text/plain", text_of(status),
        request_->what() == resource::echo ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
  default: return answer(status, "text/plain", text_of(status));
  }
  switch (request_->what()) {
  case resource::hello: {
    const persistence after = after_this();
    shared_.answers.hello(output_, after, request_->is_head());
    return finish(after);
  }
  case resource::slow: return next::delay;
  case resource::crash: return next::crash;
  case resource::echo: return answer(status, "application/octet-stream", request_->body());
  case resource::none: break;
  }
  return refuse(beast::status::not_found);
}

inline session::next session::answer(beast::status status, std::string_view type,
    std::string_view body, std::string_view more_fields)
{
  const persistence after = after_this();
  shared_.answers.append(output_, status, after, request_->is_head(), type, body, more_fields);
  return finish(after);
}

inline persistence session::after_this() const
{
  if (in_scope_.closing() || !request_->keep_alive()) return persistence::close;
  return request_->is_http_1_0() ? persistence::keep_alive : persistence::implied;
}

inline session::next session::finish(persistence after)
{
  // A client that was promised more may have sent its next request already.
  unread_ = after == persistence::close && request_->keep_alive();
  request_.reset();
  if (body_.capacity() > much_output_) body_ = std::string();
  return after == persistence::close ? next::close : next::write;
}

inline session::next session::refuse(beast::status status)
{
  const bool head_only = request_->is_head();
  shared_.answers.append(
      output_, status, persistence::close, head_only, "text/plain", text_of(status));
  request_.reset();
  unread_ = true;
  return next::close;
}

inline void session::write_now(std::error_code& error)
{
  // Only a second answer could be held back by the first one's missing acknowledgement.
  if (!output_.empty() && written_ == 0 && ++writes_ == 2) {
    std::error_code ignored;
    client_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  }
  while (written_ != output_.size() && !error)
    written_ += client_.write_some(asio::buffer(output_) + written_, error);
  if (error) return;
  written_ = 0;
  output_.clear();
  if (output_.capacity() > 2 * much_output_) output_ = std::string();
}

inline asio::awaitable<void> session::linger()
{
  // Closing with unread input would reset the connection, and the client might lose the answer.
  std::error_code error;
  client_.shutdown(asio::socket_base::shutdown_send, error);
  wait_for(linger_seconds_);
  for (std::size_t read = 0; !error && read < 2 * body_limit;) {
    read += co_await client_.async_read_some(
        asio::buffer(input_), asio::redirect_error(asio::use_awaitable, error));
  }
}

} // namespace http
