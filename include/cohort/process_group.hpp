// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace cohort {

/// To which group of processes a worker belongs, and so whether Ctrl-C at the terminal reaches it.
enum class process_group : std::uint8_t {
  /// That of this process: the terminal's signals reach both.
  inherit,
  /// One of its own, whose number is the worker's.
  own,
  /// A session of its own, without a terminal. Source: Node's `detached`.
  own_session,
};

} // namespace cohort
