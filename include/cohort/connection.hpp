// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/async/lease.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/basic_stream_socket.hpp>

#include <cstddef>
#include <system_error>
#include <utility>

namespace cohort {

/// A client's connection, taken from an `acceptor`: a stream socket and the lease by which its
/// worker counts what still lives.
///
/// It models Asio's AsyncReadStream, AsyncWriteStream, SyncReadStream and SyncWriteStream, so that
/// `asio::async_write`, `asio::async_read_until`, `asio::ssl::stream` and others take it. It is no
/// socket by inheritance: a socket sliced off it would lose the lease. `socket()` gives access for
/// options and endpoints, `release()` gives the socket away and ends the lease.
///
/// Closing shuts the socket down first, so that the client sees the end at once even if another
/// process still holds a copy of the descriptor. Then the lease ends.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
template <class Protocol, class Executor = asio::any_io_executor>
class basic_connection {
public:
  using protocol_type = Protocol;
  using executor_type = Executor;
  using socket_type = typename Protocol::socket::template rebind_executor<Executor>::other;
  using lowest_layer_type = typename socket_type::lowest_layer_type;
  using endpoint_type = typename Protocol::endpoint;
  using shutdown_type = asio::socket_base::shutdown_type;

  template <class OtherExecutor>
  struct rebind_executor {
    using other = basic_connection<Protocol, OtherExecutor>;
  };

  /// A connection of one's own, without a lease.
  explicit basic_connection(socket_type socket) noexcept : socket_(std::move(socket)) {}

  /// The library's own: a socket and what counts it.
  basic_connection(socket_type socket, detail::lease lease) noexcept
      : socket_(std::move(socket)),
        lease_(std::move(lease))
  {
  }

  basic_connection(basic_connection&& other) noexcept = default;
  basic_connection& operator=(basic_connection&& other) noexcept;

  /// Closes. Operations in flight end with `operation_aborted`.
  ~basic_connection() { close(); }

  executor_type get_executor() noexcept { return socket_.get_executor(); }
  socket_type& socket() noexcept { return socket_; }
  const socket_type& socket() const noexcept { return socket_; }
  lowest_layer_type& lowest_layer() noexcept { return socket_.lowest_layer(); }
  const lowest_layer_type& lowest_layer() const noexcept { return socket_.lowest_layer(); }
  bool is_open() const noexcept { return socket_.is_open(); }

  /// Gives the socket away; the lease ends, so a drain does not wait for it any more.
  socket_type release() noexcept;

  /// Shuts the socket down, closes it and ends the lease. Does nothing the second time.
  void close() noexcept;

  /// Ends every operation in flight with `operation_aborted`.
  void cancel() { socket_.cancel(); }
  void cancel(std::error_code& error) { socket_.cancel(error); }

  void shutdown(shutdown_type what) { socket_.shutdown(what); }
  void shutdown(shutdown_type what, std::error_code& error) { socket_.shutdown(what, error); }

  endpoint_type remote_endpoint() const { return socket_.remote_endpoint(); }
  endpoint_type remote_endpoint(std::error_code& error) const
  {
    return socket_.remote_endpoint(error);
  }

  /// Reads some bytes into `buffers`, which stay the caller's and must outlive the operation.
  ///
  /// Completes with `void(error_code, std::size_t)` when at least one byte is there, at the end of
  /// the stream (`asio::error::eof`) or with an error. Cancellation as for `asio::ip::tcp::socket`.
  template <class Buffers, class Token = default_token_t<Executor>>
  auto async_read_some(const Buffers& buffers, Token&& token = Token())
  {
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }

  /// Writes some bytes of `buffers`, which stay the caller's and must outlive the operation.
  ///
  /// Completes with `void(error_code, std::size_t)`. Cancellation as for `asio::ip::tcp::socket`.
  template <class Buffers, class Token = default_token_t<Executor>>
  auto async_write_some(const Buffers& buffers, Token&& token = Token())
  {
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers)
  {
    return socket_.read_some(buffers);
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, std::error_code& error)
  {
    return socket_.read_some(buffers, error);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers)
  {
    return socket_.write_some(buffers);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, std::error_code& error)
  {
    return socket_.write_some(buffers, error);
  }

private:
  socket_type socket_;
  detail::lease lease_;
};

/// The connection of a plain program: any executor.
template <class Protocol>
using connection = basic_connection<Protocol>;

// Implementation

template <class Protocol, class Executor>
basic_connection<Protocol, Executor>& basic_connection<Protocol, Executor>::operator=(
    basic_connection&& other) noexcept
{
  if (this == &other) return *this;
  close();
  socket_ = std::move(other.socket_);
  lease_ = std::move(other.lease_);
  return *this;
}

template <class Protocol, class Executor>
typename basic_connection<Protocol, Executor>::socket_type
basic_connection<Protocol, Executor>::release() noexcept
{
  socket_type socket(std::move(socket_));
  lease_.end();
  return socket;
}

template <class Protocol, class Executor>
void basic_connection<Protocol, Executor>::close() noexcept
{
  if (socket_.is_open()) {
    // A socket whose peer has gone refuses the first, and the second succeeds all the same.
    std::error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
    socket_.close(ignored);
  }
  lease_.end();
}

} // namespace cohort
