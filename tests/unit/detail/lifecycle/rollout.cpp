// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/rollout.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace rollout_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::old_workers;
using cohort::reload_options;
using cohort::reload_outcome;

namespace {

placed_worker worker(std::uint32_t generation, group_time ready_since)
{
  placed_worker member;
  member.present = true;
  member.id = 1;
  member.generation = generation;
  member.ready = true;
  member.since = ready_since;
  return member;
}

} // namespace

TEST_CASE("a rollout knows its own workers, and from when on they count")
{
  rollout state;
  const group_time now(1h);
  CHECK_FALSE(state.runs());
  CHECK_FALSE(state.brought(worker(0, now)));
  CHECK(state.counts(worker(0, now), now));
  state.begin(4, reload_options().probation(2s).ratio(0.5), 5);
  CHECK(state.replaces());
  CHECK(state.together());
  CHECK(state.at_once() == 3);
  CHECK(state.brought(worker(4, now)));
  CHECK_FALSE(state.brought(worker(3, now)));
  CHECK_FALSE(state.counts(worker(4, now), now + 1s));
  CHECK(state.counts(worker(4, now), now + 2s));
  CHECK(state.counts(worker(3, now), now));
  placed_worker booting = worker(4, now);
  booting.ready = false;
  CHECK_FALSE(state.counts(booting, now + 1h));
}

TEST_CASE("a rollout ends as it went, and the next one begins anew")
{
  rollout state;
  state.begin(1, reload_options(), 2);
  state.fail(reload_outcome::died, 7);
  CHECK((state.runs() && !state.replaces()));
  CHECK(state.now() == rollout::phase::rolling_back);
  CHECK(state.end() == reload_outcome::died);
  CHECK(state.culprit() == 7);
  state.finish();
  CHECK_FALSE(state.runs());
  state.begin(2, reload_options().old(old_workers::leave_one_by_one), 2);
  CHECK_FALSE(state.together());
  state.settle();
  CHECK(state.now() == rollout::phase::settling);
  CHECK(state.end() == reload_outcome::succeeded);
  CHECK(state.culprit() == 0);
}

} // namespace rollout_test
