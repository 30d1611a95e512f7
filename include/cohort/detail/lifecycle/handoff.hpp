// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/detail/lifecycle/offer_book.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cassert>
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
/// worker, or passed out to be closed by the caller, because a worker has taken it or because none
/// can. What comes back joins the queue where it was: the queue is in order of arrival.
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
  /// A connection that so many offers found unusable is closed.
  static constexpr unsigned max_tries = 3;

  /// A connection that is older than `patience` goes to any member, even if the policy says wait.
  explicit handoff(Policy policy, clock::duration patience = std::chrono::seconds(5))
      : policy_(std::move(policy)), patience_(patience)
  {
  }

  // Members. Those that return a bool return false when the worker is no member.

  /// Makes a worker a member; it is offered nothing before it grants. One that has retired takes
  /// part again, in its old place. False when it is an active member already.
  bool join(worker_id worker);

  /// Sets its credit; 0 withdraws it.
  bool grant(worker_id worker, std::uint32_t window);

  /// Tells whether its channel has room; at first it has.
  bool set_open(worker_id worker, bool open) noexcept;

  /// It is offered nothing more, because it leaves, drains or has lost its channel. What it was
  /// offered stays with it until it answers or is gone.
  bool retire(worker_id worker) noexcept;

  /// It is no member any more: it has left, or it is certainly dead and all it said has been read.
  /// What it has not answered is queued again, what it took and did not release counts as lost.
  /// Returns how many were queued again. A second call does nothing.
  std::size_t gone(worker_id worker) noexcept;

  // Connections.

  /// How many more connections to accept now: the members' room less what is queued.
  std::size_t capacity() const noexcept { return room_ > queue_.size() ? room_ - queue_.size() : 0; }

  void enqueue(Connection connection, const connection_info& info);

  /// Offers what is queued to the members that the policy chooses, and returns how many were sent.
  /// `bool send(worker_id, std::span<const offer_type>)` gets runs of at most `max_run`. False
  /// means that the channel has no room and took none of the run: it is queued again and goes to
  /// other members, and this one is offered nothing until `set_open(worker, true)`.
  template <class Send>
  std::size_t dispatch(clock::time_point now, Send&& send) noexcept;

  /// When to dispatch again though nothing has happened: a connection waits by the policy's wish
  /// while members are ready, and then its patience ends.
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
  bool refused(worker_id worker, std::uint64_t first, std::size_t count,
      wire::refuse_reason reason, Close&& close) noexcept;

  /// `leases` of what the member owns have ended.
  bool released(worker_id worker, std::uint32_t leases) noexcept;

  /// Passes everything queued to `close(Connection)`: no worker is left for it.
  template <class Close>
  std::size_t close_queue(Close&& close) noexcept;

  // Observers.

  std::span<const candidate> members() const noexcept { return members_; }
  bool is_member(worker_id worker) const noexcept { return find(worker) != none; }
  /// How many members have not retired.
  std::size_t active() const noexcept { return active_; }
  std::size_t queue_size() const noexcept { return queue_.size(); }
  std::span<const offer_type> queued() const noexcept { return queue_.all(); }
  /// What a worker has been offered and has not answered.
  std::span<const offer_type> open_offers(worker_id worker) const noexcept;
  const connection_counters& counters() const noexcept { return counters_; }
  const Policy& policy() const noexcept { return policy_; }

private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  // What the policy does not see of the member at the same index.
  struct account {
    offer_book<Connection> offers;
    bool channel_open = true;
    bool retired = false;
  };

  static std::size_t room_of(const candidate& member) noexcept
  {
    return member.ready() ? member.window - member.offers : 0;
  }

  std::size_t find(worker_id worker) const noexcept;
  template <class Change>
  void change(std::size_t index, Change change) noexcept;
  void update_open(std::size_t index) noexcept;
  std::size_t choose(const offer_type& waiting, clock::time_point now) noexcept;
  void assign_queued(clock::time_point now) noexcept;
  template <class Send>
  std::size_t send_assigned(Send& send, bool& blocked) noexcept;
  void put_back(std::size_t index, std::size_t position, std::size_t count) noexcept;
  void end_leases(candidate& member, std::uint32_t count) noexcept;

  Policy policy_;
  clock::duration patience_;
  std::vector<candidate> members_;
  std::vector<account> accounts_;
  fifo<offer_type> queue_;
  // Within `dispatch`: the members with something unsent.
  std::vector<std::size_t> assigned_;
  std::size_t active_ = 0;
  std::size_t room_ = 0;
  std::size_t offered_ = 0;
  std::uint64_t tickets_ = 0;
  std::uint64_t joins_ = 0;
  // Above all sequences of former members: an answer to one of them never fits a later member.
  std::uint64_t first_sequence_ = 1;
  connection_counters counters_;
};

