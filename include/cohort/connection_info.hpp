// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cohort {

/// What is known of a connection when it is scheduled.
///
/// Addresses are in network byte order: 4 bytes for IPv4, 16 for IPv6, none for a unix socket.
class connection_info {
public:
  using clock = std::chrono::steady_clock;
  using bytes = std::span<const std::byte>;

  connection_info() = default;

  /// A connection from `address` and `port`. Bytes that no address has are cut off.
  connection_info(bytes address, std::uint16_t port, clock::time_point arrival) noexcept
      : peer_(address, port),
        arrival_(arrival)
  {
  }

  bytes peer_address() const noexcept { return peer_.address(); }
  /// 0 for a unix socket.
  std::uint16_t peer_port() const noexcept { return peer_.port; }
  /// When the primary accepted it, and had looked at its first bytes if the policy has `peek`.
  clock::time_point arrival() const noexcept { return arrival_; }

  /// The number of the listener it came to: no other one of the same cluster ever has it.
  std::uint32_t listener() const noexcept { return listener_; }
  /// What that listener is bound to; all zeros when that is every address of the machine.
  bytes local_address() const noexcept { return local_.address(); }
  std::uint16_t local_port() const noexcept { return local_.port; }

  /// What the client has sent first, for a policy that has `peek`; the worker reads it as well.
  /// Valid during the call.
  bytes first_bytes() const noexcept { return first_bytes_; }

  /// Whether it has waited as long as it may: when the policy says `wait` once more, it goes to any
  /// member that is ready.
  bool overdue() const noexcept { return overdue_; }

  // For listeners, and for tests of policies.

  void set_listener(std::uint32_t number, bytes address, std::uint16_t port) noexcept
  {
    listener_ = number;
    local_ = endpoint(address, port);
  }
  /// They stay the caller's.
  void set_first_bytes(bytes value) noexcept { first_bytes_ = value; }
  void set_overdue(bool value) noexcept { overdue_ = value; }

private:
  struct endpoint {
    endpoint() = default;
    endpoint(bytes from, std::uint16_t number) noexcept
        : size(static_cast<std::uint8_t>(std::min(from.size(), data.size()))),
          port(number)
    {
      std::copy_n(from.begin(), size, data.begin());
    }
    bytes address() const noexcept { return {data.data(), size}; }

    std::array<std::byte, 16> data{};
    std::uint8_t size = 0;
    std::uint16_t port = 0;
  };

  endpoint peer_;
  endpoint local_;
  clock::time_point arrival_{};
  bytes first_bytes_;
  std::uint32_t listener_ = 0;
  bool overdue_ = false;
};

} // namespace cohort
