// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/cluster_fixture.hpp"
#include "support/stopped_worker.hpp"

#include <cohort/exit_status.hpp>
#include <cohort/send_status.hpp>
#include <cohort/worker.hpp>

#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>
#include <boost/json/value.hpp>
#include <doctest/doctest.h>
#include <string>
#include <utility>

namespace cohort_test {

/// Workers of the role "ending", see tests/process/node/ending_role.cpp.
inline cohort::environment ending() { return role("ending"); }

/// Commands, separated by commas.
inline void tell(cohort::worker worker, const std::string& commands)
{
  CHECK(cohort::is_sent(worker.send(boost::json::value(commands))));
}

/// The next thing it says.
inline awaitable<std::string> heard(cohort::worker worker)
{
  auto next = co_await worker.receive(asio::use_awaitable);
  co_return std::string(next.message.as_string());
}

/// Forks one that plays the role "ending", up to its first words.
template <class Policy>
awaitable<cohort::worker> begin(
    basic_cluster_fixture<Policy>& primary, cohort::environment variables = ending())
{
  cohort::worker worker = co_await primary.cluster().co_fork(std::move(variables));
  const std::string first = co_await heard(worker);
  CHECK(first == "started");
  co_return worker;
}

/// Waits for both ends of it, and checks what they say about how it came.
inline awaitable<void> ends(cohort::worker worker, cohort::exit_status expected, bool announced)
{
  co_await worker.disconnected();
  CHECK_FALSE(worker.is_connected());
  const cohort::exit_status status = co_await worker.exited();
  CHECK_MESSAGE(status == expected, status.to_string());
  CHECK(worker.exited_after_disconnect() == announced);
}

inline const cohort::exit_status well = cohort::exit_status::exited(0);

/// Waits until the worker, which stops by SIGSTOP, stands still.
inline awaitable<void> standing(cluster_fixture& primary, cohort::worker worker)
{
  auto wait = [pid = worker.pid()] { CHECK(stands_still(pid)); };
  co_await primary.in_thread(wait);
}

} // namespace cohort_test
