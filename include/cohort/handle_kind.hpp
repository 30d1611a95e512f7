// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace cohort {

/// What the descriptor of a `handle` is, by the word of the kernel.
enum class handle_kind {
  /// There is no descriptor.
  none,
  /// A TCP socket that does not listen, whether connected or not; also of MPTCP.
  tcp_socket,
  tcp_listener,
  udp_socket,
  /// A Unix stream socket that does not listen, whether connected or not.
  unix_stream,
  unix_listener,
  unix_datagram,
  /// A Unix socket of type SOCK_SEQPACKET that does not listen.
  unix_seqpacket,
  /// One end of a pipe, or an open FIFO.
  pipe,
  /// A regular file.
  file,
  /// Memory made by memfd_create; a nameless file of a tmpfs looks the same.
  memfd,
  directory,
  /// A terminal or another character or block device.
  device,
  /// Anything else: epoll, eventfd, timerfd, signalfd, inotify, pidfd, io_uring, netlink and raw
  /// sockets, namespaces, what was opened with O_PATH (directories apart), and the like.
  unsupported,
};

/// "tcp_socket" and so on.
constexpr std::string_view to_string(handle_kind kind) noexcept
{
  switch (kind) {
  case handle_kind::none: return "none";
  case handle_kind::tcp_socket: return "tcp_socket";
  case handle_kind::tcp_listener: return "tcp_listener";
  case handle_kind::udp_socket: return "udp_socket";
  case handle_kind::unix_stream: return "unix_stream";
  case handle_kind::unix_listener: return "unix_listener";
  case handle_kind::unix_datagram: return "unix_datagram";
  case handle_kind::unix_seqpacket: return "unix_seqpacket";
  case handle_kind::pipe: return "pipe";
  case handle_kind::file: return "file";
  case handle_kind::memfd: return "memfd";
  case handle_kind::directory: return "directory";
  case handle_kind::device: return "device";
  case handle_kind::unsupported: return "unsupported";
  }
  return "unknown";
}

} // namespace cohort
