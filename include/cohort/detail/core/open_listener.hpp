// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A socket that listens in this process, for an `io::listener`.
struct opened_listener {
  posix::unique_fd socket;
  posix::bound_place place;
  io::listener::owner whose = io::listener::owner::self;
  /// Where each worker had one of its own.
  std::vector<posix::unique_fd> others = {};
};

/// Binds where `key` says and listens there. With an error nothing is left, no path either.
/// @param inherited the socket, when the key is one of those that are inherited.
opened_listener open_listener(const listen_key& key, posix::unique_fd inherited,
    const posix::listen_settings& settings, std::error_code& error);

/// Goes on with a listener of the program that this one replaces.
opened_listener open_listener(passed_listener passed, std::error_code& error);

// Implementation

inline opened_listener open_listener(passed_listener passed, std::error_code& error)
{
  opened_listener opened;
  opened.place = place_of(passed, error);
  if (error) return {};
  // Until that program has given it away, its path is none of this one's business.
  const bool has_path =
      passed.file != posix::socket_file() && posix::file_of(opened.place.address) == passed.file;
  if (!has_path) opened.whose = io::listener::owner::elsewhere;
  opened.socket = std::move(passed.sockets.front());
  passed.sockets.erase(passed.sockets.begin());
  opened.others = std::move(passed.sockets);
  return opened;
}

inline opened_listener open_listener(const listen_key& key, posix::unique_fd inherited,
    const posix::listen_settings& settings, std::error_code& error)
{
  opened_listener opened;
  if (inherited) {
    opened.socket = std::move(inherited);
    opened.whose = io::listener::owner::elsewhere;
  } else {
    opened.place =
        key.path.empty() ? posix::bound_place(key.address) : posix::reach_path(key.path, error);
    if (!error) opened.socket = posix::listen_stream(opened.place.address, settings, error);
  }
  if (error) return {};
  const posix::socket_address bound = posix::local_address(opened.socket.get(), error);
  if (error) {
    if (opened.whose == io::listener::owner::self)
      posix::unlink_path(opened.place.address, posix::file_of(opened.place.address));
    return {};
  }
  opened.place.address = bound;
  return opened;
}

} // namespace cohort::detail
