// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/lifecycle/arrival_queue.hpp>
#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/detail/lifecycle/offer_book.hpp>
#include <cohort/detail/lifecycle/scheduled_members.hpp>
#include <cohort/detail/lifecycle/waiting_limits.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The connections of one listener on their way to its members.
///
/// Every connection that entered is at any time in exactly one place: queued, or offered to one
/// worker, or passed out: to be closed, because a worker has taken it or none can, or to another
/// program. What comes back joins the queue where it was: the queue is in order of arrival.
///
/// Answers come from workers and are not believed: one that does not fit changes nothing and
/// returns false, a violation of the protocol. `Policy` is a `scheduling_policy`. Policy, `send`
/// and `close` may neither throw nor call back into this object. Only `join`, `grant` and `enqueue`
/// allocate, and not for each connection.
template <class Connection, class Policy>
class handoff {
public:
  using clock = connection_info::clock;
  using offer_type = offer<Connection>;

  /// The most offers in one run: what one frame can carry.
  static constexpr std::size_t max_run = 64;
  /// What a worker's window is limited to, however much it grants.
  static constexpr std::uint32_t max_window = wire::max_outstanding;
  /// More than a process can have.
  static constexpr std::uint32_t max_accepted = 1U << 30;
  /// A connection that so many offers found unusable is closed.
  static constexpr unsigned max_tries = 3;

  /// A connection that is older than the policy's patience, or this one, goes to any member, even
  /// if the policy says wait.
  explicit handoff(Policy policy) : members_(std::move(policy)), limits_(members_.calls()) {}
  handoff(Policy policy, clock::duration patience)
      : members_(std::move(policy)),
        limits_(patience, members_.calls().on_overflow())
  {
  }

  // Members. Those that return a bool return false when the worker is no member.

  /// Makes a worker a member, of whom the policy sees what is said here; it is offered nothing
  /// before it grants. One that has retired takes part again, in its old place. False when it is an
  /// active member already.
  bool join(const candidate& worker);

  /// Sets its credit; 0 withdraws it.
  bool grant(worker_id worker, std::uint32_t window)
  {
    return members_.grant(worker, std::min(window, max_window));
  }

  /// Tells whether its channel has room; at first it has.
  bool set_open(worker_id worker, bool open) noexcept { return members_.set_open(worker, open); }

  bool set_weight(worker_id worker, std::uint32_t weight) noexcept
  {
    return members_.set_weight(worker, weight);
  }
  bool set_load(worker_id worker, std::uint32_t load) noexcept
  {
    return members_.set_load(worker, load);
  }

  /// It is offered nothing more, because it leaves, drains or has lost its channel. What it was
  /// offered stays with it until it answers or is gone.
  bool retire(worker_id worker) noexcept { return members_.retire(worker); }

  /// It is no member any more: it has left, or it is certainly dead and all it said has been read.
  /// What it has not answered is queued again, what it took and did not release counts as lost.
  /// Returns how many were queued again. A second call does nothing.
  std::size_t gone(worker_id worker) noexcept;

  // Connections.

  /// How many more connections to accept now: the members' room, and what may wait for room by the
  /// `overflow` in force, less what is queued.
  std::size_t capacity() const noexcept;

  void enqueue(Connection connection, const connection_info& info);

  /// Offers what is queued to the members that the policy chooses, and returns how many were sent.
  /// `bool send(worker_id, std::span<const offer_type>)` gets runs of at most `max_run`. False
  /// means that the channel has no room and took none of the run: it is queued again and goes to
  /// other members, and this one is offered nothing until `set_open(worker, true)`.
  template <class Send>
  std::size_t dispatch(clock::time_point now, Send&& send) noexcept;

  /// While no member has room, passes those that have waited for it for too long, by the `overflow`
  /// in force, to `answer(Connection)`.
  template <class Answer>
  std::size_t overflowed(clock::time_point now, Answer&& answer) noexcept;
  /// When to dispatch again, or to ask who has overflowed, though nothing has happened: a
  /// connection's patience ends, or its wait for room.
  std::optional<clock::time_point> next_deadline() const noexcept;

  /// The member owns `count` connections from `first` on, each passed to `close(Connection)`, and
  /// `leases` of what it owns have ended.
  template <class Close>
  bool taken(worker_id worker, std::uint64_t first, std::size_t count, std::uint32_t leases,
      Close&& close) noexcept;

  /// The member does not take `count` connections from `first` on. For lack of room: it has no
  /// credit until it grants again. Because they are unusable: a failed try for each, and those that
  /// have failed `max_tries` times are passed to `close(Connection)`.
  template <class Close>
  bool refused(worker_id worker, std::uint64_t first, std::size_t count, wire::refuse_reason reason,
      Close&& close) noexcept;

