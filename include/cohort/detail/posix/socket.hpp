// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <sys/uio.h>

namespace cohort::detail::posix {

/// What a descriptor that came from elsewhere is.
struct socket_kind {
  int domain = AF_UNSPEC;
  int type = 0;
  bool listening = false;
};

/// Takes the next connection, CLOEXEC and non-blocking; `would_block(ec)` when there is none.
/// @param peer where to write the client's address, may be null.
unique_fd accept_stream(int listener, socket_address* peer, std::error_code& ec) noexcept;

/// Whether an accept error concerns that one connection only: take the next one.
bool connection_failed(const std::error_code& ec) noexcept;

/// The address a socket is bound to.
socket_address local_address(int fd, std::error_code& ec) noexcept;
/// The address of the other end of a connection.
socket_address peer_address(int fd, std::error_code& ec) noexcept;

/// What kind of socket `fd` is; `not_a_socket` if it is none.
socket_kind kind_of(int fd, std::error_code& ec) noexcept;

/// Whether `fd` is a connected or unconnected Unix stream socket.
bool is_unix_stream(int fd) noexcept;

/// Two connected Unix stream sockets, CLOEXEC and non-blocking.
std::pair<unique_fd, unique_fd> stream_pair(std::error_code& ec) noexcept;

/// The same, whose reads find what was written in one piece as one piece.
std::pair<unique_fd, unique_fd> packet_pair(std::error_code& ec) noexcept;

/// Whether `fd` is such a socket.
bool is_unix_packet(int fd) noexcept;

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

inline std::pair<unique_fd, unique_fd> unix_pair(int type, std::error_code& ec) noexcept
{
  int fds[2] = {-1, -1};
  const int result = sys::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
  ec = result == 0 ? std::error_code() : last_error();
  return {unique_fd(fds[0]), unique_fd(fds[1])};
}

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

} // namespace socket_detail

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

namespace socket_detail {

/// What `get(sockaddr*, socklen_t*)` says.
template <class Get>
socket_address get_address(Get get, std::error_code& ec) noexcept
{
  alignas(sockaddr_storage) std::byte buffer[sizeof(sockaddr_storage)];
  socklen_t size = sizeof buffer;
  if (get(reinterpret_cast<sockaddr*>(buffer), &size) != 0) {
    ec = last_error();
    return {};
  }
  return socket_address::from_bytes({buffer, std::min<std::size_t>(size, sizeof buffer)}, ec);
}

} // namespace socket_detail

inline socket_address local_address(int fd, std::error_code& ec) noexcept
{
  return socket_detail::get_address(
      [fd](sockaddr* to, socklen_t* size) { return sys::getsockname(fd, to, size); }, ec);
}

inline socket_address peer_address(int fd, std::error_code& ec) noexcept
{
  return socket_detail::get_address(
      [fd](sockaddr* to, socklen_t* size) { return sys::getpeername(fd, to, size); }, ec);
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
  return socket_detail::unix_pair(SOCK_STREAM, ec);
}

inline std::pair<unique_fd, unique_fd> packet_pair(std::error_code& ec) noexcept
{
  return socket_detail::unix_pair(SOCK_SEQPACKET, ec);
}

inline bool is_unix_packet(int fd) noexcept
{
  std::error_code ec;
  const auto kind = kind_of(fd, ec);
  return !ec && kind.domain == AF_UNIX && kind.type == SOCK_SEQPACKET;
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
