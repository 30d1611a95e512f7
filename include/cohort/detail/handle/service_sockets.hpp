// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/activation.hpp>
#include <cohort/detail/posix/inherited.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/service_environment.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The sockets that a service manager has given to this process, owned from the moment they are
/// known: children of this process do not get them.
///
/// May be used from any thread.
class service_sockets {
public:
  /// One of them; several may have one name.
  struct given {
    std::string name;
    posix::unique_fd socket;
    /// The how many-th of its name, counted from 0.
    std::size_t index = 0;
    /// Whether somebody has a copy of it, and may want another one.
    bool claimed = false;
  };

  service_sockets() = default;
  /// Takes the descriptors from `first` on, as `said` says. When that makes no sense it is the
  /// error of whatever is asked for later.
  service_sockets(
      const activation_variables& said, pid_t own_pid, int first = posix::first_given_descriptor);

  /// Those of this process. The first call reads the environment and takes its variables away.
  static service_sockets& of_this_process();

  /// A copy of the `index`-th of that name; non-blocking from now on, for all who have the socket.
  /// Errors: `error::not_inherited`; `error::wrong_handle` when it is no listening stream socket of
  /// TCP or Unix; what the environment had of nonsense.
  posix::unique_fd share(std::string_view name, std::size_t index, std::error_code& error);

  /// One more, which this process has got in another way.
  void add(std::string name, posix::unique_fd socket);
  /// The same where it is known that it is the `index`-th of its name.
  void add(std::string name, std::size_t index, posix::unique_fd socket);

  /// The names of those that nobody has claimed, in their order.
  std::vector<std::string> unclaimed(std::error_code& error) const;
  /// Gives those away.
  std::vector<given> take_unclaimed(std::error_code& error);
  /// Closes those, but not the descriptors in `kept`, which are the program's own from now on.
  void close_unclaimed(const std::set<int>& kept = {});
  /// Closes all of them; copies stay open.
  void close_all();

private:
  mutable std::mutex mutex_;
  std::vector<given> all_;
  std::error_code nonsense_;
};

// Implementation

inline service_sockets::service_sockets(const activation_variables& said, pid_t own_pid, int first)
{
  activation told = parse_activation(said, own_pid, nonsense_);
  // All of them are looked at before any is owned: others are not the service manager's.
  std::error_code error;
  for (std::size_t each = 0; each != told.names.size() && !error; ++each)
    posix::check_open(first + static_cast<int>(each), error);
  if (error) nonsense_ = error;
  if (error) return;
  int descriptor = first;
  for (std::string& name : told.names) {
    add(std::move(name), posix::unique_fd(descriptor));
    posix::set_cloexec(descriptor, error);
    ++descriptor;
  }
}

inline service_sockets& service_sockets::of_this_process()
{
  static service_sockets mine = [] {
    activation_variables said;
    said.pid = posix::take_variable(posix::listen_pid_variable);
    said.fds = posix::take_variable(posix::listen_fds_variable);
    said.names = posix::take_variable(posix::listen_names_variable);
    posix::take_variable(posix::listen_pidfd_variable);
    return service_sockets(said, posix::own_pid());
  }();
  return mine;
}

inline posix::unique_fd service_sockets::share(
    std::string_view name, std::size_t index, std::error_code& error)
{
  const std::scoped_lock lock(mutex_);
  error = nonsense_;
  if (error) return {};
  for (given& each : all_) {
    if (each.name != name || each.index != index) continue;
    auto copy = posix::share_inherited(each.socket.get(), posix::inherited_kind::listener, error);
    if (!error) each.claimed = true;
    return copy;
  }
  error = error::not_inherited;
  return {};
}

inline void service_sockets::add(std::string name, posix::unique_fd socket)
{
  const auto earlier = [&] {
    const std::scoped_lock lock(mutex_);
    return std::ranges::count(all_, name, &given::name);
  }();
  add(std::move(name), static_cast<std::size_t>(earlier), std::move(socket));
}

inline void service_sockets::add(std::string name, std::size_t index, posix::unique_fd socket)
{
  const std::scoped_lock lock(mutex_);
  given& added = all_.emplace_back();
  added.name = std::move(name);
  added.socket = std::move(socket);
  added.index = index;
}

inline std::vector<std::string> service_sockets::unclaimed(std::error_code& error) const
{
  const std::scoped_lock lock(mutex_);
  error = nonsense_;
  std::vector<std::string> names;
  for (const given& each : all_)
    if (!error && !each.claimed) names.push_back(each.name);
  return names;
}

inline auto service_sockets::take_unclaimed(std::error_code& error) -> std::vector<given>
{
  const std::scoped_lock lock(mutex_);
  error = nonsense_;
  std::vector<given> taken;
  if (error) return taken;
  std::vector<given> stay;
  for (given& each : all_) (each.claimed ? stay : taken).push_back(std::move(each));
  all_ = std::move(stay);
  return taken;
}

inline void service_sockets::close_unclaimed(const std::set<int>& kept)
{
  const std::scoped_lock lock(mutex_);
  for (given& each : all_)
    if (!each.claimed && kept.contains(each.socket.get())) each.socket.release();
  std::erase_if(all_, [](const given& each) { return !each.claimed; });
}

inline void service_sockets::close_all()
{
  const std::scoped_lock lock(mutex_);
  all_.clear();
}

} // namespace cohort::detail
