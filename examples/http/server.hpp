// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "session.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace http {

/// All connections of one worker: ends those that take too long, and in the drain those that are
/// idle.
class server : public std::enable_shared_from_this<server> {
public:
  using connection = cohort::connection<asio::ip::tcp>;

  /// @param proxied whether each connection begins with a header of the PROXY protocol.
  server(cohort::this_worker& self, std::string fields, std::chrono::seconds timeout, bool proxied)
      : second_(self.get_executor()),
        shared_{responses(std::move(fields))},
        scope_(self, steps())
  {
    shared_.timeout = static_cast<std::uint64_t>(timeout.count());
    shared_.proxied = proxied;
  }

  /// Serves a connection until it is closed.
  void serve(connection client);

  /// Completes when the drain has begun and every connection has ended.
  static asio::awaitable<void> ended(std::shared_ptr<server> self);

private:
  // What is on its way to us when the drain begins still gets its answer, also on a new connection,
  // of which the client cannot know that it was not read. The deadline is before the primary's.
  static cohort::drain_steps steps()
  {
    return cohort::drain_steps()
        .idle_grace(std::chrono::milliseconds(100))
        .fresh_grace(std::chrono::seconds(1))
        .deadline(std::chrono::seconds(25));
  }

  static asio::awaitable<void> run(
      std::shared_ptr<server> self, connection& client, cohort::session in_scope);
  static asio::awaitable<void> watch(std::shared_ptr<server> self);

  asio::steady_timer second_;
  shared_state shared_;
  cohort::connection_scope scope_;
  bool watching_ = false;
};

// Implementation

inline void server::serve(connection client)
{
  scope_.spawn(
      std::move(client), [self = shared_from_this()](connection& taken, cohort::session in_scope) {
        return run(self, taken, std::move(in_scope));
      });
  if (watching_) return;
  watching_ = true;
  shared_.answers.refresh_date();
  asio::co_spawn(second_.get_executor(), watch(shared_from_this()), asio::detached);
}

inline asio::awaitable<void> server::run(
    std::shared_ptr<server> self, connection& client, cohort::session in_scope)
{
  session one(self->shared_, client, std::move(in_scope));
  co_await one.run();
}

inline asio::awaitable<void> server::watch(std::shared_ptr<server> self)
{
  while (self->scope_.size() != 0) {
    std::error_code error;
    self->second_.expires_after(std::chrono::seconds(1));
    co_await self->second_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) continue;
    ++self->shared_.now;
    self->shared_.answers.refresh_date();
    for (session* const each : self->shared_.sessions)
      if (each->overdue()) each->interrupt();
  }
  self->watching_ = false;
}

inline asio::awaitable<void> server::ended(std::shared_ptr<server> self)
{
  co_await self->scope_.ended();
  self->second_.cancel();
}

} // namespace http
