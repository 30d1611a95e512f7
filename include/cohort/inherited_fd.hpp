// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace cohort {

/// The descriptor of that number in the primary, or, for what a worker does alone or with
/// `listen_options::exclusive`, in this process. Source: Node's `listen({fd})`.
class inherited_fd {
public:
  /// @throws std::invalid_argument when it is below 0.
  explicit inherited_fd(int number) : number_(number)
  {
    if (number < 0) throw std::invalid_argument("cohort: a descriptor is at least 0");
  }

  int number() const noexcept { return number_; }

private:
  int number_;
};

} // namespace cohort
