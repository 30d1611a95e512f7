// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/detail/lifecycle/offer_book.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace cohort::detail {

/// Connections that no worker has been offered, in order of arrival, also those that came back.
template <class Connection>
class arrival_queue {
public:
  using offer_type = offer<Connection>;

  bool empty() const noexcept { return queue_.empty(); }
  std::size_t size() const noexcept { return queue_.size(); }
  std::span<const offer_type> all() const noexcept { return queue_.all(); }
  const offer_type& front() const noexcept { return queue_[0]; }

  /// Adds one that has just arrived. Nothing allocates afterwards while no more than `others` come
  /// back.
  void arrive(Connection connection, const connection_info& info, std::size_t others);

  /// Puts one back where it was. It waits anew from the next `wait_since` on.
  void come_back(offer_type returned) noexcept;

  /// All wait anew.
  void restart() noexcept
  {
    for (offer_type& each : queue_.all()) each.waits_since.reset();
    restarted_ = true;
  }
  /// Those who wait anew do so from now on.
  void wait_since(connection_info::clock::time_point now) noexcept;

  /// Calls `bool take(offer_type&)` for each while `bool go_on()` says so; those are gone for which
  /// it returns true, and it has moved them away.
  template <class GoOn, class Take>
  void take_if(GoOn go_on, Take take) noexcept;

  /// Gives the first ones to `give(Connection)`, as long as `bool is_next(const offer_type&)`
  /// says so. Returns how many.
  template <class IsNext, class Give>
  std::size_t take_front(IsNext is_next, Give&& give) noexcept;

private:
  fifo<offer_type> queue_;
  std::uint64_t tickets_ = 0;
  bool restarted_ = false;
};

// Implementation

template <class Connection>
void arrival_queue<Connection>::arrive(
    Connection connection, const connection_info& info, std::size_t others)
{
  queue_.reserve(queue_.size() + others + 1);
  queue_.push_back(offer_type{0, ++tickets_, std::move(connection), info, 0, info.arrival()});
}

template <class Connection>
void arrival_queue<Connection>::come_back(offer_type returned) noexcept
{
  const auto queue = queue_.all();
  const auto behind = std::partition_point(queue.begin(), queue.end(),
      [&](const offer_type& waiting) { return waiting.ticket < returned.ticket; });
  returned.waits_since.reset();
  restarted_ = true;
  queue_.insert(static_cast<std::size_t>(behind - queue.begin()), std::move(returned));
}

template <class Connection>
void arrival_queue<Connection>::wait_since(connection_info::clock::time_point now) noexcept
{
  if (!std::exchange(restarted_, false)) return;
  for (offer_type& each : queue_.all())
    if (!each.waits_since) each.waits_since = now;
}

template <class Connection>
template <class GoOn, class Take>
void arrival_queue<Connection>::take_if(GoOn go_on, Take take) noexcept
{
  std::size_t kept = 0;
  std::size_t i = 0;
  for (; i != queue_.size() && go_on(); ++i) {
    if (take(queue_[i])) continue;
    if (kept != i) queue_[kept] = std::move(queue_[i]);
    ++kept;
  }
  queue_.erase(kept, i - kept);
}

template <class Connection>
template <class IsNext, class Give>
std::size_t arrival_queue<Connection>::take_front(IsNext is_next, Give&& give) noexcept
{
  std::size_t count = 0;
  while (count != queue_.size() && is_next(queue_[count]))
    give(Connection(std::move(queue_[count++].connection)));
  queue_.erase(0, count);
  return count;
}

} // namespace cohort::detail
