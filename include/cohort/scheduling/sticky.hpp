// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/proxy_header.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cohort {

/// Whose connections belong together: the peer's address, without the port. Nothing for a unix
/// socket.
struct peer_key {
  std::span<const std::byte> operator()(const connection_info& connection) const noexcept
  {
    return connection.peer_address();
  }
};

/// The same behind a load balancer that sends a PROXY protocol header: the client it names, or the
/// peer when it names none.
struct proxy_key {
  static constexpr std::size_t peek = proxy_header::max_size;

  bool enough(std::span<const std::byte> first_bytes) const noexcept
  {
    return proxy_header(first_bytes).complete();
  }
  std::span<const std::byte> operator()(const connection_info& connection) const noexcept
  {
    const auto named = proxy_header(connection.first_bytes()).source();
    return named.empty() ? connection.peer_address() : named;
  }
};

/// What gives the bytes that stand for a client: the same for all its connections, none when it
/// cannot be told. It may have `peek` and `enough` as a policy has. It must not throw.
template <class Key>
concept client_key = std::default_initializable<Key> && std::copy_constructible<Key> &&
    requires(const Key& key, const connection_info& connection)
{
  {
    key(connection)
    } -> std::convertible_to<std::span<const std::byte>>;
};

/// All connections of one client to the same member.
///
/// Each member has a place in an order that is the client's own (rendezvous hashing by slot and
/// weight), and the first one gets it. So a member that joins or leaves takes or leaves its share
/// of the clients, and no other client moves; who replaces it has its slot, and its clients.
///
/// A client goes to the next member in its order when the first has more than its share: more than
/// `max_load` times the average, and more than `min_load`. While the first one is not ready, the
/// client waits for it until its patience ends, then it goes to the next. A connection of which the
/// client cannot be told goes to the member with the fewest connections.
///
/// Source: consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam).
template <client_key Key>
class sticky_by {
public:
  using duration = connection_info::clock::duration;

  static constexpr std::size_t peek = peek_of<Key>;

  /// No member is full with fewer connections than this, in proportion to its weight.
  static constexpr double min_load = 32;

  sticky_by() = default;
  explicit sticky_by(Key key) : key_(key) {}

  /// For how long a client waits for its member. Default: half a second.
  sticky_by& patience(duration value) & { return set(patience_, value); }
  sticky_by patience(duration value) && { return patience(value); }
  /// How much more than the average a member may have, at least 1. Default: 1.25.
  sticky_by& max_load(double value) & { return set(max_load_, std::max(value, 1.0)); }
  sticky_by max_load(double value) && { return max_load(value); }

  duration patience() const noexcept { return patience_; }
  double max_load() const noexcept { return max_load_; }

  std::size_t select(
      std::span<const candidate> members, const connection_info& connection) const noexcept;

  bool enough(std::span<const std::byte> first_bytes) const noexcept requires
      requires(const Key& key)
  {
    key.enough(first_bytes);
  }
  {
    return key_.enough(first_bytes);
  }

private:
  template <class T>
  sticky_by& set(T& field, T value) noexcept
  {
    field = value;
    return *this;
  }

  static std::uint64_t mix(std::uint64_t value) noexcept;
  static std::uint64_t hash(std::span<const std::byte> key) noexcept;
  static double connections(const candidate& member) noexcept
  {
    return 1.0 * member.connections + member.offers;
  }
  static std::size_t least_busy(std::span<const candidate> members) noexcept;
  // The first in the client's order of those that are `eligible`, or `wait`.
  template <class Eligible>
  static std::size_t first(
      std::span<const candidate> members, std::uint64_t client, Eligible eligible) noexcept;
  double full_at(std::span<const candidate> members) const noexcept;

  Key key_{};
  duration patience_ = std::chrono::milliseconds(500);
  double max_load_ = 1.25;
};

/// By the peer's address.
using sticky = sticky_by<peer_key>;

/// By the client that a PROXY protocol header names. It is only looked at: the worker has to read
/// it as well.
using sticky_by_proxy = sticky_by<proxy_key>;

// Implementation

// The finalizer of SplitMix64.
template <client_key Key>
std::uint64_t sticky_by<Key>::mix(std::uint64_t value) noexcept
{
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

// FNV-1a.
template <client_key Key>
std::uint64_t sticky_by<Key>::hash(std::span<const std::byte> key) noexcept
{
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const std::byte each : key)
    value = (value ^ std::to_integer<std::uint64_t>(each)) * 0x100000001b3U;
  return mix(value);
}

template <client_key Key>
std::size_t sticky_by<Key>::select(
    std::span<const candidate> members, const connection_info& connection) const noexcept
{
  const std::span<const std::byte> key = key_(connection);
  if (key.empty()) return least_busy(members);
  const std::uint64_t client = hash(key);
  const double full = full_at(members);
  const auto has_room = [full](const candidate& member) {
    return connections(member) + 1 <= full * member.weight;
  };
  const std::size_t home = first(members, client,
      [&](const candidate& member) { return !member.leaving && has_room(member); });
  if (home == wait || members[home].ready()) return home;
  if (!connection.overdue()) return wait;
  return first(
      members, client, [&](const candidate& member) { return member.ready() && has_room(member); });
}

template <client_key Key>
template <class Eligible>
std::size_t sticky_by<Key>::first(
    std::span<const candidate> members, std::uint64_t client, Eligible eligible) noexcept
{
  std::size_t best = wait;
  double lowest = 0;
  for (std::size_t i = 0; i != members.size(); ++i) {
    const candidate& member = members[i];
    if (member.weight == 0 || !eligible(member)) continue;
    // Exponentially distributed with the weight as its rate: the lowest one is each member's with a
    // chance in proportion to its weight, whoever else is there.
    const std::uint64_t bits = mix(client ^ mix(member.slot + 1)) >> 11;
    const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-53;
    const double score = -std::log(uniform) / member.weight;
    // Of two generations in one slot the later one.
    if (best != wait && score > lowest) continue;
    best = i;
    lowest = score;
  }
  return best;
}

// How many connections for each unit of weight make a member full.
template <client_key Key>
double sticky_by<Key>::full_at(std::span<const candidate> members) const noexcept
{
  double sum = 1, weights = 0;
  for (const candidate& member : members) {
    if (member.leaving) continue;
    sum += connections(member);
    weights += member.weight;
  }
  return weights == 0 ? min_load : std::max(std::ceil(max_load_ * sum / weights), min_load);
}

template <client_key Key>
std::size_t sticky_by<Key>::least_busy(std::span<const candidate> members) noexcept
{
  std::size_t best = wait;
  for (std::size_t i = 0; i != members.size(); ++i)
    if (members[i].ready() && (best == wait || connections(members[i]) * members[best].weight <
                                                   connections(members[best]) * members[i].weight))
      best = i;
  return best;
}

static_assert(scheduling_policy<sticky>);
static_assert(scheduling_policy<sticky_by_proxy>);

} // namespace cohort
