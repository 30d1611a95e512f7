// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// Policies in a listener whose members change by chance.

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/scheduled_members.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace cohort_test {

/// Members with ids, slots and places in the order of joining, all ready.
inline std::vector<cohort::candidate> ready_members(std::size_t count)
{
  std::vector<cohort::candidate> members;
  for (std::size_t i = 0; i != count; ++i) {
    members.emplace_back(static_cast<cohort::worker_id>(1'000 - i));
    members.back().slot = static_cast<std::uint32_t>(i);
    members.back().joined = i + 1;
    members.back().window = 1'000'000;
  }
  return members;
}

/// A connection from an address that stands for this number.
inline cohort::connection_info connection_of(
    std::uint32_t client, cohort::connection_info::clock::time_point arrival = {})
{
  std::array<std::byte, 4> address;
  for (std::size_t i = 0; i != address.size(); ++i)
    address[i] = static_cast<std::byte>(client >> (8 * i));
  return {address, 1, arrival};
}

/// The policy that is used through it stays the test's.
template <class Policy>
class used_policy {
public:
  explicit used_policy(Policy& policy) : policy_(&policy) {}

  std::size_t select(std::span<const cohort::candidate> members,
      const cohort::connection_info& connection) noexcept
  {
    chosen = policy_->select(members, connection);
    return chosen < members.size() && members[chosen].ready() ? chosen : cohort::wait;
  }
  void on_join(const cohort::candidate& member) noexcept
  {
    if constexpr (requires { policy_->on_join(member); }) policy_->on_join(member);
  }
  void on_leave(const cohort::candidate& member) noexcept
  {
    if constexpr (requires { policy_->on_leave(member); }) policy_->on_leave(member);
  }
  void on_change(std::span<const cohort::candidate> members, std::size_t index) noexcept
  {
    if constexpr (requires { policy_->on_change(members, index); })
      policy_->on_change(members, index);
  }

  /// What it really said.
  std::size_t chosen = cohort::wait;

private:
  Policy* policy_;
};

/// A listener, as far as its policy can see, to which things happen by chance.
template <class Policy>
class policy_walk {
public:
  using clock = cohort::connection_info::clock;

  policy_walk(Policy& policy, std::uint32_t seed)
      : random_(seed),
        members_(used_policy<Policy>(policy))
  {
  }

  std::span<const cohort::candidate> members() const { return members_.candidates(); }
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }
  bool is_anyone_ready() const
  {
    return std::any_of(members().begin(), members().end(), [](auto& m) { return m.ready(); });
  }

  /// Something happens to the members.
  void change();

  /// A client's connection, which is offered to the member that the policy chooses: what it says is
  /// passed on.
  std::size_t connect(const cohort::connection_info& connection)
  {
    const std::size_t found = members_.choose(connection);
    if (found != members_.none) {
      members_.add_offer(found, cohort::detail::offer<int>());
      members_.offers(found).run(1, {});
      members_.offers(found).run_sent(1);
    }
    return members_.policy().chosen;
  }

  /// From one of a few clients, now.
  cohort::connection_info someone()
  {
    now_ += std::chrono::milliseconds(below(50));
    return connection_of(below(40), now_);
  }

private:
  static constexpr std::size_t max_members = 12;

  void join();
  void join_again(cohort::candidate worker)
  {
    worker.since = now_;
    members_.join(worker);
  }

  std::mt19937 random_;
  clock::time_point now_{std::chrono::hours(1)};
  cohort::worker_id joined_ = 0;
  cohort::detail::scheduled_members<int, used_policy<Policy>> members_;
};

/// In random walks the policy says nothing but `wait` and members that are ready; `wait` only when
/// there is none, if it `always_chooses`. Before each choice `look(walk, connection)` is called.
template <class MakePolicy, class Look>
void check_walks(MakePolicy make, bool always_chooses, Look look)
{
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    auto policy = make();
    policy_walk walk(policy, seed);
    std::size_t choices = 0;
    for (int step = 0; step != 3'000; ++step) {
      CAPTURE(step);
      // Now and then much happens before the policy is asked again.
      if (walk.below(3) != 0) walk.change();
      if (walk.below(50) == 0)
        for (int i = 0; i != 10; ++i) walk.change();
      if (walk.below(3) == 0) continue;
      const auto connection = walk.someone();
      look(walk, connection);
      const std::vector<cohort::candidate> before(walk.members().begin(), walk.members().end());
      const bool anyone = walk.is_anyone_ready();
      const std::size_t chosen = walk.connect(connection);
      if (chosen == cohort::wait) {
        REQUIRE_FALSE((always_chooses && anyone));
      } else {
        REQUIRE(chosen < before.size());
        REQUIRE(before[chosen].ready());
        ++choices;
      }
    }
    // Walks in which nobody can be chosen show nothing.
    REQUIRE(choices > 300);
  }
}

template <class MakePolicy>
void check_walks(MakePolicy make, bool always_chooses = true)
{
  check_walks(make, always_chooses, [](auto&, const cohort::connection_info&) {});
}

/// How often each of the members is chosen, of whom none changes.
template <class Policy>
std::vector<std::size_t> choices_of(
    Policy& policy, std::span<const cohort::candidate> members, std::size_t count)
{
  std::vector<std::size_t> chosen(members.size());
  for (; count != 0; --count) ++chosen.at(policy.select(members, cohort::connection_info()));
  return chosen;
}

/// How far counts are from what was expected of them, in proportion to chance: near 1 if they are
/// by chance, their number if one has all.
inline double chi_square_per_degree(
    std::span<const std::size_t> counts, std::span<const double> expected)
{
  double sum = 0;
  for (std::size_t i = 0; i != counts.size(); ++i) {
    const double off = static_cast<double>(counts[i]) - expected[i];
    sum += off * off / expected[i];
  }
  return sum / static_cast<double>(counts.size() - 1);
}

inline double chi_square_per_degree(std::span<const std::size_t> counts)
{
  double sum = 0;
  for (const std::size_t each : counts) sum += static_cast<double>(each);
  const std::vector<double> even(counts.size(), sum / static_cast<double>(counts.size()));
  return chi_square_per_degree(counts, even);
}

// Implementation

template <class Policy>
void policy_walk<Policy>::join()
{
  cohort::candidate worker(++joined_);
  while (std::any_of(members().begin(), members().end(),
      [&](const auto& member) { return member.slot == worker.slot; }))
    ++worker.slot;
  worker.weight = 1 + below(4);
  worker.since = now_;
  members_.join(worker);
  // Sometimes it grants later, or is gone before.
  if (below(3) != 0) members_.grant(worker.id, 1 + below(8));
}

template <class Policy>
void policy_walk<Policy>::change()
{
  const std::size_t count = members().size();
  const auto what = below(20);
  if (count == 0 || (what == 0 && count < max_members)) return join();
  // Often the last one: it is special to policies that tell members by it.
  const std::size_t i = below(4) == 0 ? count - 1 : below(static_cast<std::uint32_t>(count));
  const cohort::candidate member = members()[i];
  const auto some = [&](std::uint32_t of) { return of == 0 ? 0 : 1 + below(of); };
  switch (what) {
  case 0:
  case 1: members_.erase_offers(i, 0, member.offers); return members_.erase(i);
  case 2: members_.retire(member.id); return;
  case 3:
    // Who has retired begins again.
    if (member.leaving) join_again(member);
    return;
  case 4: return members_.withdraw_credit(i);
  case 5:
  case 6:
  case 7: members_.grant(member.id, 1 + below(8)); return;
  case 8: members_.set_open(member.id, false); return;
  case 9:
  case 10: members_.set_open(member.id, true); return;
  case 11: members_.set_weight(member.id, below(5)); return;
  case 12: members_.set_weight(member.id, 1 + below(4)); return;
  case 13: members_.set_load(member.id, below(100)); return;
  case 14: return members_.erase_offers(i, 0, some(member.offers));
  case 15:
  case 16:
  case 17: {
    const auto taken = some(member.offers);
    members_.erase_offers(i, 0, taken);
    return members_.add_connections(i, taken);
  }
  default: return members_.end_connections(i, some(member.connections));
  }
}

} // namespace cohort_test
