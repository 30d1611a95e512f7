// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/connection.hpp>
#include <cohort/detail/async/transform_handler.hpp>
#include <cohort/detail/async/wait_operation.hpp>
#include <cohort/detail/core/accept_source.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cohort {

/// Takes the connections that arrive on an address this worker listens on: those that the primary
/// offers to it, or, for `exclusive` and standalone workers, those of a socket of its own.
///
/// Made by `this_worker::listen`. It has the members of Asio's `basic_socket_acceptor` that servers
/// use. A connection is this worker's from the moment `async_accept` gives it: before that, if the
/// worker dies or does not ask, it goes to another.
///
/// Dropping or closing the acceptor leaves the listener; what was offered and not taken goes back.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
template <class Protocol, class Executor = asio::any_io_executor>
class basic_acceptor {
public:
  using protocol_type = Protocol;
  using executor_type = Executor;
  using endpoint_type = typename Protocol::endpoint;
  using connection_type = basic_connection<Protocol, Executor>;

  template <class OtherExecutor>
  struct rebind_executor {
    using other = basic_acceptor<Protocol, OtherExecutor>;
  };

  /// Not listening; every accept fails with `asio::error::bad_descriptor`.
  explicit basic_acceptor(const executor_type& executor) noexcept : executor_(executor) {}

  /// The library's own.
  basic_acceptor(const executor_type& executor, std::shared_ptr<detail::accept_source> source)
      : executor_(executor),
        source_(std::move(source))
  {
  }

  basic_acceptor(basic_acceptor&& other) noexcept = default;
  basic_acceptor& operator=(basic_acceptor&& other) noexcept;

  /// Closes.
  ~basic_acceptor() { close(); }

  executor_type get_executor() const noexcept { return executor_; }

  /// Waits for a connection and takes it.
  ///
  /// The first call lets the primary offer connections to this worker at all, up to
  /// `listen_options().credit()` at a time, which stays so from one call to the next. Several waits
  /// may be in flight; they are served in order. Completes
  /// - with a connection, after the primary knows that it is this worker's;
  /// - with `error::draining` when the worker drains, at once or while waiting: a normal end;
  /// - with `asio::error::operation_aborted` after `cancel` or `close`, or when it is cancelled.
  ///
  /// Completion signature: `void(std::error_code, basic_connection<Protocol, Executor>)`.
  /// Per-operation cancellation: terminal, partial and total, all without loss. When it ends the
  /// last wait, it acts as `cancel`.
  /// Errors of single connections and a full descriptor table are no errors here: the first are
  /// skipped, the second sends the connection to another worker, or waits. A connection that Asio
  /// cannot watch (`fs.epoll.max_user_watches`, memory) is closed; the wait goes on, and what comes
  /// next is taken after a pause.
  /// Executor: the handler runs on its associated executor, never inside this call.
  /// Source: Asio's `basic_socket_acceptor::async_accept`.
  template <class Token = default_token_t<Executor>>
  auto async_accept(Token&& token = Token());

  /// Ends the waits in flight with `operation_aborted`. The acceptor goes on listening, but takes
  /// part in nothing until the next `async_accept`: what is on offer goes back to the primary, for
  /// other workers, and nothing more is offered here. Never fails.
  void cancel();

  /// Leaves the listener. Waits in flight end with `operation_aborted`. Connections live on.
  void close();

  bool is_open() const noexcept { return source_ && source_->is_open(); }

  /// Takes no more than `maximum` connections at a time; the primary offers others elsewhere until
  /// there is room again. Source: Node's `server.maxConnections`.
  void max_connections(std::size_t maximum);

  /// Gives the next `async_accept` this connection, as if it had come in here: it counts for
  /// `max_connections`, a drain waits for its end, and it waits for its turn like others. Up to
  /// 1,024 may wait; a drain and `close` close them. The primary does not know of it, nor do its
  /// counters.
  /// @param socket of any executor; what waits on it ends with `operation_aborted`.
  /// @return false, and `socket` is as it was, when it is not open, the acceptor is closed or
  ///   draining, or as many wait already.
  /// Source: Node's `server.emit('connection', socket)`.
  template <class OtherExecutor>
  bool inject(asio::basic_stream_socket<Protocol, OtherExecutor>&& socket);

  /// Where it listens, with the port that is bound even if port 0 was asked for; an unnamed
  /// endpoint when that is a path of more than 107 bytes, see `path`.
  /// @throws std::system_error `bad_descriptor` when it never listened.
  endpoint_type local_endpoint() const;
  endpoint_type local_endpoint(std::error_code& error) const;

  /// The path of the Unix socket that it listens on, of any length and absolute where this library
  /// has bound it, or its abstract name with the leading NUL; empty for TCP, and when it never
  /// listened.
  std::string path() const;

  /// The bytes of `listen_options::shared_data` of the worker that listened here first, as long as
  /// anybody has done so.
  const std::string& shared_data() const noexcept;

private:
  executor_type executor_;
  std::shared_ptr<detail::accept_source> source_;
};

