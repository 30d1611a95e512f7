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
#include <exception>
#include <list>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace http {

/// All connections of one worker: ends those that take too long, and the idle ones at the drain.
class server : public std::enable_shared_from_this<server> {
public:
  /// @param proxied whether each connection begins with a header of the PROXY protocol.
  server(const asio::any_io_executor& executor, std::string fields, std::chrono::seconds timeout,
      bool proxied)
      : second_(executor),
        grace_(executor),
        shared_{responses(std::move(fields))}
  {
    shared_.timeout = static_cast<std::uint64_t>(timeout.count());
    shared_.proxied = proxied;
  }

  /// Serves a connection until it is closed.
  void serve(cohort::connection<asio::ip::tcp> client);

  /// When the drain begins, ends the connections that wait for a further request. What is on its
  /// way to us by then still gets its answer.
  static asio::awaitable<void> end_idle(std::shared_ptr<server> self, cohort::this_worker& worker);

private:
  using sessions = std::list<session>;

  // How long a connection may be silent when the drain begins: between two requests, and before
  // the first one, of which the client cannot know that it was not read.
  static constexpr std::chrono::milliseconds idle_grace_{100};
  static constexpr std::chrono::milliseconds fresh_grace_{1000};

  static asio::awaitable<void> run(std::shared_ptr<server> self, sessions::iterator place);
  static asio::awaitable<void> watch(std::shared_ptr<server> self);
  template <class Condition>
  void interrupt_if(Condition condition);
  void stop_clocks_if_done();

  asio::steady_timer second_;
  asio::steady_timer grace_;
  shared_state shared_;
  sessions sessions_;
  bool watching_ = false;
};

// Implementation

inline void server::serve(cohort::connection<asio::ip::tcp> client)
{
  const auto place = sessions_.emplace(sessions_.end(), shared_, std::move(client));
  asio::co_spawn(second_.get_executor(), run(shared_from_this(), place), asio::detached);
  if (watching_) return;
  watching_ = true;
  shared_.answers.refresh_date();
  asio::co_spawn(second_.get_executor(), watch(shared_from_this()), asio::detached);
}

inline asio::awaitable<void> server::run(std::shared_ptr<server> self, sessions::iterator place)
{
  try {
    co_await place->run();
  } catch (const std::exception&) {
    // Out of memory: this connection ends, the others go on.
  }
  self->sessions_.erase(place);
  self->stop_clocks_if_done();
}

inline void server::stop_clocks_if_done()
{
  // With the last connection nothing shall keep a worker that drains.
  if (!shared_.draining || !sessions_.empty()) return;
  second_.cancel();
  grace_.cancel();
}

inline asio::awaitable<void> server::watch(std::shared_ptr<server> self)
{
  while (!self->sessions_.empty()) {
    std::error_code error;
    self->second_.expires_after(std::chrono::seconds(1));
    co_await self->second_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) continue;
    ++self->shared_.now;
    self->shared_.answers.refresh_date();
    self->interrupt_if([](const session& each) { return each.overdue(); });
  }
  self->watching_ = false;
}

template <class Condition>
void server::interrupt_if(Condition condition)
{
  for (session& each : sessions_)
    if (condition(each)) each.interrupt();
}

inline asio::awaitable<void> server::end_idle(
    std::shared_ptr<server> self, cohort::this_worker& worker)
{
  std::error_code error;
  co_await worker.drain_requested(asio::redirect_error(asio::use_awaitable, error));
  self->shared_.draining = true;
  self->stop_clocks_if_done();
  if (self->sessions_.empty()) co_return;
  self->grace_.expires_after(idle_grace_);
  co_await self->grace_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  self->interrupt_if([](const session& each) { return each.idle() && !each.fresh(); });
  if (self->sessions_.empty()) co_return;
  self->grace_.expires_after(fresh_grace_);
  co_await self->grace_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  self->interrupt_if([](const session& each) { return each.idle(); });
}

} // namespace http
