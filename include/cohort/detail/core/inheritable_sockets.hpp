// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/posix/inherited.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <set>
#include <system_error>

namespace cohort::detail {

/// Which sockets of this process a worker gets when it names their numbers: those that every
/// program gets which this one executes, and those that the program has named. Nothing that this
/// library opens is among the first. By their names: those that a service manager has given.
class inheritable_sockets {
public:
  void allow(int descriptor) { named_.insert(descriptor); }
  const std::set<int>& allowed() const noexcept { return named_; }

  /// A second descriptor for what is asked for, by its number or its name, which has to listen or
  /// be bound already; nothing when what is asked for is to be bound here.
  posix::unique_fd share(const listen_key& asked, std::error_code& error) const;

private:
  std::set<int> named_;
};

// Implementation

inline posix::unique_fd inheritable_sockets::share(
    const listen_key& asked, std::error_code& error) const
{
  error.clear();
  // What the program that this one replaces had by that number or name is passed on itself.
  if (predecessor::of_this_process().has(asked)) return {};
  if (!asked.name.empty())
    return service_sockets::of_this_process().share(asked.name, asked.index, error);
  if (!wire::is_inherited(asked.kind)) return {};
  const int descriptor = static_cast<int>(asked.descriptor);
  if (!named_.contains(descriptor)) posix::check_inheritable(descriptor, error);
  if (error) return {};
  const auto kind = wire::is_datagram(asked.kind) ? posix::inherited_kind::datagram
                                                  : posix::inherited_kind::listener;
  return posix::share_inherited(descriptor, kind, error);
}

} // namespace cohort::detail
