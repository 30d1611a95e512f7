// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listen_request.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/listen_options.hpp>
#include <cohort/overflow.hpp>

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// Where the primary listens itself: which listeners of its `Connections`, a `dispatcher`, stay
/// open without a worker.
///
/// As far as names go it is one who listens as each worker is: it joins the listener that is there,
/// and its n-th on port 0 is the one of each worker's n-th.
template <class Connections>
class primary_listens {
public:
  explicit primary_listens(Connections& connections) noexcept : connections_(connections) {}

  /// @param given a socket that listens already, to be taken for what is asked for instead of a new
  ///   one: somebody else has made it, and sees to its path.
  /// @return where it is bound. `address_in_use` when the primary listens there already.
  posix::socket_address listen(listen_key asked, const listen_options& options,
      std::error_code& error, posix::unique_fd given = posix::unique_fd());

  /// Nothing happens where it does not listen.
  void stop(const listen_key& asked);
  void stop_all();

  /// What becomes of connections while no worker listens there. `address_not_available` where the
  /// primary does not listen.
  void set_unserved(const listen_key& asked, overflow how, std::error_code& error);

private:
  struct entry {
    listen_key asked;
    std::shared_ptr<typename Connections::listener> listener;
  };

  auto find(const listen_key& asked) noexcept
  {
    return std::ranges::find_if(entries_, [&](const entry& each) {
      return each.asked == asked || asked.names(each.listener->bound());
    });
  }

  Connections& connections_;
  std::vector<entry> entries_;
};

// Implementation

template <class Connections>
posix::socket_address primary_listens<Connections>::listen(
    listen_key asked, const listen_options& options, std::error_code& error, posix::unique_fd given)
{
  while (asked.any_port() && find(asked) != entries_.end()) ++asked.index;
  entries_.reserve(entries_.size() + 1);
  auto listener = connections_.find(asked);
  if (listener && listener->is_held()) error = std::make_error_code(std::errc::address_in_use);
  else if (!listener && !given) given = connections_.inheritable().share(asked, error);
  if (!error && !listener)
    listener = connections_.create(listen_request(asked, options), asked, std::move(given), error);
  if (error) return posix::socket_address();
  entries_.push_back(entry{asked, listener});
  listener->hold();
  return listener->bound();
}

template <class Connections>
void primary_listens<Connections>::stop(const listen_key& asked)
{
  const auto found = find(asked);
  if (found == entries_.end()) return;
  const auto listener = std::move(found->listener);
  entries_.erase(found);
  listener->release();
  connections_.forget_finished();
}

template <class Connections>
void primary_listens<Connections>::stop_all()
{
  for (const entry& each : std::exchange(entries_, {})) each.listener->release();
  connections_.forget_finished();
}

template <class Connections>
void primary_listens<Connections>::set_unserved(
    const listen_key& asked, overflow how, std::error_code& error)
{
  const auto found = find(asked);
  if (found == entries_.end()) error = std::make_error_code(std::errc::address_not_available);
  else found->listener->set_unserved(std::move(how), error);
}

} // namespace cohort::detail
