// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace cohort {

/// What one of a worker's descriptors is: see `settings::stdio`. Source: Node's `stdio`.
class stdio {
public:
  enum class source { inherit, null, pipe, descriptor };

  /// What this process has at that number, /dev/null if nothing. For 0 to 2 only; the default.
  static stdio inherit() noexcept { return stdio(source::inherit, -1); }
  /// /dev/null.
  static stdio null() noexcept { return stdio(source::null, -1); }
  /// A pipe to this process, see `worker::process`: from 0 the worker reads, to 1 and 2 it writes.
  /// From 3 on a connected pair of Unix stream sockets, both ways. Has to be read here: when one is
  /// full the worker waits.
  static stdio pipe() noexcept { return stdio(source::pipe, -1); }
  /// A descriptor of this process, which stays the caller's and has to be open at each fork: when
  /// it is not, `bad_file_descriptor` is the error of `co_fork`.
  /// @throws std::invalid_argument when `number` is negative.
  static stdio descriptor(int number);

  source from() const noexcept { return from_; }
  /// That of this process, -1 for all but `descriptor`.
  int number() const noexcept { return number_; }

  friend bool operator==(const stdio&, const stdio&) noexcept = default;

private:
  stdio(source from, int number) noexcept : from_(from), number_(number) {}

  source from_;
  int number_;
};

// Implementation

inline stdio stdio::descriptor(int number)
{
  if (number < 0) throw std::invalid_argument("cohort: a descriptor is never negative");
  return stdio(source::descriptor, number);
}

} // namespace cohort
