// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <netinet/in.h>
#include <span>
#include <string>
#include <system_error>

namespace cohort::detail::posix {

/// How `listen_stream` and `bind_datagram` set a socket up.
struct listen_settings {
  int backlog = 511;
  bool ipv6_only = false;
  /// The IPv6 address stands for every address of the machine: where it has no IPv6, IPv4 alone.
  bool any_host = false;
  /// Other sockets of this user may listen on the same port.
  bool reuse_port = false;
  /// But none does so far: otherwise `address_in_use`.
  bool first_of_port = false;
  /// Of datagrams: other sockets that say the same may be bound to the same address.
  bool reuse_address = false;
  /// Permissions of a Unix socket's path, whatever the process's umask says.
  mode_t mode = 0600;
};

/// A bound and listening socket, CLOEXEC and non-blocking.
///
/// A Unix path must be absolute (`invalid_argument`). A socket that is left there by a dead
/// process is replaced; one that answers, or anything that is no socket, stays and the result is
/// `address_in_use`. The permissions are right before anyone can connect.
unique_fd listen_stream(
    const socket_address& address, const listen_settings& settings, std::error_code& ec);

/// A bound datagram socket of IPv4 or IPv6, CLOEXEC and non-blocking.
unique_fd bind_datagram(
    const socket_address& address, const listen_settings& settings, std::error_code& ec);

/// The file that a Unix socket's path leads to, to be told from another one that takes its place;
/// equal to the default for other addresses, and when there is none.
struct socket_file {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const socket_file&) const = default;
};
socket_file file_of(const socket_address& address) noexcept;

/// Removes the path a Unix socket was bound to, if `file` is still what it leads to, as long as
/// that socket is open; nothing for other addresses.
void unlink_path(const socket_address& address, const socket_file& file) noexcept;

// Implementation

namespace listening_detail {

// The path of a Unix socket with its end, without allocation; empty for other addresses.
class path_text {
public:
  explicit path_text(const socket_address& address) noexcept
  {
    if (!address.is_abstract()) address.path().copy(text_, sizeof text_ - 1);
  }

  bool empty() const noexcept { return text_[0] == '\0'; }
  const char* c_str() const noexcept { return text_; }

private:
  char text_[sizeof(sockaddr_un)] = {};
};

// Whether `path` is a socket on which nobody listens. It is looked at once more after the attempt
// to connect: a process that came first may have put its own socket there meanwhile.
inline bool is_stale(const socket_address& address, const char* path) noexcept
{
  struct stat before, after;
  if (sys::lstat(path, &before) != 0 || !S_ISSOCK(before.st_mode)) return false;
  const unique_fd probe(sys::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  const int result =
      retry_interrupted([&] { return sys::connect(probe.get(), address.data(), address.size()); });
  if (result == 0 || errno != ECONNREFUSED) return false;
  return sys::lstat(path, &after) == 0 && before.st_dev == after.st_dev &&
         before.st_ino == after.st_ino;
}

// Through a descriptor of the path itself, so that a symbolic link is never followed.
inline void set_mode(const char* path, mode_t mode, std::error_code& ec) noexcept
{
  const unique_fd file(sys::open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status;
  if (!file || sys::fstat(file.get(), &status) != 0) {
    ec = last_error();
    return;
  }
  if ((status.st_mode & 07777) == mode) return;
  char link[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file.get());
  if (!S_ISSOCK(status.st_mode)) ec = std::make_error_code(std::errc::address_in_use);
  else if (sys::chmod(link, mode) != 0) ec = last_error();
}

inline void bind_path(int fd, const socket_address& address, mode_t mode, std::error_code& ec)
{
  const std::string path(address.path());
  // The new file gets the socket's mode, less the umask: from its first moment never more than
  // asked for, and after `set_mode` not less either.
  if (sys::fchmod(fd, mode) != 0) {
    ec = last_error();
    return;
  }
  int result = sys::bind(fd, address.data(), address.size());
  if (result != 0) ec = last_error();
  if (ec == std::errc::address_in_use && is_stale(address, path.c_str()) &&
      sys::unlink(path.c_str()) == 0) {
    result = sys::bind(fd, address.data(), address.size());
    ec = result == 0 ? std::error_code() : last_error();
  }
  if (result != 0) return;
  set_mode(path.c_str(), mode, ec);
  if (ec) sys::unlink(path.c_str());
}

// Whether the address could be had alone: otherwise `address_in_use`.
inline void check_free(const socket_address& address, int type, const listen_settings& settings,
    std::error_code& ec) noexcept
{
  using socket_detail::set_option;
  const unique_fd fd(sys::socket(address.family(), type | SOCK_CLOEXEC, 0));
  if (!ec && !fd) ec = last_error();
  // Of datagrams it would mean to share it.
  if (type == SOCK_STREAM) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, true, ec);
  if (address.family() == AF_INET6)
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only, ec);
  if (!ec && sys::bind(fd.get(), address.data(), address.size()) != 0) ec = last_error();
}

// What an Internet socket has to be told before it is bound.
inline void prepare_internet(int fd, int type, const socket_address& address,
    const listen_settings& settings, std::error_code& ec) noexcept
{
  using socket_detail::set_option;
  if (type == SOCK_STREAM || settings.reuse_address)
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, true, ec);
  if (address.family() == AF_INET6)
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only, ec);
  // Nobody else may have the port, who would share it from now on.
  if (settings.first_of_port && address.port() != 0) check_free(address, type, settings, ec);
  if (settings.reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, true, ec);
}

