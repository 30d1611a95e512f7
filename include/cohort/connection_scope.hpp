// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/connection.hpp>
#include <cohort/detail/core/session_core.hpp>
#include <cohort/drain_steps.hpp>
#include <cohort/this_worker.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort {

/// While this lives, the coroutine of a connection waits for its client's next request: a point at
/// which a drain may end the connection and nobody loses anything. Made by `session::idle`.
///
/// It must not outlive the coroutine.
class idle_mark {
public:
  explicit idle_mark(detail::session_entry& session) : session_(&session)
  {
    session_->begin_idle();
  }
  idle_mark(idle_mark&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  idle_mark& operator=(idle_mark&& other) noexcept
  {
    idle_mark taken(std::move(other));
    std::swap(session_, taken.session_);
    return *this;
  }
  ~idle_mark()
  {
    if (session_) session_->end_idle();
  }

private:
  detail::session_entry* session_;
};

/// What the coroutine of one connection knows of its `connection_scope`, and tells it. Cheap to
/// copy.
///
/// Thread safety: as its scope.
class session {
public:
  /// The library's own.
  session(std::shared_ptr<const detail::session_core> core, detail::session_entry& entry) noexcept
      : core_(std::move(core)),
        entry_(&entry)
  {
  }

  /// Whether the drain has begun: say in the answer that it is the last one (`Connection: close`),
  /// and end.
  bool closing() const noexcept { return core_->closing(); }

  /// Marks the wait for a request, the first one too:
  ///
  ///     const auto idle = session.idle();
  ///     co_await client.async_read_some(buffer);
  ///
  /// Only one mark at a time, only in the coroutine, and it has to end when the first bytes of a
  /// request have been read: what is read within it is lost when the drain ends the wait. The
  /// operation has to accept partial cancellation, as reads and waits of Asio do, and timers. (What
  /// is joined by Asio's `||` does not: then only terminal cancellation ends the wait.)
  [[nodiscard]] idle_mark idle() const { return idle_mark(*entry_); }

private:
  std::shared_ptr<const detail::session_core> core_;
  detail::session_entry* entry_;
};

/// The connections that a worker serves, as one scope that a drain ends step by step:
///
///     cohort::connection_scope scope(self, cohort::drain_steps().deadline(10s));
///     for (;;) {
///       auto client = co_await acceptor.async_accept();
///       scope.spawn(std::move(client), serve_one);
///     }
///
/// where `serve_one` is `asio::awaitable<void>(cohort::connection<tcp>&, cohort::session)`.
///
/// When the drain of the worker begins, whoever began it, or `drain` is called:
/// - `session::closing()` is true: the answer to a running request, and to one that comes yet, is
///   the last one of its connection.
/// - Who waits for a request (`session::idle`) gets partial cancellation, which ends that, after
///   `drain_steps::idle_grace`; not when something has arrived by then. Who begins to wait later in
///   the drain has the whole grace: that client may not have been told. Running requests go on.
/// - After `drain_steps::total` all that remain get total cancellation, after `terminal` terminal
///   cancellation, and after `deadline` their sockets are closed: reads and writes of a coroutine
///   that has ignored it all fail. What it awaits besides is its own business.
///
/// Partial cancellation ends what is awaited at that moment and is forgotten, so that a request
/// that has just been read is still answered; after the others each `co_await` throws
/// `operation_aborted`. A coroutine that calls `asio::this_coro::reset_cancellation_state` decides
/// for itself what it accepts.
///
/// The end of a scope, as of a server that is destroyed, gives all terminal cancellation and closes
/// their sockets. The coroutines end by themselves; they may outlive it.
///
/// A connection ends with its coroutine. An exception out of it ends that connection only; it is
/// reported unless it is an end as connections have them: `eof`, `operation_aborted`,
/// `connection_reset` and the like, as `std::system_error`.
///
/// It counts as work of its execution context until the drain has begun, and in a drain as long as
/// there are connections.
///
/// Thread safety: distinct objects safe, shared objects unsafe; used from the executor of its
/// worker, on which the coroutines run too.
class connection_scope {
public:
  using executor_type = asio::any_io_executor;

  /// @param self the worker whose drain this scope follows. When that goes away without a drain,
  ///   `drain` still works.
  template <class Protocol, class Executor>
  explicit connection_scope(
      basic_this_worker<Protocol, Executor>& self, const drain_steps& steps = drain_steps());

  ~connection_scope() { core_->abandon(); }
  connection_scope(const connection_scope&) = delete;
  connection_scope& operator=(const connection_scope&) = delete;

  executor_type get_executor() const noexcept { return executor_; }

