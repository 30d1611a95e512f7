// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <netinet/in.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>

namespace cohort::detail::posix {

/// The address of an IPv4, IPv6 or Unix socket as a plain value.
///
/// There is one form for each address (padding is zero, a path ends at its first NUL), so that
/// equal addresses have equal bytes and can be keys. A Unix address may be a path, an abstract
/// name, or unnamed, as that of most clients is.
class socket_address {
public:
  /// A path of this many bytes fits into every address, and into an endpoint of Asio. The kernel
  /// takes one more, which leaves no room for the NUL.
  static constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

  /// No address at all.
  socket_address() noexcept = default;

  /// Takes the bytes of a `sockaddr` from wherever they come; `invalid_argument` when they are of
  /// another family or of a size that this family does not have.
  static socket_address from_bytes(std::span<const std::byte> bytes, std::error_code& ec) noexcept;

  /// The address of a socket with this path; a leading NUL makes it an abstract name.
  static socket_address from_path(std::string_view path, std::error_code& ec) noexcept;

  /// Takes an endpoint of Asio.
  template <class Endpoint>
  static socket_address from_endpoint(const Endpoint& endpoint, std::error_code& ec) noexcept;

  /// Gives an endpoint of Asio: `Endpoint()` if this address does not fit into one.
  template <class Endpoint>
  Endpoint to_endpoint() const;

  bool empty() const noexcept { return size_ == 0; }
  std::span<const std::byte> bytes() const noexcept { return {storage_.data(), size_}; }
  const sockaddr* data() const noexcept;
  socklen_t size() const noexcept { return size_; }

  /// AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC when empty.
  int family() const noexcept;

  /// The port in host order, 0 for families that have none.
  std::uint16_t port() const noexcept;

  /// The address of the host in network byte order, 4 or 16 bytes; none in other families.
  std::span<const std::byte> host() const noexcept;

  /// Changes the port; nothing happens in families that have none.
  void set_port(std::uint16_t port) noexcept;

  /// The path of a Unix socket, or its abstract name with the leading NUL; else empty.
  std::string_view path() const noexcept;
  bool is_abstract() const noexcept { return !path().empty() && path().front() == '\0'; }

  /// "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@abstract", "unnamed"; printable in any case.
  std::string to_string() const;

  friend bool operator==(const socket_address& a, const socket_address& b) noexcept
  {
    return std::ranges::equal(a.bytes(), b.bytes());
  }
  friend std::strong_ordering operator<=>(const socket_address& a, const socket_address& b) noexcept
  {
    const auto x = a.bytes(), y = b.bytes();
    return std::lexicographical_compare_three_way(x.begin(), x.end(), y.begin(), y.end());
  }

private:
  static constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

  template <class Address>
  Address as() const noexcept
  {
    Address address{};
    std::memcpy(&address, storage_.data(), std::min<std::size_t>(size_, sizeof address));
    return address;
  }
  template <class Address>
  void assign(const Address& address, std::size_t size = sizeof(Address)) noexcept
  {
    storage_.fill(std::byte());
    std::memcpy(storage_.data(), &address, size);
    size_ = static_cast<socklen_t>(size);
  }

