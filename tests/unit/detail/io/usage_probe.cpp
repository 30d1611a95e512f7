// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/io/usage_probe.hpp>

#include "support/event_loop.hpp"
#include "support/sleeping_process.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <system_error>

namespace usage_probe_test {

using namespace std::chrono_literals;
using namespace cohort::detail;

TEST_CASE("what a process uses is known when it was looked at, and stays known after its end")
{
  asio::io_context context(1);
  bool ended = false;
  const auto sleeper = cohort_test::start_sleeping(
      context.get_executor(), [&](cohort::exit_status) { ended = true; });

  io::usage_probe probe(5s);
  const auto now = std::chrono::steady_clock::now();
  CHECK(probe.due_at() <= now);
  CHECK_FALSE(probe.last().memory);
  CHECK_FALSE(probe.last().descriptors);
  CHECK(!probe.look(*sleeper, now));
  CHECK(probe.due_at() == now + 5s);
  REQUIRE(probe.last().memory);
  // It may still be loading its libraries.
  const auto limit = now + 10s * cohort_test::time_factor();
  const auto is_up = [&] {
    return *probe.last().memory > 100'000 && probe.last().descriptors == 3;
  };
  while (!is_up() && std::chrono::steady_clock::now() < limit) probe.look(*sleeper, now);
  CHECK(is_up());

  std::error_code error;
  sleeper->signal(SIGKILL, error);
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(sleeper->pid()), &info, WEXITED | WNOWAIT);
  const auto known = probe.last();
  CHECK(!probe.look(*sleeper, now + 6s));
  CHECK(probe.last().memory == known.memory);
  CHECK(probe.last().descriptors == 3);
  CHECK(cohort_test::run_until(context, [&] { return ended; }));
  // Its number may be that of another process by now.
  CHECK(!probe.look(*sleeper, now + 12s));
  CHECK(probe.last().memory == known.memory);
}

} // namespace usage_probe_test
