// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a release build makes of a policy that chooses wrongly; a debug build fails an assertion.

#include <cohort/detail/lifecycle/handoff.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace handoff_ndebug_faults {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_info;

namespace {

struct wrong {
  std::size_t select(std::span<const candidate>, const connection_info&) noexcept { return answer; }
  std::size_t answer;
};

} // namespace

TEST_CASE("a choice that is no ready member means wait")
{
  const connection_info::clock::time_point start{};
  // Not ready, out of range, far out of range.
  for (const std::size_t answer : {std::size_t(0), std::size_t(2), cohort::wait - 1}) {
    cohort::detail::handoff<int, wrong> machine({answer}, 5s);
    CHECK(machine.join(candidate(1)));
    CHECK(machine.join(candidate(2)));
    CHECK(machine.grant(2, 1));
    machine.enqueue(7, connection_info({}, 0, start));
    const auto send = [](cohort::worker_id worker, auto run) {
      CHECK(worker == 2);
      CHECK(run.front().connection == 7);
      return true;
    };
    CHECK(machine.dispatch(start, send) == 0);
    CHECK(machine.next_deadline() == start + 5s);
    CHECK(machine.dispatch(start + 5s, send) == 1);
  }
}

} // namespace handoff_ndebug_faults
