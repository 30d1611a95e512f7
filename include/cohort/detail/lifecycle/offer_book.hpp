// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/fifo.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace cohort::detail {

/// A connection on its way from the primary to a worker.
template <class Connection>
struct offer {
  /// Counts the offers to one worker; consecutive within a run and from run to run.
  std::uint64_t sequence = 0;
  /// Counts what the listener accepted: the order of its queue.
  std::uint64_t ticket = 0;
  Connection connection;
  connection_info info;
  /// How many workers have found it unusable.
  unsigned tries = 0;
  /// Since when it waits for room at any member; nothing when it has just come back.
  std::optional<connection_info::clock::time_point> waits_since;
  /// When it was offered.
  connection_info::clock::time_point sent{};
};

/// What one worker has been offered and has not answered, in order of sequence. What was assigned
/// to it and not sent yet is at the end.
template <class Connection>
class offer_book {
public:
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  explicit offer_book(std::uint64_t first_sequence) noexcept : next_sequence_(first_sequence) {}

  void reserve(std::size_t count) { offers_.reserve(count); }
  std::size_t size() const noexcept { return offers_.size(); }
  std::size_t unsent() const noexcept { return unsent_; }
  std::span<const offer<Connection>> all() const noexcept { return offers_.all(); }
  offer<Connection>& operator[](std::size_t i) noexcept { return offers_[i]; }
  /// Above all sequences that were sent.
  std::uint64_t next_sequence() const noexcept { return next_sequence_; }

  void assign(offer<Connection> o);
  /// The next run to send, numbered.
  std::span<const offer<Connection>> run(
      std::size_t limit, connection_info::clock::time_point now) noexcept;
  void run_sent(std::size_t count) noexcept;

  /// The position of `count` sent offers from `first` on, npos when one of them is not open.
  std::size_t find(std::uint64_t first, std::size_t count) const noexcept;
  /// Forgets offers that have been moved from.
  void erase(std::size_t position, std::size_t count) noexcept;

private:
  fifo<offer<Connection>> offers_;
  std::size_t unsent_ = 0;
  std::uint64_t next_sequence_;
};

// Implementation

template <class Connection>
void offer_book<Connection>::assign(offer<Connection> o)
{
  offers_.push_back(std::move(o));
  ++unsent_;
}

template <class Connection>
std::span<const offer<Connection>> offer_book<Connection>::run(
    std::size_t limit, connection_info::clock::time_point now) noexcept
{
  const auto offers = offers_.all().last(unsent_).first(std::min(limit, unsent_));
  std::uint64_t sequence = next_sequence_;
  for (auto& o : offers) {
    o.sequence = sequence++;
    o.sent = now;
  }
  return offers;
}

template <class Connection>
void offer_book<Connection>::run_sent(std::size_t count) noexcept
{
  unsent_ -= count;
  next_sequence_ += count;
}

template <class Connection>
std::size_t offer_book<Connection>::find(std::uint64_t first, std::size_t count) const noexcept
{
  const auto sent = offers_.all().first(offers_.size() - unsent_);
  const auto begin = std::lower_bound(sent.begin(), sent.end(), first,
      [](const offer<Connection>& o, std::uint64_t sequence) { return o.sequence < sequence; });
  const auto position = static_cast<std::size_t>(begin - sent.begin());
  if (count == 0 || count > sent.size() - position || begin->sequence != first) return npos;
  // Sequences grow, so that between the right ends nothing can be missing.
  return sent[position + count - 1].sequence == first + (count - 1) ? position : npos;
}

template <class Connection>
void offer_book<Connection>::erase(std::size_t position, std::size_t count) noexcept
{
  if (const std::size_t sent = offers_.size() - unsent_; position >= sent) unsent_ -= count;
  offers_.erase(position, count);
}

} // namespace cohort::detail
