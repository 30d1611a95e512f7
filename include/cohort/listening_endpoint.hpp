// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/acceptor.hpp>
#include <cohort/any_host.hpp>
#include <cohort/bound_socket.hpp>
#include <cohort/config.hpp>
#include <cohort/detail/async/transform_handler.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listenable.hpp>
#include <cohort/detail/core/self_core.hpp>
#include <cohort/handle.hpp>
#include <cohort/inherited_fd.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/listen_options.hpp>
#include <cohort/unix_path.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <concepts>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort {

namespace detail {

/// Where `bind` binds: an endpoint of UDP, or a socket that the primary has bound.
template <class Place>
concept bindable =
    std::same_as<Place, asio::ip::udp::endpoint> || std::same_as<Place, inherited_fd>;

/// What connections may be of that come from a socket which was made elsewhere.
template <class Protocol>
concept stream_protocol =
    std::same_as<Protocol, asio::ip::tcp> || std::same_as<Protocol, asio::local::stream_protocol>;

/// No completion token, but options.
template <class T>
concept no_options = !std::same_as<std::decay_t<T>, listen_options>;

} // namespace detail

/// What a worker listens on: the base of `basic_this_worker`.
///
/// Thread safety: that of the worker.
template <class Executor = asio::any_io_executor>
class listening_endpoint {
public:
  listening_endpoint(const listening_endpoint&) = delete;
  listening_endpoint& operator=(const listening_endpoint&) = delete;

  /// Listens at `where` together with all workers that listen there: a `tcp::endpoint`, a
  /// `local::stream_protocol::endpoint`, `any_host`, which is every address of the machine, or a
  /// `unix_path`, which may be longer than an endpoint's.
  ///
  /// The primary binds; the first worker's options count for the socket. Port 0: the n-th open
  /// listen of each worker on port 0 shares one port. A relative path of a unix socket is taken
  /// from this process's working directory, and may be long then; the same path, long or short, is
  /// the same listener however it is said. With `listen_options::exclusive`, or alone, this
  /// process binds for itself.
  ///
  /// Completion signature: `void(std::error_code, basic_acceptor<Protocol, Executor>)`.
  /// Per-operation cancellation: all types; a listener that was joined meanwhile is left again.
  /// Errors: what binding gives (`address_in_use`, `permission_denied`, ...), `address_in_use` also
  /// when this worker listens there already, `filename_too_long` (see `unix_path`) and
  /// `invalid_argument` for paths, `error::draining`, `error::disconnected`.
  /// Source: Node's `server.listen`.
  template <detail::listenable Place, detail::no_options Token = default_token_t<Executor>>
  auto listen(const Place& where, Token&& token = Token())
  {
    return listen(where, listen_options(), std::forward<Token>(token));
  }
  template <detail::listenable Place, class Token = default_token_t<Executor>>
  auto listen(const Place& where, const listen_options& options, Token&& token = Token());

  /// Listens on a socket that the primary has, such as one of a service manager, together with all
  /// workers that do:
  ///
  ///     auto acceptor = co_await self.listen<tcp>(cohort::inherited_fd(3));
  ///
  /// It has to listen already. The primary gives only what it has for other programs anyway, which
  /// is what has no CLOEXEC, and what `cluster::allow_inherited` names. Its descriptor stays open,
  /// and is non-blocking from now on, for all who have the socket; a path is not removed.
  ///
  /// Completion and cancellation as above. Errors: `bad_file_descriptor`, `permission_denied` for
  /// what it does not give, `error::wrong_handle` for what is no listening socket of `Protocol`.
  /// Source: Node's `listen({fd})`.
  template <detail::stream_protocol Protocol, detail::no_options Token = default_token_t<Executor>>
  auto listen(inherited_fd from, Token&& token = Token())
  {
    return listen<Protocol>(from, listen_options(), std::forward<Token>(token));
  }
  template <detail::stream_protocol Protocol, class Token = default_token_t<Executor>>
  auto listen(inherited_fd from, const listen_options& options, Token&& token = Token())
  {
    const bool wants_unix = std::same_as<Protocol, asio::local::stream_protocol>;
    return listen_for<Protocol>(
        detail::listen_key::of(from, detail::wire::listen_kind::inherited_stream, wants_unix),
        std::error_code(), options, std::forward<Token>(token));
  }

