// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/lifecycle/offer_book.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The members of one listener in order of joining, with what they have been offered.
///
/// What policies see lies in one array, the rest in a second one under the same indices. The sum of
/// the members' room is kept up to date.
template <class Connection>
class member_table {
public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  std::span<const candidate> candidates() const noexcept { return candidates_; }
  const candidate& operator[](std::size_t i) const noexcept { return candidates_[i]; }
  offer_book<Connection>& offers(std::size_t i) noexcept { return accounts_[i].offers; }
  const offer_book<Connection>& offers(std::size_t i) const noexcept { return accounts_[i].offers; }
  bool retired(std::size_t i) const noexcept { return accounts_[i].retired; }

  /// The index of a worker, npos when it is no member.
  std::size_t find(worker_id worker) const noexcept;
  /// How many offers all members together have room for.
  std::size_t room() const noexcept { return room_; }
  /// How many offers they have not answered.
  std::size_t offered() const noexcept { return offered_; }
  /// How many have not retired.
  std::size_t active() const noexcept { return active_; }

  /// Its place in the order of joining is given here.
  void add(candidate member);
  void erase(std::size_t i) noexcept;
  void set_retired(std::size_t i, bool retired) noexcept;
  void set_channel_open(std::size_t i, bool open) noexcept;
  void set_window(std::size_t i, std::uint32_t window);
  void withdraw_credit(std::size_t i) noexcept;
  void set_weight(std::size_t i, std::uint32_t weight) noexcept;
  void set_load(std::size_t i, std::uint32_t load) noexcept { candidates_[i].load = load; }
  /// It takes part again, described anew, in its old place.
  void rejoin(std::size_t i, const candidate& member) noexcept;
  void add_offer(std::size_t i, offer<Connection> o) noexcept;
  /// Forgets offers that have been moved from.
  void erase_offers(std::size_t i, std::size_t position, std::size_t count) noexcept;
  void add_connection(std::size_t i) noexcept { ++candidates_[i].connections; }
  void end_connection(std::size_t i) noexcept { --candidates_[i].connections; }

private:
  struct account {
    offer_book<Connection> offers;
    bool channel_open = true;
    bool retired = false;
  };

  std::size_t room_of(std::size_t i) const noexcept
  {
    const candidate& member = candidates_[i];
    return member.ready() ? member.window - member.offers : 0;
  }
  template <class Change>
  void change(std::size_t i, Change apply) noexcept;
  void update_open(std::size_t i) noexcept;

  std::vector<candidate> candidates_;
  std::vector<account> accounts_;
  std::size_t room_ = 0;
  std::size_t offered_ = 0;
  std::size_t active_ = 0;
  std::uint64_t joins_ = 0;
  // Above all sequences of former members: an answer to one of them never fits a later member.
  std::uint64_t first_sequence_ = 1;
};

// Implementation

template <class Connection>
std::size_t member_table<Connection>::find(worker_id worker) const noexcept
{
  for (std::size_t i = 0; i != candidates_.size(); ++i)
    if (candidates_[i].id == worker) return i;
  return npos;
}

template <class Connection>
void member_table<Connection>::add(candidate member)
{
  member.joined = joins_ + 1;
  accounts_.reserve(accounts_.size() + 1);
  candidates_.push_back(member);
  accounts_.push_back(account{offer_book<Connection>(first_sequence_)});
  ++joins_;
  ++active_;
}

template <class Connection>
void member_table<Connection>::erase(std::size_t i) noexcept
{
  set_retired(i, true);
  first_sequence_ = std::max(first_sequence_, accounts_[i].offers.next_sequence());
  candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(i));
  accounts_.erase(accounts_.begin() + static_cast<std::ptrdiff_t>(i));
}

template <class Connection>
void member_table<Connection>::set_retired(std::size_t i, bool retired) noexcept
{
  if (std::exchange(accounts_[i].retired, retired) == retired) return;
  retired ? --active_ : ++active_;
  update_open(i);
}

template <class Connection>
void member_table<Connection>::set_channel_open(std::size_t i, bool open) noexcept
{
  accounts_[i].channel_open = open;
  update_open(i);
}

template <class Connection>
void member_table<Connection>::set_window(std::size_t i, std::uint32_t window)
{
  accounts_[i].offers.reserve(window);
  change(i, [&](candidate& member) { member.window = window; });
}

template <class Connection>
void member_table<Connection>::withdraw_credit(std::size_t i) noexcept
{
  change(i, [](candidate& member) { member.window = 0; });
}

template <class Connection>
void member_table<Connection>::set_weight(std::size_t i, std::uint32_t weight) noexcept
{
  change(i, [&](candidate& member) { member.weight = weight; });
}

template <class Connection>
void member_table<Connection>::rejoin(std::size_t i, const candidate& described) noexcept
{
  change(i, [&](candidate& member) {
    member.slot = described.slot;
    member.generation = described.generation;
    member.weight = described.weight;
    member.since = described.since;
    member.window = 0;
  });
  set_retired(i, false);
}

template <class Connection>
void member_table<Connection>::add_offer(std::size_t i, offer<Connection> o) noexcept
{
  accounts_[i].offers.assign(std::move(o));
  change(i, [](candidate& member) { ++member.offers; });
  ++offered_;
}

template <class Connection>
void member_table<Connection>::erase_offers(
    std::size_t i, std::size_t position, std::size_t count) noexcept
{
  accounts_[i].offers.erase(position, count);
  change(i, [&](candidate& member) { member.offers -= static_cast<std::uint32_t>(count); });
  offered_ -= count;
}

// Every change of what makes a member ready goes through here.
template <class Connection>
template <class Change>
void member_table<Connection>::change(std::size_t i, Change apply) noexcept
{
  room_ -= room_of(i);
  apply(candidates_[i]);
  room_ += room_of(i);
}

template <class Connection>
void member_table<Connection>::update_open(std::size_t i) noexcept
{
  const bool open = accounts_[i].channel_open && !accounts_[i].retired;
  change(i, [&](candidate& member) {
    member.open_to_offers = open;
    member.leaving = accounts_[i].retired;
  });
}

} // namespace cohort::detail
