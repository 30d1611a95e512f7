// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <sys/uio.h>

namespace cohort::detail::posix {

/// How `listen_stream` sets a socket up.
struct listen_settings {
  int backlog = 511;
  bool ipv6_only = false;
  /// Other sockets of this user may listen on the same port.
  bool reuse_port = false;
  /// But none does so far: otherwise `address_in_use`.
  bool first_of_port = false;
  /// Permissions of a Unix socket's path, whatever the process's umask says.
  mode_t mode = 0600;
};

/// What a descriptor that came from elsewhere is.
struct socket_kind {
  int domain = AF_UNSPEC;
  int type = 0;
  bool listening = false;
};

/// A bound and listening socket, CLOEXEC and non-blocking.
///
/// A Unix path must be absolute (`invalid_argument`). A socket that is left there by a dead
/// process is replaced; one that answers, or anything that is no socket, stays and the result is
/// `address_in_use`. The permissions are right before anyone can connect.
unique_fd listen_stream(
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

/// Takes the next connection, CLOEXEC and non-blocking; `would_block(ec)` when there is none.
/// @param peer where to write the client's address, may be null.
unique_fd accept_stream(int listener, socket_address* peer, std::error_code& ec) noexcept;

/// Whether an accept error concerns that one connection only: take the next one.
bool connection_failed(const std::error_code& ec) noexcept;

/// The address a socket is bound to.
socket_address local_address(int fd, std::error_code& ec) noexcept;

/// What kind of socket `fd` is; `not_a_socket` if it is none.
socket_kind kind_of(int fd, std::error_code& ec) noexcept;

/// Whether `fd` is a connected or unconnected Unix stream socket.
bool is_unix_stream(int fd) noexcept;

/// Two connected Unix stream sockets, CLOEXEC and non-blocking.
std::pair<unique_fd, unique_fd> stream_pair(std::error_code& ec) noexcept;

/// Tells the peer that nothing more comes.
void shutdown_write(int fd, std::error_code& ec) noexcept;

/// Sends `text` to the peer of a new connection, and that nothing more comes. What its buffer does
/// not take is cut off.
void send_last(int fd, std::string_view text, std::error_code& ec) noexcept;

/// Reads what is there, for nobody. False when the peer has ended, or sends too much for that.
bool discard_input(int fd) noexcept;

/// Closes a connection so that the peer sees it reset.
void reset(unique_fd connection, std::error_code& ec) noexcept;

// Implementation

namespace socket_detail {

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

inline void set_option(int fd, int level, int name, bool on, std::error_code& ec) noexcept
{
  const int value = on;
  if (!ec && sys::setsockopt(fd, level, name, &value, sizeof value) != 0) ec = last_error();
}

inline int get_option(int fd, int name, std::error_code& ec) noexcept
{
  int value = 0;
  socklen_t size = sizeof value;
  if (!ec && sys::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) ec = last_error();
  return value;
}

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
inline void check_free(
    const socket_address& address, const listen_settings& settings, std::error_code& ec) noexcept
{
  const int family = address.family();
  const unique_fd fd(sys::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!ec && !fd) ec = last_error();
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, true, ec);
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only, ec);
  if (!ec && sys::bind(fd.get(), address.data(), address.size()) != 0) ec = last_error();
}

} // namespace socket_detail

inline unique_fd listen_stream(
    const socket_address& address, const listen_settings& settings, std::error_code& ec)
{
  using namespace socket_detail;
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
  if (family != AF_UNIX) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, true, ec);
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, settings.ipv6_only, ec);
  // Nobody else may have the port, who would share it from now on.
  if (settings.first_of_port && family != AF_UNIX && address.port() != 0)
    check_free(address, settings, ec);
  if (settings.reuse_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, true, ec);
  if (!ec && has_path) bind_path(fd.get(), address, settings.mode, ec);
  else if (!ec && sys::bind(fd.get(), address.data(), address.size()) != 0) ec = last_error();
  if (!ec && sys::listen(fd.get(), settings.backlog) != 0) {
    ec = last_error();
    unlink_path(address, file_of(address));
  }
  if (ec) fd.reset();
  return fd;
}