/// The acceptor of a plain program: any executor.
template <class Protocol>
using acceptor = basic_acceptor<Protocol>;

// Implementation

namespace detail {

/// Makes connection objects of what an `accept_source` gives. When Asio cannot take a socket, that
/// one is closed, and the handler waits on.
template <class Connection>
class deliver_connection {
public:
  using executor_type = typename Connection::executor_type;

  deliver_connection(const executor_type& executor, const std::shared_ptr<accept_source>& source)
      : executor_(executor),
        source_(source),
        local_(source->local_address())
  {
  }

  template <class Handler>
  void operator()(Handler handler, std::error_code error, accepted from)
  {
    typename Connection::socket_type socket(executor_);
    if (!error && !assign(socket, from)) {
      if (auto source = source_.lock()) return wait_again(std::move(handler), std::move(source));
      error = asio::error::operation_aborted;
    }
    std::move(handler)(error, Connection(std::move(socket), std::move(from.lease)));
  }

private:
  // If it fails, nothing is left of the connection.
  bool assign(typename Connection::socket_type& socket, accepted& from)
  {
    using endpoint = typename Connection::endpoint_type;
    std::error_code error;
    socket.assign(local_.to_endpoint<endpoint>().protocol(), from.socket.get(), error);
    if (error) {
      const accepted unusable = std::move(from);
      return false;
    }
    // Only a socket that took it over closes the descriptor.
    from.socket.release();
    return true;
  }

  template <class Handler>
  void wait_again(Handler handler, std::shared_ptr<accept_source> source)
  {
    // The handler's executor has work for as long as the handler waits.
    auto work = keep_working(asio::get_associated_executor(handler, executor_));
    const asio::any_io_executor executor = source->get_executor();
    auto add = [self = *this, handler = std::move(handler), source = std::move(source),
                   work = std::move(work)]() mutable {
      source->pause();
      source->add(transform_handler(std::move(handler), self));
    };
    asio::dispatch(executor, std::move(add));
  }

  executor_type executor_;
  // Weak, because a handler that waits belongs to the source.
  std::weak_ptr<accept_source> source_;
  posix::socket_address local_;
};

} // namespace detail

template <class Protocol, class Executor>
basic_acceptor<Protocol, Executor>& basic_acceptor<Protocol, Executor>::operator=(
    basic_acceptor&& other) noexcept
{
  if (this == &other) return *this;
  close();
  executor_ = std::move(other.executor_);
  source_ = std::move(other.source_);
  return *this;
}

template <class Protocol, class Executor>
template <class Token>
auto basic_acceptor<Protocol, Executor>::async_accept(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, connection_type)>(
      [](auto handler, std::shared_ptr<detail::accept_source> source, Executor executor) {
        using deliver = detail::deliver_connection<connection_type>;
        if (!source) source = detail::closed_source::make(executor);
        source->add(detail::transform_handler(std::move(handler), deliver(executor, source)));
      },
      token, source_, executor_);
}

template <class Protocol, class Executor>
void basic_acceptor<Protocol, Executor>::cancel()
{
  if (source_) source_->cancel();
}

template <class Protocol, class Executor>
const std::string& basic_acceptor<Protocol, Executor>::shared_data() const noexcept
{
  static const std::string none;
  return source_ ? source_->shared_data() : none;
}

template <class Protocol, class Executor>
std::string basic_acceptor<Protocol, Executor>::path() const
{
  return source_ ? source_->path() : std::string();
}

template <class Protocol, class Executor>
void basic_acceptor<Protocol, Executor>::close()
{
  if (source_) source_->close(asio::error::operation_aborted);
}

template <class Protocol, class Executor>
void basic_acceptor<Protocol, Executor>::max_connections(std::size_t maximum)
{
  if (source_) source_->set_max_connections(maximum);
}

template <class Protocol, class Executor>
template <class OtherExecutor>
bool basic_acceptor<Protocol, Executor>::inject(
    asio::basic_stream_socket<Protocol, OtherExecutor>&& socket)
{
  if (!socket.is_open() || !source_ || !source_->takes_injected()) return false;
  source_->inject(detail::posix::unique_fd(socket.release()));
  return true;
}

template <class Protocol, class Executor>
auto basic_acceptor<Protocol, Executor>::local_endpoint(std::error_code& error) const
    -> endpoint_type
{
  error = source_ ? std::error_code() : asio::error::bad_descriptor;
  return source_ ? source_->local_address().template to_endpoint<endpoint_type>() : endpoint_type();
}

template <class Protocol, class Executor>
auto basic_acceptor<Protocol, Executor>::local_endpoint() const -> endpoint_type
{
  std::error_code error;
  endpoint_type endpoint = local_endpoint(error);
  if (error) throw std::system_error(error, "local_endpoint");
  return endpoint;
}

} // namespace cohort
