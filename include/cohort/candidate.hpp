// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/worker_id.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace cohort {

/// What `select` returns to leave a connection in the queue until a member changes.
inline constexpr std::size_t wait = std::numeric_limits<std::size_t>::max();

/// One member of a listener as its scheduling policy sees it. The array of members is contiguous,
/// in the order in which they joined, and kept up to date; a policy only reads it.
class candidate {
public:
  candidate() = default;
  explicit candidate(worker_id member) noexcept : id(member) {}

  /// Whether it may be chosen: it has credit left, its channel has room and it is not draining.
  bool ready() const noexcept { return open_to_offers && offers < window; }

  worker_id id = 0;
  /// Its place in the order of joining: larger than that of all who joined before it, never used
  /// twice by one listener.
  std::uint64_t joined = 0;
  /// Connections offered to it that it has not answered yet.
  std::uint32_t offers = 0;
  /// How many unanswered offers it allows at a time: its credit, 0 when it has withdrawn it.
  std::uint32_t window = 0;
  /// Connections it has taken and, as far as it has told, not yet ended.
  std::uint32_t connections = 0;
  /// False while it drains and while its channel has no room.
  bool open_to_offers = true;
};

/// What is known of a connection when it is scheduled.
class connection_info {
public:
  using clock = std::chrono::steady_clock;

  connection_info() = default;

  /// A connection from `address` (4 bytes for IPv4, 16 for IPv6, none for a unix socket).
  connection_info(
      std::span<const std::byte> address, std::uint16_t port, clock::time_point arrival) noexcept;

  /// The peer's address in network byte order: 4 or 16 bytes, or none for a unix socket.
  std::span<const std::byte> peer_address() const noexcept { return {address_.data(), size_}; }
  /// The peer's port, 0 for a unix socket.
  std::uint16_t peer_port() const noexcept { return port_; }
  /// When the primary accepted it.
  clock::time_point arrival() const noexcept { return arrival_; }

private:
  std::array<std::byte, 16> address_{};
  std::uint8_t size_ = 0;
  std::uint16_t port_ = 0;
  clock::time_point arrival_{};
};

// Implementation

inline connection_info::connection_info(
    std::span<const std::byte> address, std::uint16_t port, clock::time_point arrival) noexcept
    : port_(port),
      arrival_(arrival)
{
  size_ = static_cast<std::uint8_t>(address.size() < 16 ? address.size() : 16);
  for (std::size_t i = 0; i != size_; ++i) address_[i] = address[i];
}

} // namespace cohort
