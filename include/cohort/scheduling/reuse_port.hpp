// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/reuse_port.hpp>
#include <cohort/scheduling/policy.hpp>

#include <optional>

namespace cohort {

/// Each worker accepts from a socket of its own on the same port, and the kernel spreads the
/// connections when they arrive, by chance and in proportion to the workers' weights: the least
/// work for each, and the one that scales to many processors.
///
/// A connection waits for its worker, however busy that is: what the kernel gave to a worker stays
/// with it while it accepts at all. When a worker is full, drains or is gone, new connections go to
/// the others at once, and those that waited for it are offered to the others or to whoever
/// replaces it: none is lost. Only TCP: on a unix socket it is `shared`.
///
/// The port must not be in use by anybody else. Another program of the same user can still listen
/// on it later, and gets a part of the connections then; the kernel forbids only other users.
struct reuse_port {
  static constexpr cohort::distribution distribution() noexcept
  {
    return cohort::distribution::by_kernel;
  }
  static constexpr bool own_sockets() noexcept { return true; }

  /// Whether the kernel gives the connections that wait at a socket which is closed to another
  /// socket of the port, and does not reset them: `net.ipv4.tcp_migrate_req`, off by default.
  /// Nothing where the kernel does not say, which means that it cannot.
  ///
  /// A cluster does not need it, whichever worker ends: its primary keeps all sockets. It matters
  /// when the primary ends while another one has the port already, so that no connection is lost
  /// between two programs, and for sockets that a program shares a port with by itself.
  static std::optional<bool> kernel_migrates() noexcept
  {
    return detail::posix::migrates_requests();
  }
};

static_assert(scheduling_policy<reuse_port>);

} // namespace cohort