inline socket_address any_ipv4(std::uint16_t port) noexcept
{
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  std::error_code ignored; // it is one
  return socket_address::from_bytes(std::as_bytes(std::span(&any, 1)), ignored);
}

inline unique_fd listen_at(
    const socket_address& address, const listen_settings& settings, std::error_code& ec)
{
  ec.clear();
  const int family = address.family();
  const bool has_path = !address.path().empty() && !address.is_abstract();
  if (address.empty() || (family == AF_UNIX && address.path().empty()) ||
      (has_path && address.path().front() != '/')) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return unique_fd();
  }
  unique_fd fd(sys::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) {
    ec = last_error();
    return fd;
  }
  if (family != AF_UNIX) prepare_internet(fd.get(), SOCK_STREAM, address, settings, ec);
  if (!ec && has_path) bind_path(fd.get(), address, settings.mode, ec);
  else if (!ec && sys::bind(fd.get(), address.data(), address.size()) != 0) ec = last_error();
  if (!ec && sys::listen(fd.get(), settings.backlog) != 0) {
    ec = last_error();
    if (has_path) sys::unlink(path_text(address).c_str());
  }
  if (ec) fd.reset();
  return fd;
}

} // namespace listening_detail

inline unique_fd listen_stream(
    const socket_address& address, const listen_settings& settings, std::error_code& ec)
{
  unique_fd fd = listening_detail::listen_at(address, settings, ec);
  const bool lacks_ipv6 =
      ec == std::errc::address_family_not_supported || ec == std::errc::address_not_available;
  if (settings.any_host && lacks_ipv6 && address.family() == AF_INET6)
    fd = listening_detail::listen_at(listening_detail::any_ipv4(address.port()), settings, ec);
  return fd;
}

inline unique_fd bind_datagram(
    const socket_address& address, const listen_settings& settings, std::error_code& ec)
{
  ec.clear();
  if (address.family() != AF_INET && address.family() != AF_INET6) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return unique_fd();
  }
  unique_fd fd(sys::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) ec = last_error();
  if (!ec) listening_detail::prepare_internet(fd.get(), SOCK_DGRAM, address, settings, ec);
  if (!ec && sys::bind(fd.get(), address.data(), address.size()) != 0) ec = last_error();
  if (ec) fd.reset();
  return fd;
}

inline socket_file file_of(const socket_address& address) noexcept
{
  const listening_detail::path_text path(address);
  struct stat status;
  if (path.empty() || sys::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

inline void unlink_path(const socket_address& address, const socket_file& file) noexcept
{
  const listening_detail::path_text path(address);
  if (file != socket_file() && file_of(address) == file) sys::unlink(path.c_str());
}

} // namespace cohort::detail::posix
