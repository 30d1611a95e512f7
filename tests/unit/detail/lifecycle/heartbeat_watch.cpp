// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/heartbeat_watch.hpp>

#include <doctest/doctest.h>

#include <chrono>

namespace heartbeat_watch_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using step = heartbeat_step;

namespace {

const heartbeat_watch::time start(1h);

// Looked at whenever it wants to be, until then.
step look(heartbeat_watch& watch, heartbeat_watch::time until)
{
  step last = step::none;
  while (watch.next() && *watch.next() <= until && last == step::none)
    last = watch.tick(*watch.next());
  return last;
}

} // namespace

TEST_CASE("a worker that is heard often enough is left alone")
{
  heartbeat_watch watch(2s, 3, 1s);
  CHECK_FALSE(watch.next());
  CHECK(watch.beat(start) == step::none);
  watch.begin(start);
  for (int i = 0; i != 100; ++i) {
    const auto now = start + i * 2s;
    CHECK(look(watch, now) == step::none);
    CHECK(watch.beat(now) == step::none);
  }
  CHECK_FALSE(watch.is_stalled());
}

TEST_CASE("silence takes a worker out of rotation, then it is aborted, then killed")
{
  heartbeat_watch watch(2s, 3, 1s);
  watch.begin(start);
  CHECK(watch.tick(start + 2999ms) == step::none);
  CHECK(watch.tick(start + 3s) == step::stalled);
  CHECK(watch.is_stalled());
  CHECK(watch.tick(start + 5999ms) == step::none);
  CHECK(watch.next() == start + 6s);
  CHECK(watch.tick(start + 6s) == step::abort);
  CHECK(watch.tick(start + 6999ms) == step::none);
  CHECK(watch.tick(start + 7s) == step::kill);
  CHECK_FALSE(watch.next());
}

TEST_CASE("one that is heard again takes part again, unless it was told to end")
{
  heartbeat_watch watch(2s, 3, 1s);
  watch.begin(start);
  CHECK(watch.tick(start + 3s) == step::stalled);
  CHECK(watch.beat(start + 4s) == step::recovered);
  CHECK(watch.beat(start + 5s) == step::none);
  CHECK(watch.tick(start + 8s) == step::stalled);
  CHECK(watch.tick(start + 11s) == step::abort);
  CHECK(watch.beat(start + 11s) == step::none);
  CHECK(watch.is_stalled());
  CHECK(watch.tick(start + 12s) == step::kill);
}

TEST_CASE("without a number of misses nobody is ended")
{
  heartbeat_watch watch(2s, 0, 1s);
  watch.begin(start);
  CHECK(look(watch, start + 3s) == step::stalled);
  CHECK(look(watch, start + 1h) == step::none);
  CHECK(watch.beat(start + 1h) == step::recovered);
}

TEST_CASE("time in which nobody looked is not the worker's")
{
  heartbeat_watch watch(2s, 3, 1s);
  watch.begin(start);
  // This process was stopped.
  CHECK(watch.tick(start + 1h) == step::none);
  CHECK(watch.next() == start + 1h + 1s);
  CHECK(watch.beat(start + 1h + 1ms) == step::none);
  CHECK_FALSE(watch.is_stalled());
  CHECK(watch.tick(start + 1h + 3001ms) == step::stalled);
  CHECK(watch.tick(start + 2h) == step::none);
  // What it had left of its time counts on.
  CHECK(look(watch, start + 2h + 1s) == step::abort);
}

TEST_CASE("who is to end in another way is not judged any more")
{
  heartbeat_watch watch(2s, 3, 1s);
  watch.begin(start);
  watch.end();
  CHECK_FALSE(watch.next());
  CHECK(watch.tick(start + 1h) == step::none);
}

} // namespace heartbeat_watch_test
