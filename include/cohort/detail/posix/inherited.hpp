// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/descriptor_kind.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/handle_kind.hpp>

#include <fcntl.h>
#include <system_error>

namespace cohort::detail::posix {

/// What somebody else's socket has to be.
enum class inherited_kind {
  listener, ///< A TCP or Unix stream socket that listens.
  datagram, ///< A UDP socket that is bound.
};

/// A second descriptor for a socket of this process that was made elsewhere; non-blocking from now
/// on, for all who have it.
/// Errors: `bad_file_descriptor`, or `error::wrong_handle` when it is none of that kind.
unique_fd share_inherited(int fd, inherited_kind kind, std::error_code& ec) noexcept;

/// Makes a bound stream socket of TCP or, with `is_unix`, of Unix listen, unless it does.
/// Errors: `error::wrong_handle` for anything else; what the kernel says.
void listen_if_bound(int fd, bool is_unix, int backlog, std::error_code& ec) noexcept;

/// Whether programs that this one executes get the descriptor: `permission_denied` when not.
void check_inheritable(int fd, std::error_code& ec) noexcept;

// Implementation

namespace inherited_detail {

inline bool is_bound(int fd, std::error_code& ec) noexcept
{
  const socket_address bound = local_address(fd, ec);
  return !ec && (bound.port() != 0 || !bound.path().empty());
}

} // namespace inherited_detail

inline unique_fd share_inherited(int fd, inherited_kind kind, std::error_code& ec) noexcept
{
  const descriptor_facts facts = facts_of(fd, ec);
  if (ec) return {};
  const bool listens =
      facts.kind == handle_kind::tcp_listener || facts.kind == handle_kind::unix_listener;
  const bool fits = kind == inherited_kind::listener ? listens
                                                     : facts.kind == handle_kind::udp_socket &&
                                                           inherited_detail::is_bound(fd, ec);
  if (!ec && !fits) ec = error::wrong_handle;
  if (ec) return {};
  unique_fd copy = duplicate(fd, ec);
  if (ec) return {};
  const int flags = sys::fcntl(copy.get(), F_GETFL);
  if (flags == -1 || sys::fcntl(copy.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    ec = last_error();
    return {};
  }
  return copy;
}

inline void listen_if_bound(int fd, bool is_unix, int backlog, std::error_code& ec) noexcept
{
  const descriptor_facts facts = facts_of(fd, ec);
  const auto listener = is_unix ? handle_kind::unix_listener : handle_kind::tcp_listener;
  const auto stream = is_unix ? handle_kind::unix_stream : handle_kind::tcp_socket;
  if (ec || facts.kind == listener) return;
  const bool fits = facts.kind == stream && inherited_detail::is_bound(fd, ec);
  if (!ec && !fits) ec = error::wrong_handle;
  if (!ec && sys::listen(fd, backlog) != 0) ec = last_error();
}

inline void check_inheritable(int fd, std::error_code& ec) noexcept
{
  ec.clear();
  const int flags = sys::fcntl(fd, F_GETFD);
  if (flags == -1) ec = last_error();
  else if ((flags & FD_CLOEXEC) != 0) ec = std::make_error_code(std::errc::permission_denied);
}

} // namespace cohort::detail::posix
