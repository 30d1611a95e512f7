// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <fcntl.h>

namespace cohort::detail::posix {

/// Whether this process has a controlling terminal, as one that was started in a shell has and a
/// daemon has not.
inline bool has_terminal() noexcept
{
  return static_cast<bool>(unique_fd(sys::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)));
}

} // namespace cohort::detail::posix
