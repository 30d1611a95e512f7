// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>

namespace cohort_test {

/// The reason given by the running test case; empty while it was not skipped.
inline std::string& skip_reason()
{
  static std::string reason;
  return reason;
}

/// Counts the running test case as skipped: `if (!supported) return cohort_test::skip("no IPv6");`
/// A failed assertion before it still fails the test. tests/expected_skips.txt lists what CI
/// allows.
inline void skip(std::string reason) { skip_reason() = std::move(reason); }

} // namespace cohort_test