inline socket_file file_of(const socket_address& address) noexcept
{
  const socket_detail::path_text path(address);
  struct stat status;
  if (path.empty() || sys::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

inline void unlink_path(const socket_address& address, const socket_file& file) noexcept
{
  const socket_detail::path_text path(address);
  if (file != socket_file() && file_of(address) == file) sys::unlink(path.c_str());
}

inline unique_fd accept_stream(int listener, socket_address* peer, std::error_code& ec) noexcept
{
  alignas(sockaddr_storage) std::byte buffer[sizeof(sockaddr_storage)];
  socklen_t size = sizeof buffer;
  unique_fd fd(retry_interrupted([&] {
    size = sizeof buffer;
    return sys::accept4(listener, peer ? reinterpret_cast<sockaddr*>(buffer) : nullptr,
        peer ? &size : nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }));
  ec = fd ? std::error_code() : last_error();
  if (fd && peer) {
    // An address that is not understood is no reason to lose the connection.
    std::error_code ignored;
    *peer =
        socket_address::from_bytes({buffer, std::min<std::size_t>(size, sizeof buffer)}, ignored);
  }
  return fd;
}

inline bool connection_failed(const std::error_code& ec) noexcept
{
  if (ec.category() != std::system_category()) return false;
  switch (ec.value()) {
  // accept(2): "treat these like EAGAIN by retrying"; EPERM comes from a firewall.
  case ECONNABORTED:
  case ENETDOWN:
  case EPROTO:
  case ENOPROTOOPT:
  case EHOSTDOWN:
  case ENONET:
  case EHOSTUNREACH:
  case EOPNOTSUPP:
  case ENETUNREACH:
  case EPERM:
  case EINTR: return true;
  default: return false;
  }
}

inline socket_address local_address(int fd, std::error_code& ec) noexcept
{
  alignas(sockaddr_storage) std::byte buffer[sizeof(sockaddr_storage)];
  socklen_t size = sizeof buffer;
  if (sys::getsockname(fd, reinterpret_cast<sockaddr*>(buffer), &size) != 0) {
    ec = last_error();
    return {};
  }
  return socket_address::from_bytes({buffer, std::min<std::size_t>(size, sizeof buffer)}, ec);
}

inline socket_kind kind_of(int fd, std::error_code& ec) noexcept
{
  using namespace socket_detail;
  ec.clear();
  socket_kind kind;
  kind.domain = get_option(fd, SO_DOMAIN, ec);
  kind.type = get_option(fd, SO_TYPE, ec);
  kind.listening = get_option(fd, SO_ACCEPTCONN, ec) != 0;
  return ec ? socket_kind() : kind;
}

inline bool is_unix_stream(int fd) noexcept
{
  std::error_code ec;
  const auto kind = kind_of(fd, ec);
  return !ec && kind.domain == AF_UNIX && kind.type == SOCK_STREAM;
}

inline std::pair<unique_fd, unique_fd> stream_pair(std::error_code& ec) noexcept
{
  int fds[2] = {-1, -1};
  const int result = sys::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
  ec = result == 0 ? std::error_code() : last_error();
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

inline void shutdown_write(int fd, std::error_code& ec) noexcept
{
  const int result = sys::shutdown(fd, SHUT_WR);
  ec = result == 0 ? std::error_code() : last_error();
}

inline void send_last(int fd, std::string_view text, std::error_code& ec) noexcept
{
  // sendmsg only reads through this pointer.
  iovec data{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const ssize_t sent =
      retry_interrupted([&] { return sys::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (sent < 0) ec = last_error();
  else shutdown_write(fd, ec);
}

inline bool discard_input(int fd) noexcept
{
  constexpr std::size_t too_much = 256 * 1024;
  std::array<std::byte, 8192> buffer;
  std::size_t sum = 0;
  while (sum < too_much) {
    const ssize_t size =
        retry_interrupted([&] { return sys::read(fd, buffer.data(), buffer.size()); });
    if (size <= 0) return size < 0 && would_block(last_error());
    sum += static_cast<std::size_t>(size);
  }
  return false;
}

inline void reset(unique_fd connection, std::error_code& ec) noexcept
{
  const linger none{1, 0};
  const int result = sys::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  ec = result == 0 ? std::error_code() : last_error();
}

} // namespace cohort::detail::posix
