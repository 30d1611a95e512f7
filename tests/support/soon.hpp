// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/time_factor.hpp"

#include <chrono>
#include <poll.h>

namespace cohort_test {

/// Waits for what nothing announces; false when it is not so after a while.
template <class Condition>
bool soon(Condition condition)
{
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10) * time_factor();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

} // namespace cohort_test
