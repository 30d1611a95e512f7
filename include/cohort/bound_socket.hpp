// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/async/transform_handler.hpp>
#include <cohort/detail/core/datagram_source.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/error.hpp>
#include <asio/ip/udp.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cohort {

/// A datagram socket that `this_worker::bind` gave: the socket, and this worker's place among those
/// that share it.
///
/// Dropping or closing it leaves. The drain of the worker closes it, and waits for nothing: what is
/// to be sent still has to be sent before.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
template <class Protocol, class Executor = asio::any_io_executor>
class basic_bound_socket {
  static_assert(std::same_as<Protocol, asio::ip::udp>, "datagrams are those of asio::ip::udp");

public:
  using protocol_type = Protocol;
  using executor_type = Executor;
  using endpoint_type = typename Protocol::endpoint;
  using socket_type = detail::datagram_source::socket_type;

  template <class OtherExecutor>
  struct rebind_executor {
    using other = basic_bound_socket<Protocol, OtherExecutor>;
  };

  /// Not bound; every operation fails with `asio::error::bad_descriptor`.
  explicit basic_bound_socket(const executor_type& executor) noexcept : executor_(executor) {}

  /// The library's own.
  basic_bound_socket(const executor_type& executor, std::shared_ptr<detail::datagram_source> source)
      : executor_(executor),
        source_(std::move(source))
  {
  }

  basic_bound_socket(basic_bound_socket&& other) noexcept = default;
  basic_bound_socket& operator=(basic_bound_socket&& other) noexcept;

  /// Closes.
  ~basic_bound_socket() { close(); }

  executor_type get_executor() const noexcept { return executor_; }
  bool is_open() const noexcept { return source_ && source_->is_open(); }

  /// Where it is bound, with the port even if port 0 was asked for.
  /// @throws std::system_error `bad_descriptor` when it never was.
  endpoint_type local_endpoint() const;
  endpoint_type local_endpoint(std::error_code& error) const;

  /// Receives one datagram; one that is larger than `buffers` is cut off.
  ///
  /// @param buffers where to; the memory stays the caller's and valid until the completion.
  /// @param sender gets the address it came from; valid until the completion as well.
  /// Completion signature: `void(std::error_code, std::size_t bytes)`.
  /// Per-operation cancellation: all types that Asio's `async_receive_from` has.
  /// Errors: those of Asio's; `error::draining` when the worker drains, at once or while waiting: a
  /// normal end; `operation_aborted` after `cancel` or `close`.
  /// Source: Asio's `basic_datagram_socket::async_receive_from`.
  template <class Buffers, class Token = default_token_t<Executor>>
  auto async_receive_from(const Buffers& buffers, endpoint_type& sender, Token&& token = Token());

  /// Sends one datagram, from the address that all share.
  ///
  /// @param buffers what; the memory stays the caller's and valid until the completion.
  /// Completion signature, cancellation and errors as for `async_receive_from`.
  /// Source: Asio's `basic_datagram_socket::async_send_to`.
  template <class Buffers, class Token = default_token_t<Executor>>
  auto async_send_to(
      const Buffers& buffers, const endpoint_type& destination, Token&& token = Token());

  /// Ends the operations in flight with `operation_aborted`; the socket stays bound. Never fails.
  void cancel();

  /// Leaves. Operations in flight end with `operation_aborted`.
  void close();

  /// The bytes of `listen_options::shared_data` of the worker that was bound here first, as long as
  /// anybody has been.
  const std::string& shared_data() const noexcept;

  /// The socket itself, for its options and for what Asio has beside the above; it has to be bound.
  /// Workers share what an option changes.
  socket_type& socket() noexcept { return source_->socket(); }

private:
  std::shared_ptr<detail::datagram_source> source() const
  {
    return source_ ? source_ : detail::datagram_source::make_closed(executor_);
  }

  executor_type executor_;
  std::shared_ptr<detail::datagram_source> source_;
};

/// That of a plain program: any executor.
template <class Protocol>
using bound_socket = basic_bound_socket<Protocol>;

// Implementation

namespace detail {

/// Says why an operation on a datagram socket has failed.
struct explain_failure {
  // Weak, because a handler that waits belongs to the socket. When the source is gone it was
  // closed.
  std::weak_ptr<datagram_source> source;

  template <class Handler>
  void operator()(Handler handler, std::error_code error, std::size_t bytes)
  {
    if (error)
      if (const auto from = source.lock()) error = from->outcome(error);
    std::move(handler)(error, bytes);
  }
};

} // namespace detail

template <class Protocol, class Executor>
basic_bound_socket<Protocol, Executor>& basic_bound_socket<Protocol, Executor>::operator=(
    basic_bound_socket&& other) noexcept
{
  if (this == &other) return *this;
  close();
  executor_ = std::move(other.executor_);
  source_ = std::move(other.source_);
  return *this;
}

template <class Protocol, class Executor>
auto basic_bound_socket<Protocol, Executor>::local_endpoint(std::error_code& error) const
    -> endpoint_type
{
  error = source_ ? std::error_code() : asio::error::bad_descriptor;
  return source_ ? source_->local_address().template to_endpoint<endpoint_type>() : endpoint_type();
}

template <class Protocol, class Executor>
auto basic_bound_socket<Protocol, Executor>::local_endpoint() const -> endpoint_type
{
  std::error_code error;
  endpoint_type endpoint = local_endpoint(error);
  if (error) throw std::system_error(error, "local_endpoint");
  return endpoint;
}

template <class Protocol, class Executor>
template <class Buffers, class Token>
auto basic_bound_socket<Protocol, Executor>::async_receive_from(
    const Buffers& buffers, endpoint_type& sender, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
      [](auto handler, std::shared_ptr<detail::datagram_source> from, Buffers to,
          endpoint_type* who) {
        from->socket().async_receive_from(
            to, *who, detail::transform_handler(std::move(handler), detail::explain_failure{from}));
      },
      token, source(), buffers, &sender);
}

template <class Protocol, class Executor>
template <class Buffers, class Token>
auto basic_bound_socket<Protocol, Executor>::async_send_to(
    const Buffers& buffers, const endpoint_type& destination, Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, std::size_t)>(
      [](auto handler, std::shared_ptr<detail::datagram_source> from, Buffers what,
          endpoint_type to) {
        from->socket().async_send_to(
            what, to, detail::transform_handler(std::move(handler), detail::explain_failure{from}));
      },
      token, source(), buffers, destination);
}

template <class Protocol, class Executor>
const std::string& basic_bound_socket<Protocol, Executor>::shared_data() const noexcept
{
  static const std::string none;
  return source_ ? source_->shared_data() : none;
}

template <class Protocol, class Executor>
void basic_bound_socket<Protocol, Executor>::cancel()
{
  std::error_code ignored;
  if (is_open()) source_->socket().cancel(ignored);
}

template <class Protocol, class Executor>
void basic_bound_socket<Protocol, Executor>::close()
{
  if (source_) source_->close(asio::error::operation_aborted);
}

} // namespace cohort
