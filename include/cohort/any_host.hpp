// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace cohort {

/// Where `listen` listens on every address of this machine: of IPv6 and IPv4, by one socket, or of
/// IPv4 alone where the machine has no IPv6. Source: Node's `server.listen(port)` without a host.
class any_host {
public:
  /// @param port 0 for any that is free.
  explicit any_host(std::uint16_t port = 0) noexcept : port_(port) {}

  std::uint16_t port() const noexcept { return port_; }

private:
  std::uint16_t port_;
};

} // namespace cohort
