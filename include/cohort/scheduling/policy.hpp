// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/overflow.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace cohort {

/// Who accepts connections.
enum class distribution {
  /// The primary accepts, asks the policy and hands each connection to the worker it names.
  by_primary,
  /// The workers accept from sockets that the kernel shares among them; `select` is not called.
  by_kernel,
};

namespace detail {

// Its `peek` is a number that is known when it is compiled, and no negative one.
template <class T>
concept has_constant_peek = requires
{
  // That of no object: g++ would not merely be dissatisfied by what follows.
  *&T::peek;
  typename std::integral_constant<std::size_t, T::peek>;
};

} // namespace detail

/// How many of the first bytes of a connection a policy, or a part of one, wants to see: its
/// `peek`, 0 without it.
template <class T>
inline constexpr std::size_t peek_of = 0;
// A wrong one is explained by `check_hooks`.
template <class T>
requires detail::has_constant_peek<T>
inline constexpr std::size_t peek_of<T> = T::peek;

/// The policy can choose: it has `std::size_t select(std::span<const candidate> members,
/// const connection_info& connection)`.
template <class Policy>
concept selects_member = requires(
    Policy& policy, std::span<const candidate> members, const connection_info& connection)
{
  // Called for each queued connection, in order of arrival, while at least one member is ready. It
  // gets all members of the listener in the order in which they joined, those included that are
  // not ready, and returns the index of one that is `ready()`, or `wait`. A connection that has to
  // wait stays queued without blocking those behind it; it is asked for again whenever a member
  // changes, and after a bounded time it goes to any member that is ready. Any other result is a
  // bug in the policy: it fails an assertion, without assertions it means `wait`. It must not
  // throw: the program would be terminated.
  {
    policy.select(members, connection)
    } -> std::same_as<std::size_t>;
};

/// The kernel chooses: `distribution()` says `by_kernel` in a constant expression, with a policy
/// made by default.
template <class Policy>
concept leaves_to_kernel = requires
{
  typename std::enable_if_t<static_cast<const Policy&>(Policy()).distribution() ==
                            distribution::by_kernel>;
};

/// How a listener chooses the worker for a connection.
///
/// Optional members, found when they are there (none may throw, each is called on the cluster's
/// executor):
/// - `void on_join(const candidate&)`: a worker became a member.
/// - `void on_leave(const candidate&)`: it is a member no more; its connections are gone with it.
///   Called before it leaves the array, also when it has died.
/// - `void on_taken(const candidate&)`: it took a connection, once for each.
/// - `void on_released(const candidate&)`: one of its connections ended, once for each, except for
///   those that end with the worker.
/// - `void on_change(std::span<const candidate> members, std::size_t index)`: something of that
///   member has changed, after `on_join` and before `on_leave`; also once after several calls of
///   `on_taken` or `on_released`. For a policy that keeps an index of its own.
/// - `duration patience() const`: for how long a connection may wait because `select` says so,
///   asked once; 5 seconds without it.
/// - `distribution distribution() const`: who accepts, `distribution::by_primary` without it; asked
///   once for each listener. A policy that says `by_kernel` in a constant expression needs no
///   `select`. `static constexpr bool own_sockets = true` gives each worker a socket of its own
///   then.
/// - `static constexpr std::size_t peek = N`: up to N of the first bytes of each connection are
///   looked at before `select` is called, and are in `connection_info::first_bytes()`; the worker
///   still reads them.
/// - `bool enough(std::span<const std::byte> first_bytes) const`: those suffice; without it
///   whatever came first suffices, as long as it is not nothing. All N bytes and the end of what
///   the client sends always do.
/// - `duration peek_time() const`: for how long they are waited for, asked once; 1 second without
///   it. Then `select` sees what there is.
/// - `overflow on_overflow() const`: what becomes of connections that no member has room for, asked
///   once; `when_full` has it.
///
/// @code
/// struct fewest_connections {
///   std::size_t select(std::span<const cohort::candidate> members,
///       const cohort::connection_info&) noexcept
///   {
///     std::size_t best = cohort::wait;
///     for (std::size_t i = 0; i != members.size(); ++i)
///       if (members[i].ready() &&
///           (best == cohort::wait || members[i].connections < members[best].connections))
///         best = i;
///     return best;
///   }
/// };
/// @endcode
template <class Policy>
concept scheduling_policy =
    // Each listener owns one instance, copied from the one that was given to the cluster.
    std::copy_constructible<Policy> &&
    // Choosing is all that is required, unless the kernel does it.
    (selects_member<Policy> || leaves_to_kernel<Policy>);