  /// The member owns `count` connections that never were here. False when that cannot be.
  bool accepted(worker_id worker, std::uint32_t count) noexcept;

  /// `leases` of what the member owns have ended.
  bool released(worker_id worker, std::uint32_t leases) noexcept;

  /// Passes everything queued to `take(Connection)`, as if it never had been here.
  template <class Take>
  std::size_t take_queue(Take&& take) noexcept;

  /// So many were accepted and closed that are not here.
  void count_closed(std::size_t count) noexcept
  {
    counters_.accepted += count;
    counters_.closed += count;
  }

  std::span<const candidate> members() const noexcept { return members_.candidates(); }
  bool is_member(worker_id worker) const noexcept { return members_.find(worker) != none; }
  /// How many members have not retired.
  std::size_t active() const noexcept { return members_.active(); }
  bool is_served() const noexcept { return active() != 0; }
  std::size_t queue_size() const noexcept { return queue_.size(); }
  std::span<const offer_type> queued() const noexcept { return queue_.all(); }
  /// What a worker has been offered and has not answered.
  std::span<const offer_type> open_offers(worker_id worker) const noexcept;
  const connection_counters& counters() const noexcept { return counters_; }
  const policy_calls<Policy>& calls() const noexcept { return members_.calls(); }
  /// What becomes of who waits for too long: that of the policy, or, without members, what was set.
  const overflow& on_overflow(bool served) const noexcept { return limits_.in_force(served); }
  void set_unserved(overflow how) { limits_.set_unserved(std::move(how)); }
  const Policy& policy() const noexcept { return members_.policy(); }

private:
  static constexpr std::size_t none = scheduled_members<Connection, Policy>::none;

  void assign_queued(clock::time_point now) noexcept;
  template <class Send>
  std::size_t send_assigned(clock::time_point now, Send& send, bool& blocked) noexcept;
  template <class Close>
  void fail(std::size_t index, std::size_t position, std::size_t count, Close& close) noexcept;
  void put_back(std::size_t index, std::size_t position, std::size_t count) noexcept;

  scheduled_members<Connection, Policy> members_;
  waiting_limits limits_;
  arrival_queue<Connection> queue_;
  std::vector<std::size_t> assigned_; // within `dispatch`: the members with something unsent
  connection_counters counters_;
};

// Implementation

template <class Connection, class Policy>
bool handoff<Connection, Policy>::join(const candidate& worker)
{
  assigned_.reserve(members().size() + 1);
  // Until now there was nobody to have room.
  if (!is_served()) queue_.restart();
  return members_.join(worker);
}

template <class Connection, class Policy>
std::size_t handoff<Connection, Policy>::gone(worker_id worker) noexcept
{
  const std::size_t i = members_.find(worker);
  if (i == none) return 0;
  const std::size_t count = members_[i].offers;
  put_back(i, 0, count);
  counters_.redispatched += count;
  counters_.lost += members_[i].connections;
  members_.erase(i);
  return count;
}