  alignas(sockaddr_in6) alignas(sockaddr_un) std::array<std::byte, sizeof(sockaddr_un)> storage_{};
  socklen_t size_ = 0;
};

// Implementation

inline socket_address socket_address::from_bytes(
    std::span<const std::byte> bytes, std::error_code& ec) noexcept
{
  socket_address result, source;
  sa_family_t family = AF_UNSPEC;
  if (bytes.size() >= sizeof family && bytes.size() <= sizeof(sockaddr_un)) {
    std::memcpy(&family, bytes.data(), sizeof family);
    std::memcpy(source.storage_.data(), bytes.data(), bytes.size());
    source.size_ = static_cast<socklen_t>(bytes.size());
  }
  ec.clear();
  if (family == AF_INET && bytes.size() == sizeof(sockaddr_in)) {
    auto address = source.as<sockaddr_in>();
    std::memset(address.sin_zero, 0, sizeof address.sin_zero);
    result.assign(address);
  } else if (family == AF_INET6 && bytes.size() == sizeof(sockaddr_in6)) {
    auto address = source.as<sockaddr_in6>();
    address.sin6_flowinfo = 0;
    result.assign(address);
  } else if (family == AF_UNIX) {
    auto address = source.as<sockaddr_un>();
    std::size_t length = bytes.size() - path_offset;
    if (length != 0 && address.sun_path[0] != '\0') {
      // As long as the field, a path needs no NUL at its end.
      length = ::strnlen(address.sun_path, length);
      std::memset(address.sun_path + length, 0, sizeof address.sun_path - length);
      length = std::min(length + 1, sizeof address.sun_path);
    }
    result.assign(address, path_offset + length);
  } else {
    ec = std::make_error_code(std::errc::invalid_argument);
  }
  return result;
}

inline socket_address socket_address::from_path(std::string_view path, std::error_code& ec) noexcept
{
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool abstract = !path.empty() && path.front() == '\0';
  if (path.size() > sizeof address.sun_path) {
    ec = std::make_error_code(std::errc::filename_too_long);
    return {};
  }
  if (path.empty() || (!abstract && path.find('\0') != path.npos)) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return {};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return from_bytes(std::as_bytes(std::span(&address, 1)).first(path_offset + path.size()), ec);
}

template <class Endpoint>
socket_address socket_address::from_endpoint(const Endpoint& endpoint, std::error_code& ec) noexcept
{
  return from_bytes({reinterpret_cast<const std::byte*>(endpoint.data()), endpoint.size()}, ec);
}

template <class Endpoint>
Endpoint socket_address::to_endpoint() const
{
  Endpoint endpoint;
  if (size_ == 0 || size_ > endpoint.capacity()) return endpoint;
  Endpoint copy;
  std::memcpy(static_cast<void*>(copy.data()), storage_.data(), size_);
  // An endpoint that is bound to one family (local, ip) keeps itself from taking another.
  const bool ip = family() == AF_INET || family() == AF_INET6;
  if constexpr (requires { endpoint.address(); }) {
    if (!ip) return endpoint;
  } else if constexpr (requires { endpoint.path(); }) {
    if (ip) return endpoint;
  }
  copy.resize(size_);
  return copy;
}

inline const sockaddr* socket_address::data() const noexcept
{
  return reinterpret_cast<const sockaddr*>(storage_.data());
}

inline int socket_address::family() const noexcept
{
  sa_family_t family;
  std::memcpy(&family, storage_.data(), sizeof family);
  return family;
}

inline std::uint16_t socket_address::port() const noexcept
{
  if (family() == AF_INET) return ntohs(as<sockaddr_in>().sin_port);
  if (family() == AF_INET6) return ntohs(as<sockaddr_in6>().sin6_port);
  return 0;
}

inline std::span<const std::byte> socket_address::host() const noexcept
{
  if (family() == AF_INET) return bytes().subspan(offsetof(sockaddr_in, sin_addr), 4);
  if (family() == AF_INET6) return bytes().subspan(offsetof(sockaddr_in6, sin6_addr), 16);
  return {};
}

inline void socket_address::set_port(std::uint16_t port) noexcept
{
  if (family() == AF_INET) {
    auto address = as<sockaddr_in>();
    address.sin_port = htons(port);
    assign(address);
  } else if (family() == AF_INET6) {
    auto address = as<sockaddr_in6>();
    address.sin6_port = htons(port);
    assign(address);
  }
}

inline std::string_view socket_address::path() const noexcept
{
  if (family() != AF_UNIX || size_ <= path_offset) return {};
  const auto* first = reinterpret_cast<const char*>(storage_.data()) + path_offset;
  std::string_view path(first, size_ - path_offset);
  if (path.front() != '\0' && path.back() == '\0') path.remove_suffix(1);
  return path;
}

inline std::string socket_address::to_string() const
{
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    const auto address = as<sockaddr_in>();
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return std::string(text) + ':' + std::to_string(port());
  }
  if (family() == AF_INET6) {
    const auto address = as<sockaddr_in6>();
    ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    const auto scope = address.sin6_scope_id;
    return '[' + std::string(text) + (scope ? '%' + std::to_string(scope) : "") +
           "]:" + std::to_string(port());
  }
  const auto name = path();
  if (name.empty()) return empty() ? "no address" : "unnamed";
  std::string result(name);
  if (is_abstract()) result.front() = '@';
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return result;
}

} // namespace cohort::detail::posix

template <>
struct std::hash<cohort::detail::posix::socket_address> {
  std::size_t operator()(const cohort::detail::posix::socket_address& address) const noexcept
  {
    const auto bytes = address.bytes();
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};
