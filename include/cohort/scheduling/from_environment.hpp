// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cohort {

/// `round_robin` or `shared`, as the environment variable `COHORT_SCHEDULING_POLICY` says when it
/// is made: `rr`, which it is without the variable, or `none`.
///
/// Source: Node's `NODE_CLUSTER_SCHED_POLICY`.
class policy_from_environment : public round_robin {
public:
  /// @throws std::invalid_argument when the variable says something else.
  policy_from_environment();

  cohort::distribution distribution() const noexcept { return distribution_; }

private:
  cohort::distribution distribution_ = cohort::distribution::by_primary;
};

// Implementation

inline policy_from_environment::policy_from_environment()
{
  const char* const text = std::getenv("COHORT_SCHEDULING_POLICY");
  const std::string_view value = text ? text : "rr";
  if (value == "none") distribution_ = cohort::distribution::by_kernel;
  else if (value != "rr")
    throw std::invalid_argument(
        "cohort: COHORT_SCHEDULING_POLICY is neither rr nor none: " + std::string(value));
}

static_assert(scheduling_policy<policy_from_environment>);

} // namespace cohort
