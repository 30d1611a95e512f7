// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/signals.hpp>

#include "support/event_loop.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <vector>

namespace io_signals_test {

using cohort::detail::io::signals;

TEST_CASE("a handler gets one signal after the other until it wants no more")
{
  asio::io_context context(1);
  signals all(context.get_executor());
  std::vector<int> seen;
  all.begin({SIGUSR1, SIGUSR2}, [&](int signal) {
    seen.push_back(signal);
    if (seen.size() == 3) all.end();
  });
  for (const int each : {SIGUSR1, SIGUSR2, SIGUSR1}) {
    const auto before = seen.size();
    std::raise(each);
    CHECK(cohort_test::run_until(context, [&] { return seen.size() > before; }));
  }
  CHECK(seen == std::vector<int>{SIGUSR1, SIGUSR2, SIGUSR1});
  // Nothing waits any more.
  CHECK(cohort_test::run_until(context, [&] { return context.stopped(); }));
}

TEST_CASE("a second beginning counts alone")
{
  asio::io_context context(1);
  signals all(context.get_executor());
  int first = 0, second = 0;
  all.begin({SIGUSR1}, [&](int) { ++first; });
  all.end();
  all.begin({SIGUSR1}, [&](int) { ++second; });
  std::raise(SIGUSR1);
  CHECK(cohort_test::run_until(context, [&] { return second == 1; }));
  CHECK(first == 0);
  all.end();
  cohort_test::run_ready(context);
}

} // namespace io_signals_test
