// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/client.hpp"
#include "support/load.hpp"
#include "support/load_report.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/socket_base.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace cohort_test {

/// What the coroutines of a `load_client` share; they keep it alive.
class load_state : public std::enable_shared_from_this<load_state> {
public:
  using clock = load_event::clock;

  load_state(asio::io_context& context, const address& to, unsigned clients, connections kind,
      std::string verb)
      : context_(context),
        to_(to.data(), to.size()),
        clients_(clients),
        kind_(kind),
        verb_(std::move(verb)),
        watch_(context),
        progress_(context)
  {
    if (verb_.empty()) verb_ = kind == connections::kept ? "keep" : "get";
  }

  void start();
  asio::awaitable<void> finished(std::size_t more);
  asio::awaitable<void> stop();
  void abandon();

  std::chrono::milliseconds pause{0};
  load_report report;

private:
  using socket = asio::generic::stream_protocol::socket;

  struct one {
    explicit one(asio::io_context& context) : connection(context), rest(context) {}

    socket connection;
    asio::steady_timer rest;
    std::string received;
    load_event request;
    // The request before.
    std::uint64_t last_id = 0;
    std::size_t last_event = 0;
    bool waiting = false;
    bool timed_out = false;
  };

  asio::awaitable<void> run(one& client);
  asio::awaitable<void> ask(one& client);
  asio::awaitable<std::error_code> connect(one& client);
  asio::awaitable<std::error_code> receive_line(one& client);
  asio::awaitable<void> rest(one& client, std::chrono::milliseconds time);
  asio::awaitable<void> watch();
  bool take_repeated(one& client);
  bool take_answer(one& client);
  static bool is_still_open(one& client);
  static void close(one& client);
  static outcome outcome_of(const one& client, std::error_code error);
  void note(one& client, outcome result);
  asio::awaitable<void> wait_for_progress();

  asio::io_context& context_;
  socket::endpoint_type to_;
  unsigned clients_;
  connections kind_;
  std::string verb_;
  std::list<one> running_;
  asio::steady_timer watch_;
  asio::steady_timer progress_;
  bool watching_ = false;
  bool stopping_ = false;
};

/// Clients under which servers are changed: coroutines on the context that the test drives, so that
/// all they see is in one order. Each sends one request after the other, to servers that answer as
/// `load_server` does; each request has a number of its own and ends in exactly one `outcome`.
///
///     load_client load(primary.context, where, 8);
///     load.start();
///     co_await load.finished(1000);
///     co_await load.stop();
///     CHECK_MESSAGE(load.report().not_ok() == 0, load.report().text());
///
/// With `connections::kept` a client goes on with its connection until an answer says "close" or
/// the server closes it between two requests; both are no failures, it connects anew. A request
/// that has been sent when the connection ends is one.
class load_client {
public:
  /// @param verb of all requests; nothing stands for "get" or "keep", as `kind` has it.
  load_client(asio::io_context& context, const address& to, unsigned clients,
      connections kind = connections::of_one_request, std::string verb = "")
      : state_(std::make_shared<load_state>(context, to, clients, kind, std::move(verb)))
  {
  }
  ~load_client() { state_->abandon(); }
  load_client(const load_client&) = delete;
  load_client& operator=(const load_client&) = delete;

  /// How long each client waits between two requests. Default: not at all.
  void pause(std::chrono::milliseconds time) { state_->pause = time; }

  void start() { state_->start(); }

  /// Completes when so many requests more have come to an end.
  asio::awaitable<void> finished(std::size_t more) { return state_->finished(more); }

  /// Each client ends with the request it has begun. Bounded, as each request is, by
  /// `client_limit`.
  asio::awaitable<void> stop() { return state_->stop(); }

  /// Of all requests that have ended; `compare` may change it.
  load_report& report() noexcept { return state_->report; }

private:
  std::shared_ptr<load_state> state_;
};

// Implementation

inline void load_state::start()
{
  stopping_ = false;
  for (unsigned i = 0; i != clients_; ++i) {
    const auto place = running_.emplace(running_.end(), context_);
    asio::co_spawn(context_, run(*place),
        [self = shared_from_this(), this, place](std::exception_ptr failure) {
          running_.erase(place);
          progress_.cancel();
          watch_.cancel();
          if (failure) std::rethrow_exception(failure);
        });
  }
  if (std::exchange(watching_, true)) return;
  asio::co_spawn(context_, watch(), [self = shared_from_this(), this](std::exception_ptr) {
    watching_ = false;
    progress_.cancel();
  });
}

inline asio::awaitable<void> load_state::finished(std::size_t more)
{
  const std::size_t wanted = report.total() + more;
  while (report.total() < wanted) co_await wait_for_progress();
}

inline asio::awaitable<void> load_state::stop()
{
  stopping_ = true;
  for (one& each : running_) each.rest.cancel();
  while (!running_.empty() || watching_) co_await wait_for_progress();
}

// The test has failed, and nobody waits for it.
inline void load_state::abandon()
{
  stopping_ = true;
  for (one& each : running_) {
    each.rest.cancel();
    close(each);
  }
}

inline asio::awaitable<void> load_state::wait_for_progress()
{
  progress_.expires_at(clock::time_point::max());
  std::error_code interrupted;
  co_await progress_.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));
}

// Ends what takes too long.
inline asio::awaitable<void> load_state::watch()
{
  while (!running_.empty()) {
    watch_.expires_after(std::chrono::milliseconds(20));
    std::error_code interrupted;
    co_await watch_.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));
    for (one& each : running_) {
      if (!each.waiting || clock::now() - each.request.begin < client_limit()) continue;
      each.timed_out = true;
      close(each);
    }
  }
}