namespace detail {

// A hook that cannot be called as documented would be ignored silently; here it is an error. Each
// is looked at before what is asserted: compilers quote and explain all of an assertion.
template <class Policy>
consteval bool check_hooks()
{
  using clock_duration = connection_info::clock::duration;
  using members = std::span<const candidate>;
  using bytes = std::span<const std::byte>;

  constexpr bool joins = (
      !requires { &Policy::on_join; } ||
      requires(Policy & policy, const candidate& member) { policy.on_join(member); });
  static_assert(joins, "the policy's on_join must be callable with a const cohort::candidate&");
  constexpr bool leaves = (
      !requires { &Policy::on_leave; } ||
      requires(Policy & policy, const candidate& member) { policy.on_leave(member); });
  static_assert(leaves, "the policy's on_leave must be callable with a const cohort::candidate&");
  constexpr bool takes = (
      !requires { &Policy::on_taken; } ||
      requires(Policy & policy, const candidate& member) { policy.on_taken(member); });
  static_assert(takes, "the policy's on_taken must be callable with a const cohort::candidate&");
  constexpr bool releases = (
      !requires { &Policy::on_released; } ||
      requires(Policy & policy, const candidate& member) { policy.on_released(member); });
  static_assert(
      releases, "the policy's on_released must be callable with a const cohort::candidate&");
  constexpr bool changes = (
      !requires { &Policy::on_change; } ||
      requires(Policy & policy, members all, std::size_t index) { policy.on_change(all, index); });
  static_assert(changes,
      "the policy's on_change must be callable with (std::span<const cohort::candidate>, "
      "std::size_t)");
  constexpr bool waits = (
      !requires { &Policy::patience; } ||
      requires(const Policy& policy) {
        {
          policy.patience()
          } -> std::convertible_to<clock_duration>;
      });
  static_assert(waits, "the policy's patience() must be const and return a duration");
  constexpr bool distributes = (
      !requires { &Policy::distribution; } ||
      requires(const Policy& policy) {
        {
          policy.distribution()
          } -> std::same_as<cohort::distribution>;
      });
  static_assert(
      distributes, "the policy's distribution() must be const and return cohort::distribution");
  constexpr bool peeks = (!requires { Policy::peek; } || has_constant_peek<Policy>);
  static_assert(peeks, "the policy's peek must be a static constexpr std::size_t");
  constexpr bool suffices = (
      !requires { &Policy::enough; } ||
      requires(const Policy& policy, bytes first_bytes) {
        {
          policy.enough(first_bytes)
          } -> std::convertible_to<bool>;
      });
  static_assert(suffices,
      "the policy's enough must be const, callable with a std::span<const std::byte>, and return "
      "a bool");
  constexpr bool peeks_for = (
      !requires { &Policy::peek_time; } ||
      requires(const Policy& policy) {
        {
          policy.peek_time()
          } -> std::convertible_to<clock_duration>;
      });
  static_assert(peeks_for, "the policy's peek_time() must be const and return a duration");
  constexpr bool overflows = (
      !requires { &Policy::on_overflow; } ||
      requires(const Policy& policy) {
        {
          policy.on_overflow()
          } -> std::convertible_to<overflow>;
      });
  static_assert(
      overflows, "the policy's on_overflow() must be const and return a cohort::overflow");
  return true;
}

template <class Policy>
constexpr distribution distribution_of(const Policy& policy) noexcept
{
  if constexpr (requires { policy.distribution(); }) return policy.distribution();
  else return distribution::by_primary;
}

// Whether a policy that leaves it to the kernel wants a socket for each worker.
template <class Policy>
constexpr bool wants_own_sockets(const Policy& policy) noexcept
{
  if constexpr (requires { policy.own_sockets(); }) return policy.own_sockets();
  else return false;
}

} // namespace detail

} // namespace cohort
