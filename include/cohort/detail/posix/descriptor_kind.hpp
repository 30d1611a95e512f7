// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/handle_kind.hpp>

#include <netinet/in.h>

namespace cohort::detail::posix {

/// What the kernel tells of an open file.
struct descriptor_facts {
  handle_kind kind = handle_kind::none;
  /// Whether an Internet socket is one of IPv6.
  bool ipv6 = false;
  bool readable = false;
  bool writable = false;
};

/// Asks the kernel what `fd` is. `bad_file_descriptor` when it is not open; other errors are those
/// of the calls. What is open and unknown is no error but `handle_kind::unsupported`.
descriptor_facts facts_of(int fd, std::error_code& ec) noexcept;

// Implementation

namespace descriptor_kind_detail {

// Of linux/magic.h, which older systems have without the newer ones.
enum magic : unsigned long {
  anonymous_inodes = 0x09041934,
  namespaces = 0x6e736673,
  pidfs = 0x50494446,
  secret_memory = 0x5345434d,
};

inline int option(int fd, int name, std::error_code& ec) noexcept
{
  int value = 0;
  socklen_t size = sizeof value;
  if (!ec && sys::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) ec = last_error();
  return value;
}

inline handle_kind unix_kind(int type, bool listening) noexcept
{
  switch (type) {
  case SOCK_STREAM: return listening ? handle_kind::unix_listener : handle_kind::unix_stream;
  case SOCK_DGRAM: return handle_kind::unix_datagram;
  case SOCK_SEQPACKET: return listening ? handle_kind::unsupported : handle_kind::unix_seqpacket;
  default: return handle_kind::unsupported;
  }
}

inline handle_kind internet_kind(int type, int protocol, bool listening) noexcept
{
  // MPTCP is TCP to whoever uses it, and some runtimes listen with it by default.
  if (type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP))
    return listening ? handle_kind::tcp_listener : handle_kind::tcp_socket;
  if (type == SOCK_DGRAM && protocol == IPPROTO_UDP) return handle_kind::udp_socket;
  return handle_kind::unsupported;
}

inline handle_kind socket_kind_of(int fd, int domain, std::error_code& ec) noexcept
{
  if (ec || (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
    return handle_kind::unsupported;
  const int type = option(fd, SO_TYPE, ec);
  const int protocol = option(fd, SO_PROTOCOL, ec);
  const bool listening = option(fd, SO_ACCEPTCONN, ec) != 0;
  return domain == AF_UNIX ? unix_kind(type, listening) : internet_kind(type, protocol, listening);
}

// Some kernels show a pidfd, or other things that are no files, as regular ones; what tells them
// is the file system they are in.
inline handle_kind file_kind(int fd, const struct stat& status, std::error_code& ec) noexcept
{
  struct statfs system;
  if (retry_interrupted([&] { return sys::fstatfs(fd, &system); }) != 0) {
    ec = last_error();
    return handle_kind::unsupported;
  }
  switch (static_cast<unsigned long>(system.f_type)) {
  case anonymous_inodes:
  case namespaces:
  case pidfs:
  case secret_memory: return handle_kind::unsupported;
  default: break;
  }
  // Files of a tmpfs have seals too, but also names.
  if (status.st_nlink != 0) return handle_kind::file;
  if (sys::fcntl(fd, F_GET_SEALS) != -1) return handle_kind::memfd;
  if (errno != EINVAL) ec = last_error();
  return handle_kind::file;
}

} // namespace descriptor_kind_detail

inline descriptor_facts facts_of(int fd, std::error_code& ec) noexcept
{
  using namespace descriptor_kind_detail;
  ec.clear();
  descriptor_facts facts;
  struct stat status;
  int flags = -1;
  if (sys::fstat(fd, &status) != 0 || (flags = sys::fcntl(fd, F_GETFL)) == -1) {
    ec = last_error();
    return facts;
  }
  facts.kind = handle_kind::unsupported;
  const bool is_path = (flags & O_PATH) != 0;
  if (!is_path) {
    const int access = flags & O_ACCMODE;
    facts.readable = access == O_RDONLY || access == O_RDWR;
    facts.writable = access == O_WRONLY || access == O_RDWR;
  }
  if (S_ISDIR(status.st_mode)) {
    facts.kind = handle_kind::directory;
  } else if (is_path) {
    // Names a file and cannot be used as one.
  } else if (S_ISSOCK(status.st_mode)) {
    const int domain = option(fd, SO_DOMAIN, ec);
    facts.kind = socket_kind_of(fd, domain, ec);
    facts.ipv6 = domain == AF_INET6;
  } else if (S_ISREG(status.st_mode)) {
    facts.kind = file_kind(fd, status, ec);
  } else if (S_ISFIFO(status.st_mode)) {
    facts.kind = handle_kind::pipe;
  } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    facts.kind = handle_kind::device;
  }
  return ec ? descriptor_facts() : facts;
}

} // namespace cohort::detail::posix
