// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>

#include <concepts>

namespace cohort {

/// How busy a member is, for policies that choose the least busy one: a function object that gives
/// a finite number for each member that is ready; the lowest is chosen. It must not throw, and
/// depend on nothing but the member.
template <class Measure>
concept load_measure = std::default_initializable<Measure> && std::copy_constructible<Measure> &&
    requires(const Measure& measure, const candidate& member)
{
  {
    measure(member)
    } -> std::convertible_to<double>;
};

/// The connections it has and those on their way to it, with the one to come, in proportion to its
/// weight.
struct open_connections {
  double operator()(const candidate& member) const noexcept
  {
    return (1.0 + member.connections + member.offers) / member.weight;
  }
};

/// What it has reported of its load (`this_worker::report_load`), and those on their way to it, of
/// which it cannot know yet, in proportion to its weight.
struct reported_load {
  double operator()(const candidate& member) const noexcept
  {
    return (1.0 + member.load + member.offers) / member.weight;
  }
};

static_assert(load_measure<open_connections>);
static_assert(load_measure<reported_load>);

} // namespace cohort