  /// Listens on a socket that a service manager has given to the primary, together with all workers
  /// that do, whatever it is bound to:
  ///
  ///     auto acceptor = co_await self.listen<tcp>(cohort::inherited_socket("http"));
  ///
  /// A worker that listens at the address to which it is bound joins as well. With
  /// `listen_options::exclusive`, or alone, it is one that this process was given. The socket stays
  /// the service manager's: it is non-blocking from now on for all who have it, goes on listening
  /// when nobody does here, and a path is not removed.
  ///
  /// Completion and cancellation as above. Errors: `error::not_inherited` when there is none of
  /// that name, `error::wrong_handle` for what is no listening socket of `Protocol`,
  /// `invalid_argument` when the primary's environment contradicts itself. Source: systemd's socket
  /// activation.
  template <detail::stream_protocol Protocol, detail::no_options Token = default_token_t<Executor>>
  auto listen(const inherited_socket& from, Token&& token = Token())
  {
    return listen<Protocol>(from, listen_options(), std::forward<Token>(token));
  }
  template <detail::stream_protocol Protocol, class Token = default_token_t<Executor>>
  auto listen(const inherited_socket& from, const listen_options& options, Token&& token = Token())
  {
    const bool wants_unix = std::same_as<Protocol, asio::local::stream_protocol>;
    return listen_for<Protocol>(detail::listen_key::of(from, wants_unix), std::error_code(),
        options, std::forward<Token>(token));
  }

  /// Accepts from a listening socket of this process, such as one that came with a message, without
  /// the primary; it drains with the rest. A bound socket that does not listen yet begins to, with
  /// `options.backlog()`. A path is not removed.
  ///
  /// @param from is empty afterwards; with an error it is as it was.
  /// @throws std::system_error `error::wrong_handle` for anything but a bound socket of `Protocol`,
  ///   `error::draining`, or what listening gives.
  /// Source: Node's `listen(handle)`.
  template <detail::stream_protocol Protocol>
  basic_acceptor<Protocol, Executor> adopt(
      handle&& from, const listen_options& options = listen_options());
  template <detail::stream_protocol Protocol>
  basic_acceptor<Protocol, Executor> adopt(
      handle&& from, const listen_options& options, std::error_code& error);

  /// A datagram socket that is bound to `where`, which all workers share that bind there: each
  /// datagram goes to the one that reads it first, and answers have one address. With the policy
  /// `reuse_port` each worker has a socket of its own there, and the kernel always gives the same
  /// one what comes from the same sender, as long as no worker comes or goes.
  ///
  /// The primary binds; the first worker's options count for the socket. Port 0 as for `listen`,
  /// but ports of TCP and of datagrams have nothing to do with each other. With
  /// `listen_options::exclusive`, or alone, this process binds for itself. An `inherited_fd` is a
  /// bound UDP socket of the primary, under the conditions of `listen`. When the drain begins,
  /// the socket closes, and what is received then ends with `error::draining`.
  ///
  /// Completion signature: `void(std::error_code, basic_bound_socket<asio::ip::udp, Executor>)`.
  /// Per-operation cancellation and errors as for `listen`.
  /// Source: Node's `dgram` in a cluster.
  template <detail::bindable Place, detail::no_options Token = default_token_t<Executor>>
  auto bind(const Place& where, Token&& token = Token())
  {
    return bind(where, listen_options(), std::forward<Token>(token));
  }
  template <detail::bindable Place, class Token = default_token_t<Executor>>
  auto bind(const Place& where, const listen_options& options, Token&& token = Token());

protected:
  listening_endpoint(const Executor& executor, std::shared_ptr<detail::self_core> core)
      : executor_(executor),
        core_(std::move(core))
  {
  }
  ~listening_endpoint() = default;

private:
  template <class Protocol, class Token>
  auto listen_for(const detail::listen_key& key, std::error_code error,
      const listen_options& options, Token&& token);

