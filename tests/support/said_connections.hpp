// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/detail/lifecycle/listener_ledger.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/worker_id.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <system_error>
#include <vector>

namespace cohort_test {

/// A listener that is as the test says.
struct said_listener {
  const cohort::detail::posix::socket_address& bound() const { return where; }
  const cohort::connection_counters& counters() const { return counted; }
  std::size_t queue_size() const { return queue; }
  const std::vector<cohort::candidate>& candidates() const { return members; }

  cohort::detail::posix::socket_address where;
  cohort::connection_counters counted;
  std::size_t queue = 0;
  std::vector<cohort::candidate> members;
};

/// What of a `dispatcher` is looked at from outside.
struct said_connections {
  template <class Visitor>
  void visit_listeners(Visitor visit) const
  {
    for (const said_listener& each : listeners) visit(each, cohort::detail::listen_key());
  }
  const cohort::detail::listener_ledger& ledger() const { return past; }
  cohort::connection_counters counters() const
  {
    using cohort::detail::operator+=;
    cohort::connection_counters sum = past.sum();
    for (const said_listener& each : listeners) sum += each.counted;
    return sum;
  }

  said_listener& add(const std::string& path)
  {
    std::error_code error;
    said_listener& added = listeners.emplace_back();
    added.where = cohort::detail::posix::socket_address::from_path(path, error);
    CHECK_FALSE(error);
    return added;
  }

  // The test keeps references to them.
  std::deque<said_listener> listeners;
  cohort::detail::listener_ledger past;
};

inline cohort::candidate member_with(
    cohort::worker_id id, std::uint32_t connections, std::uint32_t offers)
{
  cohort::candidate one(id);
  one.connections = connections;
  one.offers = offers;
  return one;
}

} // namespace cohort_test
