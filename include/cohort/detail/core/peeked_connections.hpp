// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/core/peeked_connection.hpp>
#include <cohort/detail/io/waiting_room.hpp>
#include <cohort/detail/lifecycle/policy_calls.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/scheduling/policy.hpp>

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// The sockets of a listener whose policy wants to see the first bytes of each connection: one
/// whose first bytes are not there yet waits for them, for the time that the policy says at most.
///
/// Those who wait are no part of what workers have credit for: a silent client keeps nobody from a
/// worker. When there are too many, who has waited longest goes on with what there is.
template <class Policy>
class peeked_connections : private listening_sockets {
public:
  using connection_type = peeked_connection;

  /// A client that says nothing has a descriptor of this process: most are for others.
  static std::size_t max_waiting() noexcept
  {
    return std::clamp<std::size_t>(posix::descriptor_limit() / 4, 1, 1024);
  }

  /// @param policy the owner's, which outlives this object.
  /// @param error with one it must not be used.
  /// @param most how many wait at most.
  peeked_connections(listening_sockets sockets, const policy_calls<Policy>& policy,
      std::error_code& error, std::size_t most = max_waiting());

  using listening_sockets::add;
  using listening_sockets::back_off;
  using listening_sockets::bound;
  using listening_sockets::copy_to;
  using listening_sockets::forget_weights;
  using listening_sockets::get_executor;
  using listening_sockets::how;
  using listening_sockets::is_open;
  using listening_sockets::let_go;
  using listening_sockets::own_path;
  using listening_sockets::set_complete;
  using listening_sockets::share;
  using listening_sockets::update;

  std::size_t held() const noexcept { return room_.size(); }
  bool is_empty() const noexcept { return room_.empty() && listening_sockets::is_empty(); }

  /// As that of `io::listener`, with `take(peeked_connection, const socket_address& peer)`.
  /// @param thorough whether nobody is waited for any more.
  template <class Take>
  std::error_code accept(std::size_t limit, bool thorough, Take&& take);

  template <class Handler>
  void wait(Handler handler);
  bool is_waiting() const noexcept
  {
    return (room_.empty() || room_.is_waiting()) && listening_sockets::is_waiting();
  }
  void interrupt() noexcept;
  std::size_t close() noexcept;

private:
  struct arrival {
    int get() const noexcept { return connection.get(); }

    peeked_connection connection;
    posix::socket_address peer;
  };

  bool has_enough(peeked_connection& connection, bool ended) const noexcept
  {
    const bool all = connection.look(peek_of<Policy>);
    return all || ended || policy_.enough(connection.first_bytes());
  }

  const policy_calls<Policy>& policy_;
  std::size_t most_;
  io::waiting_room<arrival> room_;
};

/// What a listener with this policy accepts from.
template <class Policy>
using sockets_for =
    std::conditional_t<peek_of<Policy> == 0, listening_sockets, peeked_connections<Policy>>;

/// Makes that of bare sockets. `policy` and `error` are as those of `peeked_connections`.
template <class Policy>
sockets_for<Policy> add_peek(
    listening_sockets bare, const policy_calls<Policy>& policy, std::error_code& error)
{
  if constexpr (peek_of<Policy> == 0) return bare;
  else return peeked_connections<Policy>(std::move(bare), policy, error);
}

// Implementation

template <class Policy>
peeked_connections<Policy>::peeked_connections(listening_sockets sockets,
    const policy_calls<Policy>& policy, std::error_code& error, std::size_t most)
    : listening_sockets(std::move(sockets)),
      policy_(policy),
      most_(most),
      room_(get_executor(), policy.peek_time(), error)
{
}

template <class Policy>
template <class Take>
std::error_code peeked_connections<Policy>::accept(std::size_t limit, bool thorough, Take&& take)
{
  const auto give = [&](arrival given) {
    --limit;
    take(std::move(given.connection), given.peer);
  };
  room_.look([this](arrival& each, bool ended) { return has_enough(each.connection, ended); });
  while (limit != 0 && (room_.has_leaving() || (thorough && !room_.empty()))) give(room_.leave());
  if (limit == 0) return std::error_code();
  std::error_code not_waiting;
  const std::error_code error = listening_sockets::accept(
      limit, thorough, [&](posix::unique_fd socket, const posix::socket_address& peer) {
        arrival next{peeked_connection(std::move(socket)), peer};
        // Looked at in any case: the policy sees what there is.
        if (has_enough(next.connection, false) || thorough) return give(std::move(next));
        if (room_.size() >= most_) give(room_.leave());
        std::error_code failed;
        room_.enter(std::move(next), failed);
        if (!failed) return;
        not_waiting = failed;
        give(std::move(next));
      });
  // Who says nothing takes no descriptor from who would.
  if (posix::out_of_resources(error))
    for (std::size_t n = room_.size() / 8 + 1; n != 0 && limit != 0 && !room_.empty(); --n)
      give(room_.leave());
  return not_waiting ? not_waiting : error;
}

template <class Policy>
template <class Handler>
void peeked_connections<Policy>::wait(Handler handler)
{
  room_.wait(handler);
  listening_sockets::wait(std::move(handler));
}

template <class Policy>
void peeked_connections<Policy>::interrupt() noexcept
{
  room_.interrupt();
  listening_sockets::interrupt();
}

template <class Policy>
std::size_t peeked_connections<Policy>::close() noexcept
{
  return room_.clear() + listening_sockets::close();
}

} // namespace cohort::detail
