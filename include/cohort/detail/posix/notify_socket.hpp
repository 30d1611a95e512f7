// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <string>
#include <string_view>
#include <sys/uio.h>
#include <system_error>

namespace cohort::detail::posix {

/// Where NOTIFY_SOCKET leads to: an absolute path, or with '@' in front an abstract name.
/// Errors: `address_family_not_supported` for any other form, `filename_too_long`.
socket_address notify_address(std::string_view text, std::error_code& ec) noexcept;

/// Sends one datagram there, at once or not at all, and keeps no descriptor. The kernel tells the
/// receiver who has sent it.
void send_datagram(const socket_address& to, std::string_view text, std::error_code& ec) noexcept;

// Implementation

inline socket_address notify_address(std::string_view text, std::error_code& ec) noexcept
{
  ec.clear();
  const bool known = text.size() > 1 && (text.front() == '/' || text.front() == '@') &&
                     text.find('\0') == text.npos;
  if (!known) ec = std::make_error_code(std::errc::address_family_not_supported);
  else if (text.size() > socket_address::longest_path)
    ec = std::make_error_code(std::errc::filename_too_long);
  if (ec) return {};
  char path[socket_address::longest_path];
  text.copy(path, sizeof path);
  if (text.front() == '@') path[0] = '\0';
  return socket_address::from_path(std::string_view(path, text.size()), ec);
}

inline void send_datagram(
    const socket_address& to, std::string_view text, std::error_code& ec) noexcept
{
  ec.clear();
  const unique_fd socket(sys::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) {
    ec = last_error();
    return;
  }
  // sendmsg only reads through these pointers.
  iovec data{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to.data());
  message.msg_namelen = to.size();
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const ssize_t sent = retry_interrupted(
      [&] { return sys::sendmsg(socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent < 0) ec = last_error();
}

} // namespace cohort::detail::posix
