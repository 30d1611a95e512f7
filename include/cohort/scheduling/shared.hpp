// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/scheduling/policy.hpp>

namespace cohort {

/// All workers accept from one socket, and the kernel gives each connection to one that waits: no
/// hand-over, no choice. A busy worker takes none.
///
/// Those that are idle are woken for a connection, so that it is for a few workers, not for
/// hundreds. One that has got eight more than another one lets the others go first: it waits for a
/// millisecond, and accepts whom they have left. So idle workers get the same but for a few, and no
/// client waits for a busy or stopped one by more than that.
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
