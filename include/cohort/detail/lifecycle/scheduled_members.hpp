// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/member_table.hpp>
#include <cohort/detail/lifecycle/offer_book.hpp>
#include <cohort/detail/lifecycle/policy_calls.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace cohort::detail {

/// The members of one listener, and the policy that chooses among them: it hears of every change.
///
/// Those that take a worker's id return false when it is no member.
template <class Connection, class Policy>
class scheduled_members {
public:
  using book = offer_book<Connection>;

  static constexpr std::size_t none = member_table<Connection>::npos;

  explicit scheduled_members(Policy policy) : policy_(std::move(policy)) {}

  const policy_calls<Policy>& calls() const noexcept { return policy_; }
  const Policy& policy() const noexcept { return policy_.get(); }

  std::span<const candidate> candidates() const noexcept { return table_.candidates(); }
  const candidate& operator[](std::size_t i) const noexcept { return table_[i]; }
  std::size_t find(worker_id worker) const noexcept { return table_.find(worker); }
  const book& offers(std::size_t i) const noexcept { return table_.offers(i); }
  /// Taking something out is `erase_offers`.
  book& offers(std::size_t i) noexcept { return table_.offers(i); }
  std::size_t room() const noexcept { return table_.room(); }
  std::size_t offered() const noexcept { return table_.offered(); }
  std::size_t active() const noexcept { return table_.active(); }

  /// False when it is an active member already.
  bool join(const candidate& worker);
  bool grant(worker_id worker, std::uint32_t window)
  {
    return change(worker, [&](std::size_t i) { table_.set_window(i, window); });
  }
  bool set_open(worker_id worker, bool open) noexcept
  {
    return change(worker, [&](std::size_t i) { table_.set_channel_open(i, open); });
  }
  bool set_weight(worker_id worker, std::uint32_t weight) noexcept
  {
    return change(worker, [&](std::size_t i) { table_.set_weight(i, weight); });
  }
  bool set_load(worker_id worker, std::uint32_t load) noexcept
  {
    return change(worker, [&](std::size_t i) { table_.set_load(i, load); });
  }
  bool retire(worker_id worker) noexcept
  {
    return change(worker, [&](std::size_t i) { table_.set_retired(i, true); });
  }
  /// What it was offered has been taken out.
  void erase(std::size_t i) noexcept;

  /// Whom the policy chooses: a member that is ready, or `none`.
  std::size_t choose(const connection_info& connection) noexcept;
  /// The same for one of a queue: any that is ready, if it has waited for long enough.
  std::size_t choose(offer<Connection>& waiting, bool overdue) noexcept;
  /// Any member that is ready, or `none`.
  std::size_t any() const noexcept;

  void add_offer(std::size_t i, offer<Connection> added) noexcept;
  /// Forgets offers that have been moved from.
  void erase_offers(std::size_t i, std::size_t position, std::size_t count) noexcept;
  void close_channel(std::size_t i) noexcept { set_open(table_[i].id, false); }
  void withdraw_credit(std::size_t i) noexcept;
  /// Connections that were offered to it are its own now, or have ended.
  void add_connections(std::size_t i, std::size_t count) noexcept;
  void end_connections(std::size_t i, std::size_t count) noexcept;

private:
  template <class Change>
  bool change(worker_id worker, Change apply)
  {
    const std::size_t i = find(worker);
    if (i == none) return false;
    apply(i);
    changed(i);
    return true;
  }
  void changed(std::size_t i) noexcept { policy_.changed(candidates(), i); }

  member_table<Connection> table_;
  [[no_unique_address]] policy_calls<Policy> policy_;
};

// Implementation

template <class Connection, class Policy>
bool scheduled_members<Connection, Policy>::join(const candidate& worker)
{
  if (const std::size_t i = find(worker.id); i != none) {
    if (!table_.retired(i)) return false;
    table_.rejoin(i, worker);
    changed(i);
    return true;
  }
  table_.add(worker);
  policy_.joined(candidates().back());
  return true;
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::erase(std::size_t i) noexcept
{
  table_.set_retired(i, true);
  policy_.leaves(table_[i]);
  table_.erase(i);
}

template <class Connection, class Policy>
std::size_t scheduled_members<Connection, Policy>::choose(
    const connection_info& connection) noexcept
{
  const std::size_t chosen = policy_.select(candidates(), connection);
  return chosen == wait ? none : chosen;
}

template <class Connection, class Policy>
std::size_t scheduled_members<Connection, Policy>::choose(
    offer<Connection>& waiting, bool overdue) noexcept
{
  waiting.info.set_overdue(overdue);
  if constexpr (requires { waiting.connection.first_bytes(); })
    waiting.info.set_first_bytes(waiting.connection.first_bytes());
  const std::size_t chosen = choose(waiting.info);
  return chosen == none && overdue ? any() : chosen;
}

template <class Connection, class Policy>
std::size_t scheduled_members<Connection, Policy>::any() const noexcept
{
  const std::size_t found = policy_.least_offered(candidates());
  return found == wait ? none : found;
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::add_offer(
    std::size_t i, offer<Connection> added) noexcept
{
  table_.add_offer(i, std::move(added));
  changed(i);
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::erase_offers(
    std::size_t i, std::size_t position, std::size_t count) noexcept
{
  table_.erase_offers(i, position, count);
  changed(i);
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::withdraw_credit(std::size_t i) noexcept
{
  table_.withdraw_credit(i);
  changed(i);
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::add_connections(
    std::size_t i, std::size_t count) noexcept
{
  for (; count != 0; --count) {
    table_.add_connection(i);
    policy_.took(table_[i]);
  }
  changed(i);
}

template <class Connection, class Policy>
void scheduled_members<Connection, Policy>::end_connections(
    std::size_t i, std::size_t count) noexcept
{
  for (; count != 0; --count) {
    table_.end_connection(i);
    policy_.released(table_[i]);
  }
  changed(i);
}

} // namespace cohort::detail