// Implementation

template <class Connection, class Policy>
bool handoff<Connection, Policy>::join(worker_id worker)
{
  if (const std::size_t i = find(worker); i != none) {
    if (!accounts_[i].retired) return false;
    change(i, [](candidate& member) { member.window = 0; });
    accounts_[i].retired = false;
    update_open(i);
    ++active_;
    return true;
  }
  members_.reserve(members_.size() + 1);
  assigned_.reserve(members_.size() + 1);
  accounts_.push_back(account{offer_book<Connection>(first_sequence_)});
  members_.emplace_back(worker).joined = ++joins_;
  ++active_;
  if constexpr (requires { policy_.on_join(members_.back()); }) policy_.on_join(members_.back());
  return true;
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::grant(worker_id worker, std::uint32_t window)
{
  const std::size_t i = find(worker);
  if (i == none) return false;
  window = std::min(window, max_window);
  accounts_[i].offers.reserve(window);
  change(i, [&](candidate& member) { member.window = window; });
  return true;
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::set_open(worker_id worker, bool open) noexcept
{
  const std::size_t i = find(worker);
  if (i == none) return false;
  accounts_[i].channel_open = open;
  update_open(i);
  return true;
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::retire(worker_id worker) noexcept
{
  const std::size_t i = find(worker);
  if (i == none) return false;
  if (!std::exchange(accounts_[i].retired, true)) --active_;
  update_open(i);
  return true;
}

template <class Connection, class Policy>
std::size_t handoff<Connection, Policy>::gone(worker_id worker) noexcept
{
  const std::size_t i = find(worker);
  if (i == none) return 0;
  retire(worker);
  const std::size_t count = members_[i].offers;
  put_back(i, 0, count);
  counters_.redispatched += count;
  counters_.lost += members_[i].connections;
  if constexpr (requires { policy_.on_leave(members_[i]); }) policy_.on_leave(members_[i]);
  first_sequence_ = std::max(first_sequence_, accounts_[i].offers.next_sequence());
  members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(i));
  accounts_.erase(accounts_.begin() + static_cast<std::ptrdiff_t>(i));
  return count;
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::enqueue(Connection connection, const connection_info& info)
{
  // What is offered may come back, and then there must be room.
  queue_.reserve(queue_.size() + offered_ + 1);
  queue_.push_back(offer_type{0, ++tickets_, std::move(connection), info, 0});
  ++counters_.accepted;
}

template <class Connection, class Policy>
template <class Send>
std::size_t handoff<Connection, Policy>::dispatch(clock::time_point now, Send&& send) noexcept
{
  std::size_t sent = 0;
  bool blocked;
  // Each further round has one member fewer that is ready.
  do {
    blocked = false;
    assign_queued(now);
    sent += send_assigned(send, blocked);
  } while (blocked);
  return sent;
}

template <class Connection, class Policy>
auto handoff<Connection, Policy>::next_deadline() const noexcept -> std::optional<clock::time_point>
{
  if (queue_.empty() || room_ == 0) return std::nullopt;
  return queue_[0].info.arrival() + patience_;
}

template <class Connection, class Policy>
template <class Close>
bool handoff<Connection, Policy>::taken(worker_id worker, std::uint64_t first, std::size_t count,
    std::uint32_t leases, Close&& close) noexcept
{
  const std::size_t i = find(worker);
  if (i == none) return false;
  auto& offers = accounts_[i].offers;
  const std::size_t position = offers.find(first, count);
  if (position == offers.npos || leases > members_[i].connections + count) return false;
  for (std::size_t n = 0; n != count; ++n) {
    close(Connection(std::move(offers[position + n].connection)));
    change(i, [](candidate& member) { --member.offers, ++member.connections; });
    if constexpr (requires { policy_.on_taken(members_[i]); }) policy_.on_taken(members_[i]);
  }
  offers.erase(position, count);
  offered_ -= count;
  counters_.taken += count;
  end_leases(members_[i], leases);
  return true;
}

template <class Connection, class Policy>
template <class Close>
bool handoff<Connection, Policy>::refused(worker_id worker, std::uint64_t first, std::size_t count,
    wire::refuse_reason reason, Close&& close) noexcept
{
  const std::size_t i = find(worker);
  if (i == none) return false;
  auto& offers = accounts_[i].offers;
  std::size_t position = offers.find(first, count);
  if (position == offers.npos) return false;
  counters_.refused += count;
  if (reason != wire::refuse_reason::unusable) {
    change(i, [](candidate& member) { member.window = 0; });
    counters_.redispatched += count;
    put_back(i, position, count);
    return true;
  }
  for (; count != 0; --count) {
    if (++offers[position].tries < max_tries) {
      ++counters_.redispatched;
      put_back(i, position, 1);
    } else {
      ++counters_.closed;
      close(Connection(std::move(offers[position].connection)));
      offers.erase(position, 1);
      --offered_;
      change(i, [](candidate& member) { --member.offers; });
    }
  }
  return true;
}

template <class Connection, class Policy>
bool handoff<Connection, Policy>::released(worker_id worker, std::uint32_t leases) noexcept
{
  const std::size_t i = find(worker);
  if (i == none || leases > members_[i].connections) return false;
  end_leases(members_[i], leases);
  return true;
}

template <class Connection, class Policy>
template <class Close>
std::size_t handoff<Connection, Policy>::close_queue(Close&& close) noexcept
{
  const std::size_t count = queue_.size();
  for (auto& waiting : queue_.all()) close(Connection(std::move(waiting.connection)));
  queue_.erase(0, count);
  counters_.closed += count;
  return count;
}

template <class Connection, class Policy>
auto handoff<Connection, Policy>::open_offers(worker_id worker) const noexcept
    -> std::span<const offer_type>
{
  const std::size_t i = find(worker);
  return i == none ? std::span<const offer_type>() : accounts_[i].offers.all();
}

template <class Connection, class Policy>
std::size_t handoff<Connection, Policy>::find(worker_id worker) const noexcept
{
  for (std::size_t i = 0; i != members_.size(); ++i)
    if (members_[i].id == worker) return i;
  return none;
}

// Every change of what makes a member ready goes through here, so that `room_` is their sum.
template <class Connection, class Policy>
template <class Change>
void handoff<Connection, Policy>::change(std::size_t index, Change change) noexcept
{
  room_ -= room_of(members_[index]);
  change(members_[index]);
  room_ += room_of(members_[index]);
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::update_open(std::size_t index) noexcept
{
  const bool open = accounts_[index].channel_open && !accounts_[index].retired;
  change(index, [&](candidate& member) { member.open_to_offers = open; });
}

template <class Connection, class Policy>
std::size_t handoff<Connection, Policy>::choose(
    const offer_type& waiting, clock::time_point now) noexcept
{
  const std::span<const candidate> members = members_;
  const std::size_t chosen = policy_.select(members, waiting.info);
  if (chosen < members.size() && members[chosen].ready()) return chosen;
  assert(chosen == wait && "select must return the index of a ready member, or wait");
  if (now < waiting.info.arrival() + patience_) return none;
  std::size_t best = none;
  for (std::size_t i = 0; i != members.size(); ++i)
    if (members[i].ready() && (best == none || members[i].offers < members[best].offers)) best = i;
  return best;
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::assign_queued(clock::time_point now) noexcept
{
  std::size_t kept = 0;
  std::size_t i = 0;
  for (; i != queue_.size() && room_ != 0; ++i) {
    const std::size_t chosen = choose(queue_[i], now);
    if (chosen == none) {
      if (kept != i) queue_[kept] = std::move(queue_[i]);
      ++kept;
      continue;
    }
    if (accounts_[chosen].offers.unsent() == 0) assigned_.push_back(chosen);
    accounts_[chosen].offers.assign(std::move(queue_[i]));
    change(chosen, [](candidate& member) { ++member.offers; });
  }
  offered_ += i - kept;
  queue_.erase(kept, i - kept);
}

template <class Connection, class Policy>
template <class Send>
std::size_t handoff<Connection, Policy>::send_assigned(Send& send, bool& blocked) noexcept
{
  std::size_t sent = 0;
  for (const std::size_t i : assigned_) {
    auto& offers = accounts_[i].offers;
    while (offers.unsent() != 0) {
      const std::span<const offer_type> run = offers.run(max_run);
      if (!send(members_[i].id, run)) {
        blocked = true;
        accounts_[i].channel_open = false;
        update_open(i);
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
  auto& offers = accounts_[index].offers;
  // From the last to the first: mostly each goes to the very front.
  for (std::size_t n = count; n-- != 0;) {
    auto& returned = offers[position + n];
    const auto queue = queue_.all();
    const auto behind = std::partition_point(queue.begin(), queue.end(),
        [&](const offer_type& waiting) { return waiting.ticket < returned.ticket; });
    queue_.insert(static_cast<std::size_t>(behind - queue.begin()), std::move(returned));
  }
  offers.erase(position, count);
  offered_ -= count;
  change(index, [&](candidate& m) { m.offers -= static_cast<std::uint32_t>(count); });
}

template <class Connection, class Policy>
void handoff<Connection, Policy>::end_leases(candidate& member, std::uint32_t count) noexcept
{
  for (; count != 0; --count) {
    --member.connections;
    if constexpr (requires { policy_.on_released(member); }) policy_.on_released(member);
  }
}

} // namespace cohort::detail
