// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/handle.hpp>

#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort {

/// A descriptor that a service manager has given to this process, and what it calls it.
struct named_handle {
  std::string name;
  handle socket;
};

// What a service manager gives is read from the environment (LISTEN_PID, LISTEN_FDS,
// LISTEN_FDNAMES) by the first of these functions, or the first use of an `inherited_socket`. From
// then on the variables are gone and the descriptors have CLOEXEC, so that no child takes either.
// As it changes the environment, that has to happen while no other thread reads it; after that they
// may be called from any thread. In a process that was started otherwise there is nothing, but in
// one that an upgrade has started: there is what its predecessor listened on, as soon as the
// supervisor is made. Source: systemd's `sd_listen_fds_with_names`.

/// The names of those that nobody has claimed: neither a `listen` on an `inherited_socket` of that
/// name nor `take_inherited_sockets`. `unknown` where the service manager said none.
/// @throws std::system_error `invalid_argument` when the environment contradicts itself: numbers
///   that are none, or names that are not as many; `bad_file_descriptor` when a descriptor is not
///   there.
std::vector<std::string> inherited_socket_names();
/// The same with those errors in `error`.
std::vector<std::string> inherited_socket_names(std::error_code& error);

/// Gives those to the caller, in their order: for programs that do without a cluster, and for what
/// is no listening socket. `handle::kind` says what each is.
///
///     for (auto& [name, socket] : cohort::take_inherited_sockets())
///       if (name == "http") acceptor = socket.to<tcp::acceptor>(io);
///
/// @throws std::system_error as above.
std::vector<named_handle> take_inherited_sockets();
/// The same with those errors in `error`.
std::vector<named_handle> take_inherited_sockets(std::error_code& error);

/// Closes all that were not taken. Who listens on one goes on, but nobody can begin to.
///
/// A `supervisor` closes by itself what nobody has claimed when it begins to run, but for the
/// descriptors that `cluster::allow_inherited` has named. What was claimed stays open until the
/// process ends, or has been upgraded, so that it can be listened on again.
inline void close_inherited_sockets() { detail::service_sockets::of_this_process().close_all(); }

// Implementation

inline std::vector<std::string> inherited_socket_names(std::error_code& error)
{
  return detail::service_sockets::of_this_process().unclaimed(error);
}

inline std::vector<std::string> inherited_socket_names()
{
  std::error_code error;
  auto names = inherited_socket_names(error);
  if (error) throw std::system_error(error, "inherited sockets");
  return names;
}

inline std::vector<named_handle> take_inherited_sockets(std::error_code& error)
{
  std::vector<named_handle> all;
  for (auto& each : detail::service_sockets::of_this_process().take_unclaimed(error)) {
    handle taken = handle::adopt(each.socket.get(), error);
    if (error) return {};
    each.socket.release();
    all.push_back(named_handle{std::move(each.name), std::move(taken)});
  }
  return all;
}

inline std::vector<named_handle> take_inherited_sockets()
{
  std::error_code error;
  auto all = take_inherited_sockets(error);
  if (error) throw std::system_error(error, "inherited sockets");
  return all;
}

} // namespace cohort