  /// Runs the coroutine `serve(client, session)`. The scope owns `client` and `serve`, which may be
  /// a lambda with captures, until the coroutine has ended; then it closes the connection.
  ///
  /// A connection that comes when all others have been cancelled already is closed at once.
  ///
  /// @param client its executor is that of the worker, as that of all its acceptors give.
  /// @param serve function that returns `asio::awaitable<void>`, also of another executor type. An
  ///   exception out of itself counts as one out of the coroutine.
  template <class Protocol, class Executor, class Serve>
  void spawn(basic_connection<Protocol, Executor> client, Serve serve);

  /// How many connections are served.
  std::size_t size() const noexcept { return core_->size(); }

  /// Whether the drain has begun.
  bool closing() const noexcept { return core_->closing(); }

  /// Begins the drain of this scope, whatever its worker does. The second time: nothing.
  void drain() { core_->drain(); }

  /// Completes when the drain has begun and no connection is served any more.
  ///
  /// Completion signature: `void(std::error_code)`. Per-operation cancellation: all types.
  /// Errors: `operation_aborted` when it was cancelled, or when this object goes away first.
  template <class Token = default_token_t<executor_type>>
  auto ended(Token&& token = Token());

  /// Called with each exception that is reported, on the executor, but not after the end of this
  /// object. Without it each is one line on stderr. An exception out of it is one out of the
  /// context's `run`.
  void on_failure(std::function<void(std::exception_ptr)> function)
  {
    core_->on_failure = std::move(function);
  }

private:
  executor_type executor_;
  std::shared_ptr<detail::session_core> core_;
};

// Implementation

namespace detail {

/// A connection with its coroutine's function.
template <class Connection, class Serve>
class session_of final : public session_entry {
public:
  session_of(std::shared_ptr<session_core> core, Connection client, Serve serve)
      : session_entry(std::move(core)),
        client_(std::move(client)),
        serve_(std::move(serve))
  {
  }

  auto run() { return std::invoke(serve_, client_, session(core(), *this)); }
  auto get_executor() noexcept { return client_.get_executor(); }

  bool has_input() noexcept override
  {
    std::error_code ignored;
    return client_.socket().available(ignored) != 0;
  }
  void close() noexcept override { client_.close(); }

private:
  Connection client_;
  Serve serve_;
};

// What a coroutine remembers of a cancellation, and throws at its next `co_await`.
struct remembered_cancellation {
  asio::cancellation_type_t operator()(asio::cancellation_type_t type) const noexcept
  {
    return type & (asio::cancellation_type::total | asio::cancellation_type::terminal);
  }
};

// What the operation in flight is told. Only partial cancellation was not remembered.
struct passed_cancellation {
  asio::cancellation_type_t operator()(asio::cancellation_type_t remembered) const noexcept
  {
    return remembered == asio::cancellation_type::none
               ? asio::cancellation_type_t(asio::cancellation_type::partial)
               : remembered;
  }
};

template <class Executor, class Session>
asio::awaitable<void, Executor> run_session(std::shared_ptr<Session> self)
{
  co_await asio::this_coro::reset_cancellation_state(
      remembered_cancellation(), passed_cancellation());
  // What was cancelled before that was cancelled in vain.
  if (!self->core()->admits()) co_return;
  co_await self->run();
}

} // namespace detail

template <class Protocol, class Executor>
connection_scope::connection_scope(
    basic_this_worker<Protocol, Executor>& self, const drain_steps& steps)
    : executor_(self.get_executor()),
      core_(std::make_shared<detail::session_core>(executor_, steps))
{
  if (self.draining()) {
    core_->drain();
    return;
  }
  self.drain_requested(
      asio::bind_cancellation_slot(core_->drain_slot(), [core = core_](std::error_code error) {
        if (!error) core->drain();
      }));
}

template <class Protocol, class Executor, class Serve>
void connection_scope::spawn(basic_connection<Protocol, Executor> client, Serve serve)
{
  using session_type = detail::session_of<basic_connection<Protocol, Executor>, Serve>;
  using awaitable = decltype(std::declval<session_type&>().run());
  if (!core_->admits()) return;
  const auto made = std::make_shared<session_type>(core_, std::move(client), std::move(serve));
  asio::co_spawn(made->get_executor(), detail::run_session<typename awaitable::executor_type>(made),
      asio::bind_cancellation_slot(
          made->slot(), [made](std::exception_ptr failure) { made->over(failure); }));
}

template <class Token>
auto connection_scope::ended(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code)>(
      [](auto handler, std::shared_ptr<detail::session_core> core) {
        core->add_ended(std::move(handler));
      },
      token, core_);
}

} // namespace cohort
