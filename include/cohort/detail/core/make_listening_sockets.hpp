// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/core/open_listener.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/scheduling/policy.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace cohort::detail {

/// Who accepts for a listener with this policy. Only what is bound here for TCP can have a socket
/// for each worker.
template <class Policy>
wire::sharing sharing_of(const Policy& policy, bool is_one_socket) noexcept
{
  if (distribution_of(policy) == distribution::by_primary) return wire::sharing::offers;
  return wants_own_sockets(policy) && !is_one_socket ? wire::sharing::own_socket
                                                     : wire::sharing::one_socket;
}

/// The sockets of a new listener: those of the program that this one replaces, the one that is
/// inherited, or one that is bound now. With an error there are none.
template <class Policy>
std::optional<listening_sockets> make_listening_sockets(const asio::any_io_executor& executor,
    const wire::listen& message, const listen_key& asked, posix::unique_fd inherited,
    const Policy& policy, std::error_code& error);

// Implementation

template <class Policy>
std::optional<listening_sockets> make_listening_sockets(const asio::any_io_executor& executor,
    const wire::listen& message, const listen_key& asked, posix::unique_fd inherited,
    const Policy& policy, std::error_code& error)
{
  posix::listen_settings settings;
  settings.backlog = static_cast<int>(std::clamp<std::uint32_t>(message.backlog, 1, 65535));
  settings.ipv6_only = (message.flags & wire::listen_ipv6_only) != 0;
  settings.any_host = asked.any_host;
  settings.mode = static_cast<mode_t>(message.mode);
  const bool is_one_socket =
      inherited || !asked.name.empty() || asked.kind != wire::listen_kind::tcp;
  const wire::sharing how = sharing_of(policy, is_one_socket);
  settings.reuse_port = settings.first_of_port = how == wire::sharing::own_socket;
  passed_listener passed = predecessor::of_this_process().take(asked);
  opened_listener opened = passed.sockets.empty()
                               ? open_listener(asked, std::move(inherited), settings, error)
                               : open_listener(std::move(passed), error);
  if (error) return std::nullopt;
  settings.first_of_port = false;
  std::optional<listening_sockets> sockets;
  sockets.emplace(executor, std::move(opened.socket), std::move(opened.place), settings, how, error,
      opened.whose);
  for (posix::unique_fd& each : opened.others)
    if (!error) sockets->add(std::move(each), error);
  if (error) return std::nullopt;
  return sockets;
}

} // namespace cohort::detail