template <class Connection, class Policy>
std::size_t handoff<Connection, Policy>::capacity() const noexcept
{
  const std::size_t limit = members_.room() + limits_.without_room(is_served());
  return limit - std::min(limit, queue_.size());
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::enqueue(Connection connection, const connection_info& info)
{
  // What is offered may come back, and then there must be room.
  queue_.arrive(std::move(connection), info, members_.offered());
  ++counters_.accepted;
}

template <class Connection, class Policy>
template <class Send>
std::size_t handoff<Connection, Policy>::dispatch(clock::time_point now, Send&& send) noexcept
{
  std::size_t sent = 0;
  // Each further round has one member fewer that is ready.
  for (bool blocked = true; std::exchange(blocked, false);) {
    assign_queued(now);
    sent += send_assigned(now, send, blocked);
  }
  return sent;
}

template <class Connection, class Policy>
auto handoff<Connection, Policy>::next_deadline() const noexcept -> std::optional<clock::time_point>
{
  if (queue_.empty()) return std::nullopt;
  const offer_type& first = queue_.front();
  if (members_.room() != 0) return limits_.overdue_at(first.info);
  return first.waits_since ? limits_.overflows_at(is_served(), *first.waits_since) : std::nullopt;
}

template <class Connection, class Policy>
template <class Answer>
std::size_t handoff<Connection, Policy>::overflowed(clock::time_point now, Answer&& answer) noexcept
{
  if (members_.room() != 0) return 0;
  queue_.wait_since(now);
  const std::size_t count = queue_.take_front(
      [&](const offer_type& each) {
        return limits_.has_overflowed(is_served(), *each.waits_since, now);
      },
      answer);
  (is_served() ? counters_.overflowed : counters_.unserved) += count;
  return count;
}

template <class Connection, class Policy>
template <class Close>
bool handoff<Connection, Policy>::taken(worker_id worker, std::uint64_t first, std::size_t count,
    std::uint32_t leases, Close&& close) noexcept
{
  const std::size_t i = members_.find(worker);
  if (i == none) return false;
  auto& offers = members_.offers(i);
  const std::size_t position = offers.find(first, count);
  if (position == offers.npos || leases > members_[i].connections + count) return false;
  for (std::size_t n = 0; n != count; ++n)
    close(Connection(std::move(offers[position + n].connection)));
  members_.erase_offers(i, position, count);
  counters_.taken += count;
  members_.add_connections(i, count);
  members_.end_connections(i, leases);
  return true;
}

template <class Connection, class Policy>
template <class Close>
bool handoff<Connection, Policy>::refused(worker_id worker, std::uint64_t first, std::size_t count,
    wire::refuse_reason reason, Close&& close) noexcept
{
  const std::size_t i = members_.find(worker);
  if (i == none) return false;
  const std::size_t position = members_.offers(i).find(first, count);
  if (position == offer_book<Connection>::npos) return false;
  counters_.refused += count;
  if (reason == wire::refuse_reason::unusable) {
    fail(i, position, count, close);
  } else {
    members_.withdraw_credit(i);
    counters_.redispatched += count;
    put_back(i, position, count);
  }
  return true;
}

template <class Connection, class Policy>
template <class Close>
void handoff<Connection, Policy>::fail(
    std::size_t index, std::size_t position, std::size_t count, Close& close) noexcept
{
  auto& offers = members_.offers(index);
  for (; count != 0; --count) {
    if (++offers[position].tries < max_tries) {
      ++counters_.redispatched;
      put_back(index, position, 1);
    } else {
      ++counters_.closed;
      close(Connection(std::move(offers[position].connection)));
      members_.erase_offers(index, position, 1);
    }
  }
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::accepted(worker_id worker, std::uint32_t count) noexcept
{
  const std::size_t i = members_.find(worker);
  if (i == none || count > max_accepted - std::min(max_accepted, members_[i].connections))
    return false;
  counters_.accepted += count;
  counters_.taken += count;
  members_.add_connections(i, count);
  return true;
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::released(worker_id worker, std::uint32_t leases) noexcept
{
  const std::size_t i = members_.find(worker);
  if (i == none || leases > members_[i].connections) return false;
  members_.end_connections(i, leases);
  return true;
}

template <class Connection, class Policy>
template <class Take>
std::size_t handoff<Connection, Policy>::take_queue(Take&& take) noexcept
{
  const std::size_t count = queue_.take_front([](const offer_type&) { return true; }, take);
  counters_.accepted -= count;
  return count;
}

template <class Connection, class Policy>
std::span<const offer<Connection>> handoff<Connection, Policy>::open_offers(
    worker_id worker) const noexcept
{
  const std::size_t i = members_.find(worker);
  return i == none ? std::span<const offer_type>() : std::as_const(members_).offers(i).all();
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::assign_queued(clock::time_point now) noexcept
{
  queue_.take_if([this] { return members_.room() != 0; },
      [&](offer_type& waiting) {
        const bool overdue = limits_.is_overdue(waiting.info, now);
        const std::size_t chosen = members_.choose(waiting, overdue);
        if (chosen == none) return false;
        if (members_.offers(chosen).unsent() == 0) assigned_.push_back(chosen);
        members_.add_offer(chosen, std::move(waiting));
        return true;
      });
}

template <class Connection, class Policy>
template <class Send>
std::size_t handoff<Connection, Policy>::send_assigned(
    clock::time_point now, Send& send, bool& blocked) noexcept
{
  std::size_t sent = 0;
  for (const std::size_t i : assigned_) {
    auto& offers = members_.offers(i);
    while (offers.unsent() != 0) {
      const std::span<const offer_type> run = offers.run(max_run, now);
      if (!send(members_[i].id, run)) {
        blocked = true;
        members_.close_channel(i);
        put_back(i, offers.size() - offers.unsent(), offers.unsent());
        break;
      }
      sent += run.size();
      offers.run_sent(run.size());
    }
  }
  assigned_.clear();
  counters_.offered += sent;
  return sent;
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::put_back(
    std::size_t index, std::size_t position, std::size_t count) noexcept
{
  auto& offers = members_.offers(index);
  // From the last to the first: mostly each goes to the very front.
  for (std::size_t n = count; n-- != 0;) queue_.come_back(std::move(offers[position + n]));
  members_.erase_offers(index, position, count);
}

} // namespace cohort::detail
