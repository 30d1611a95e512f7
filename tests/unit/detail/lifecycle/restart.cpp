// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/restart.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>

namespace restart_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::exit_meaning;
using cohort::exit_status;
using cohort::give_up_reason;
using cohort::restart_policy;
using time = death_window::time;

TEST_CASE("an end means what its status says, unless it was announced")
{
  const restart_policy policy = restart_policy()
                                    .exit_code(3, exit_meaning::retire)
                                    .exit_code(4, exit_meaning::restart_at_once)
                                    .exit_code(5, exit_meaning::permanent_failure);
  CHECK(judge(exit_status::exited(0), false, policy) == worker_end::normal);
  CHECK(judge(exit_status::exited(1), false, policy) == worker_end::died);
  CHECK(judge(exit_status::exited(3), false, policy) == worker_end::retired);
  CHECK(judge(exit_status::exited(4), false, policy) == worker_end::restart_at_once);
  CHECK(judge(exit_status::exited(5), false, policy) == worker_end::permanent_failure);
  CHECK(judge(exit_status::signalled(5), false, policy) == worker_end::died);
  CHECK(judge(exit_status(), false, policy) == worker_end::died);
  CHECK(judge(exit_status::exited(5), true, policy) == worker_end::announced);
}

TEST_CASE("deaths are counted within a window that slides")
{
  death_window deaths;
  const time start(1h);
  CHECK_FALSE(deaths.add(start, 2, 10s));
  CHECK_FALSE(deaths.add(start + 5s, 2, 10s));
  CHECK_FALSE(deaths.add(start + 10s, 2, 10s));
  CHECK(deaths.add(start + 14s, 2, 10s));
  CHECK_FALSE(deaths.add(start + 15s, 3, 10s));
  deaths.clear();
  CHECK_FALSE(deaths.add(start + 16s, 1, 10s));
  CHECK(deaths.add(start + 16s, 1, 10s));
  CHECK(deaths.add(start + 17s, 0, 10s));
}

TEST_CASE("pauses double up to a bound, and vary")
{
  const restart_policy policy = restart_policy().backoff(100ms, 1s).jitter(0.5);
  CHECK(pause_before(0, policy, 0) == 0ms);
  CHECK(pause_before(1, policy, 0.5) == 100ms);
  CHECK(pause_before(1, policy, 0) == 50ms);
  CHECK(pause_before(1, policy, 1) == 150ms);
  CHECK(pause_before(3, policy, 0.5) == 400ms);
  CHECK(pause_before(5, policy, 0.5) == 1s);
  CHECK(pause_before(4'000'000'000, policy, 0.5) == 1s);
}

TEST_CASE("the verdict on an end depends on the ends before it")
{
  restart_counts counts(restart_policy().jitter(0).intensity(1, 10s).boot_failures(2), 1);
  const time now(1h);
  unsigned starts = 0;
  auto said = counts.ended(starts, now, worker_end::died, 2, now);
  CHECK((!said.finished && said.pause == 0ms && !said.gives_up));
  said = counts.ended(starts, now, worker_end::died, 2, now);
  CHECK((said.pause == 100ms && !said.gives_up));
  said = counts.ended(starts, now, worker_end::died, 2, now);
  CHECK((said.pause == 200ms && said.gives_up == give_up_reason::died_too_often));
  CHECK(starts == 3);
  counts.forget();
  said = counts.ended(starts, now - 1h, worker_end::died, 1, now);
  CHECK((said.pause == 0ms && !said.gives_up));

  starts = 0;
  said = counts.ended(starts, std::nullopt, worker_end::announced, 1, now);
  CHECK((said.pause == 100ms && !said.gives_up));
  counts.booted();
  said = counts.ended(starts, std::nullopt, worker_end::normal, 1, now);
  CHECK((said.pause == 200ms && !said.gives_up));
  said = counts.ended(starts, std::nullopt, worker_end::restart_at_once, 1, now);
  CHECK((said.pause == 400ms && said.gives_up == give_up_reason::never_ready));
}

TEST_CASE("workers that have enough soon are followed after pauses, those that serve long at once")
{
  restart_counts counts(restart_policy().jitter(0), 1);
  const time now(1h);
  unsigned starts = 0;
  CHECK(counts.retired(starts, now, now) == 0ms);
  CHECK(counts.retired(starts, now, now + 1s) == 100ms);
  CHECK(counts.retired(starts, now, now + 29s) == 200ms);
  CHECK(counts.retired(starts, now, now + 30s) == 0ms);
  CHECK(counts.retired(starts, now, now) == 100ms);
}

TEST_CASE("pauses of two groups do not go in step")
{
  restart_counts one(restart_policy(), 1), other(restart_policy(), 2);
  unsigned starts = 3, others = 3;
  const auto now = time(1h);
  const auto first = one.ended(starts, now, worker_end::died, 1, now).pause;
  const auto second = other.ended(others, now, worker_end::died, 1, now).pause;
  CHECK(first != second);
  for (const auto pause : {first, second}) CHECK((pause >= 300ms && pause <= 500ms));
}

} // namespace restart_test
