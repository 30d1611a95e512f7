// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/scheduling/policy.hpp>

namespace cohort {

/// All workers accept from one socket, and the kernel gives each connection to one that waits: no
/// hand-over, no choice. A busy worker takes none, so that it costs nothing to have many.
///
/// All that are idle are woken for a connection, so that it is for a few workers, not for hundreds.
/// Which of them gets it is up to the system's scheduler; after sixteen a worker goes behind the
/// others, so that nobody is left out, but while there is little to do some get far more than
/// others.
///
/// Source: Node's `cluster.SCHED_NONE`, of which one worker got most; nginx's `accept_mutex off`.
struct shared {
  static constexpr cohort::distribution distribution() noexcept
  {
    return cohort::distribution::by_kernel;
  }
};

static_assert(scheduling_policy<shared>);

} // namespace cohort