inline asio::awaitable<void> load_state::run(one& client)
{
  while (!stopping_) {
    client.request = load_event();
    client.request.id = next_id();
    client.request.begin = clock::now();
    client.timed_out = false;
    client.waiting = true;
    co_await ask(client);
    client.waiting = false;
    const bool failed = report.events.back().result != outcome::ok;
    // Whom nobody answers does not ask as fast as they can.
    const auto time = failed ? pause + std::chrono::milliseconds(1) : pause;
    if (time != time.zero() && !stopping_) co_await rest(client, time);
  }
  close(client);
}

inline asio::awaitable<void> load_state::rest(one& client, std::chrono::milliseconds time)
{
  client.rest.expires_after(time);
  std::error_code interrupted;
  co_await client.rest.async_wait(asio::redirect_error(asio::use_awaitable, interrupted));
}

inline asio::awaitable<void> load_state::ask(one& client)
{
  // What ended while nothing was asked is nobody's loss.
  client.request.fresh = !is_still_open(client);
  if (client.request.fresh) {
    const std::error_code error = co_await connect(client);
    if (error || client.timed_out) co_return note(client, outcome_of(client, error));
  }
  const std::string line = std::to_string(client.request.id) + ' ' + verb_ + '\n';
  std::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::async_write(client.connection, asio::buffer(line), token);
  if (!error) error = co_await receive_line(client);
  while (!error && take_repeated(client)) error = co_await receive_line(client);
  if (error) co_return note(client, outcome_of(client, error));
  const bool last = take_answer(client);
  if (client.request.result != outcome::ok) co_return note(client, client.request.result);
  if (kind_ == connections::kept && !last) {
    const bool more = !client.received.empty();
    co_return note(client, more ? outcome::twice : outcome::ok);
  }
  // Nothing but the end follows.
  error = co_await receive_line(client);
  const bool ended = error == asio::error::eof && client.received.empty();
  const bool more = !error || !client.received.empty();
  const outcome otherwise = more ? outcome::twice : outcome_of(client, error);
  note(client, ended ? outcome::ok : otherwise);
}

inline asio::awaitable<std::error_code> load_state::connect(one& client)
{
  close(client);
  client.received.clear();
  std::error_code error;
  client.connection.open(to_.protocol(), error);
  client.connection.non_blocking(true, error);
  while (!error && !client.timed_out) {
    const int descriptor = client.connection.native_handle();
    const int failed = ::connect(descriptor, to_.data(), static_cast<socklen_t>(to_.size()));
    if (failed == 0) break;
    if (errno == EINPROGRESS) {
      auto token = asio::redirect_error(asio::use_awaitable, error);
      co_await client.connection.async_wait(asio::socket_base::wait_write, token);
      int reason = 0;
      socklen_t size = sizeof reason;
      if (!error) ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &reason, &size);
      if (reason != 0) error.assign(reason, asio::error::get_system_category());
      break;
    }
    if (errno != EAGAIN) error.assign(errno, asio::error::get_system_category());
    // A full backlog of a unix socket cannot be waited for; Asio 1.22 takes it for a connection.
    else co_await rest(client, std::chrono::milliseconds(1));
  }
  co_return error;
}

// The next line is at the front of `received` then.
inline asio::awaitable<std::error_code> load_state::receive_line(one& client)
{
  std::array<char, 512> data;
  while (client.received.find('\n') == client.received.npos) {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const std::size_t size = co_await client.connection.async_read_some(asio::buffer(data), token);
    if (error) co_return error;
    client.received.append(data.data(), size);
  }
  co_return std::error_code();
}

// Whether that was a second answer to the request before, which was taken for answered once.
inline bool load_state::take_repeated(one& client)
{
  const auto end = client.received.find('\n');
  std::istringstream words(client.received.substr(0, end));
  std::uint64_t id = 0;
  if (client.request.fresh || !(words >> id) || id != client.last_id) return false;
  report.events[client.last_event].result = outcome::twice;
  client.received.erase(0, end + 1);
  return true;
}

// Whether the server has said that no other answer follows.
inline bool load_state::take_answer(one& client)
{
  const auto end = client.received.find('\n');
  std::istringstream words(client.received.substr(0, end));
  client.received.erase(0, end + 1);
  load_event& request = client.request;
  std::uint64_t id = 0;
  std::string close;
  words >> id >> request.worker >> request.pid >> request.generation;
  request.result = words && id == request.id ? outcome::ok : outcome::wrong;
  words >> close;
  return close == "close";
}

inline bool load_state::is_still_open(one& client)
{
  if (!client.connection.is_open()) return false;
  char byte = 0;
  std::error_code error;
  client.connection.non_blocking(true, error);
  client.connection.receive(asio::buffer(&byte, 1), socket::message_peek, error);
  return !error || error == asio::error::would_block;
}

inline void load_state::close(one& client)
{
  std::error_code ignored;
  client.connection.close(ignored);
}

inline outcome load_state::outcome_of(const one& client, std::error_code error)
{
  if (client.timed_out) return outcome::timeout;
  if (error == asio::error::eof) return outcome::eof;
  switch (error.value()) {
  case ECONNREFUSED:
  case ENOENT: return outcome::refused;
  case ECONNRESET:
  case EPIPE: return outcome::reset;
  case ETIMEDOUT: return outcome::timeout;
  default: return outcome::wrong;
  }
}

inline void load_state::note(one& client, outcome result)
{
  client.request.result = result;
  client.request.end = clock::now();
  client.last_id = client.request.id;
  client.last_event = report.events.size();
  report.events.push_back(client.request);
  if (result != outcome::ok || kind_ != connections::kept) close(client);
  progress_.cancel();
}

} // namespace cohort_test