  Executor executor_;
  std::shared_ptr<detail::self_core> core_;
};

// Implementation

namespace detail {

template <class Acceptor>
struct deliver_acceptor {
  typename Acceptor::executor_type executor;

  template <class Handler>
  void operator()(Handler handler, std::error_code error, std::shared_ptr<accept_source> source)
  {
    std::move(handler)(error, error ? Acceptor(executor) : Acceptor(executor, std::move(source)));
  }
};

inline listen_key bind_key(const asio::ip::udp::endpoint& where, std::error_code& error)
{
  return listen_key::of(where, error);
}

inline listen_key bind_key(const inherited_fd& from, std::error_code&)
{
  return listen_key::of(from, wire::listen_kind::inherited_datagram);
}

template <class Socket>
struct deliver_bound {
  typename Socket::executor_type executor;

  template <class Handler>
  void operator()(Handler handler, std::error_code error, std::shared_ptr<datagram_source> source)
  {
    std::move(handler)(error, error ? Socket(executor) : Socket(executor, std::move(source)));
  }
};

} // namespace detail

template <class Executor>
template <detail::listenable Place, class Token>
auto listening_endpoint<Executor>::listen(
    const Place& where, const listen_options& options, Token&& token)
{
  std::error_code error;
  const auto key = detail::listen_key::of(where, error);
  using protocol = typename detail::listening_protocol<Place>::type;
  return listen_for<protocol>(key, error, options, std::forward<Token>(token));
}

template <class Executor>
template <class Protocol, class Token>
auto listening_endpoint<Executor>::listen_for(const detail::listen_key& key, std::error_code error,
    const listen_options& options, Token&& token)
{
  using acceptor_type = basic_acceptor<Protocol, Executor>;
  return asio::async_initiate<Token, void(std::error_code, acceptor_type)>(
      [](auto handler, std::shared_ptr<detail::self_core> core, Executor executor,
          detail::listen_key where, std::error_code wrong, listen_options how) {
        detail::transform_handler deliver(
            std::move(handler), detail::deliver_acceptor<acceptor_type>{executor});
        if (wrong) core->fail_listen(std::move(deliver), wrong);
        else core->listen(std::move(deliver), where, how);
      },
      token, core_, executor_, key, error, options);
}

template <class Executor>
template <detail::stream_protocol Protocol>
auto listening_endpoint<Executor>::adopt(handle&& from, const listen_options& options,
    std::error_code& error) -> basic_acceptor<Protocol, Executor>
{
  const bool wants_unix = std::same_as<Protocol, asio::local::stream_protocol>;
  auto source = core_->adopt(from.native_handle(), wants_unix, options, error);
  if (error) return basic_acceptor<Protocol, Executor>(executor_);
  from.close();
  return basic_acceptor<Protocol, Executor>(executor_, std::move(source));
}

template <class Executor>
template <detail::stream_protocol Protocol>
auto listening_endpoint<Executor>::adopt(handle&& from, const listen_options& options)
    -> basic_acceptor<Protocol, Executor>
{
  std::error_code error;
  auto made = adopt<Protocol>(std::move(from), options, error);
  if (error) throw std::system_error(error, "adopt");
  return made;
}

template <class Executor>
template <detail::bindable Place, class Token>
auto listening_endpoint<Executor>::bind(
    const Place& where, const listen_options& options, Token&& token)
{
  std::error_code error;
  const auto key = detail::bind_key(where, error);
  using socket_type = basic_bound_socket<asio::ip::udp, Executor>;
  return asio::async_initiate<Token, void(std::error_code, socket_type)>(
      [](auto handler, std::shared_ptr<detail::self_core> core, Executor executor,
          detail::listen_key place, std::error_code wrong, listen_options how) {
        using source = detail::datagram_source;
        detail::transform_handler deliver(
            std::move(handler), detail::deliver_bound<socket_type>{executor});
        if (wrong) core->template fail_listen<source>(std::move(deliver), wrong);
        else core->template listen<source>(std::move(deliver), place, how);
      },
      token, core_, executor_, key, error, options);
}

} // namespace cohort
