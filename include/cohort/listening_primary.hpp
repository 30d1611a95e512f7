// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/any_host.hpp>
#include <cohort/detail/core/cluster_core.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listenable.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/error.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/listen_options.hpp>
#include <cohort/overflow.hpp>
#include <cohort/unix_path.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace cohort {

/// What the primary listens on by itself: the base of `cluster`.
///
/// Thread safety: that of the cluster.
template <class Policy>
class listening_primary {
public:
  listening_primary(const listening_primary&) = delete;
  listening_primary& operator=(const listening_primary&) = delete;

  /// Listens at `where` before there is any worker, and goes on when none is left, whoever else
  /// does: a `tcp::endpoint`, a `local::stream_protocol::endpoint`, `any_host`, a `unix_path`, or
  /// an `inherited_socket`. Workers that listen there, or at the result, join it. While there is
  /// none, clients wait in the kernel's queue for the next one, unless `answer` says otherwise.
  ///
  /// The primary listens until `stop_listening`, or to the cluster's end; `disconnect` does not end
  /// it, but the end of `run` does. A path is removed then.
  ///
  /// Port 0: the primary's n-th open listen on port 0 and the n-th of each worker share one port. A
  /// relative path of a Unix socket is taken from this process's working directory. Where workers
  /// listen already the primary joins them, and the first one's options count. With `reuse_port`
  /// the first worker gets the socket that is opened here.
  ///
  /// Workers join an `inherited_socket` by its name or by its address, whichever they know. It
  /// stays the service manager's, which goes on listening: only the primary's part in it ends, also
  /// with `stop_listening`, and a path is not removed.
  ///
  /// @param options for the socket; what is each worker's own is without effect here.
  /// @return where it is bound, with the port that came out: an endpoint, or a `unix_path`.
  /// Errors: what binding gives (`address_in_use`, `permission_denied`, ...), `address_in_use` also
  /// when the primary listens there already, `error::shutting_down` while the cluster ends; for an
  /// `inherited_socket` `error::not_inherited` and `error::wrong_handle`, see
  /// `listening_endpoint::listen`.
  /// Source: node-cluster, whose master listens; cohort's own with Node's `cluster`.
  template <detail::primary_listenable Place>
  detail::bound_at<Place> listen(
      const Place& where, const listen_options& options = listen_options());
  template <detail::primary_listenable Place>
  detail::bound_at<Place> listen(
      const Place& where, const listen_options& options, std::error_code& error);

  /// The primary does not listen there any more: the socket is closed when no worker uses it, at
  /// once when none does. Clients that still wait in the kernel's queue then are reset. Nothing
  /// happens where the primary does not listen.
  /// @param where what `listen` was given, or its result, here and below.
  template <detail::primary_listenable Place>
  void stop_listening(const Place& where);

  /// While no worker listens there, the primary accepts, and each client gets what `what` says once
  /// it has waited for a worker for `what.after()`: a second unless said, and nothing is waited for
  /// with 0. No more than `what.limit()` wait in the primary at a time. When a worker comes, it
  /// gets who waits still, in the primary or in the kernel. `overflow::queue()` is `hold`.
  ///
  /// It can be said at any time, and anew; with every policy. While clients may come to be answered
  /// so, it is work for the execution context. They count as `connection_counters::unserved`.
  ///
  /// Errors: `address_not_available` where the primary does not listen; what making an epoll set
  /// gives.
  /// Source: node-cluster's `gone`.
  template <detail::primary_listenable Place>
  void answer(const Place& where, overflow what);
  template <detail::primary_listenable Place>
  void answer(const Place& where, overflow what, std::error_code& error);

  /// While no worker listens there, clients wait for one in the kernel's queue, as many as the
  /// backlog says. So it is unless `answer` was called. Who is in the primary already waits as
  /// well. Errors: `address_not_available` where the primary does not listen.
  template <detail::primary_listenable Place>
  void hold(const Place& where)
  {
    answer(where, overflow::queue());
  }
  template <detail::primary_listenable Place>
  void hold(const Place& where, std::error_code& error)
  {
    answer(where, overflow::queue(), error);
  }

protected:
  using core_pointer = std::shared_ptr<detail::cluster_core<Policy>>;

  explicit listening_primary(core_pointer core) noexcept : core_(std::move(core)) {}
  ~listening_primary() = default;

  core_pointer core_;
};

// Implementation

namespace detail {

template <primary_listenable Place>
listen_key key_of(const Place& where, std::error_code& error)
{
  if constexpr (std::same_as<Place, inherited_socket>) return listen_key::of(where);
  else return listen_key::of(where, error);
}

// What names the place that `where` has become.
template <primary_listenable Place>
bound_at<Place> name_bound(
    const Place& where, const listen_key& key, const posix::socket_address& bound)
{
  if constexpr (std::same_as<Place, inherited_socket>) return where;
  else if constexpr (std::same_as<Place, unix_path>)
    return unix_path(key.path.empty() ? std::string(bound.path()) : key.path);
  else return bound.to_endpoint<bound_at<Place>>();
}

} // namespace detail

template <class Policy>
template <detail::primary_listenable Place>
auto listening_primary<Policy>::listen(const Place& where, const listen_options& options,
    std::error_code& error) -> detail::bound_at<Place>
{
  error.clear();
  const auto key = detail::key_of(where, error);
  if (!error && core_->ending()) error = error::shutting_down;
  detail::posix::socket_address bound;
  if (!error) bound = core_->listens().listen(key, options, error);
  return detail::name_bound(where, error ? detail::listen_key() : key, bound);
}

template <class Policy>
template <detail::primary_listenable Place>
auto listening_primary<Policy>::listen(const Place& where, const listen_options& options)
    -> detail::bound_at<Place>
{
  std::error_code error;
  auto bound = listen(where, options, error);
  if (error) throw std::system_error(error, "listen");
  return bound;
}

template <class Policy>
template <detail::primary_listenable Place>
void listening_primary<Policy>::stop_listening(const Place& where)
{
  std::error_code error;
  const auto key = detail::key_of(where, error);
  // Nothing listens at what is no address.
  if (!error) core_->listens().stop(key);
}

template <class Policy>
template <detail::primary_listenable Place>
void listening_primary<Policy>::answer(const Place& where, overflow what, std::error_code& error)
{
  error.clear();
  const auto key = detail::key_of(where, error);
  if (!error) core_->listens().set_unserved(key, std::move(what), error);
}

template <class Policy>
template <detail::primary_listenable Place>
void listening_primary<Policy>::answer(const Place& where, overflow what)
{
  std::error_code error;
  answer(where, std::move(what), error);
  if (error) throw std::system_error(error, "answer");
}

} // namespace cohort
