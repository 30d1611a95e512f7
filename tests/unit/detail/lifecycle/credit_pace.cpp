// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/credit_pace.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

namespace credit_pace_test {

using namespace std::chrono_literals;
using cohort::detail::credit_pace;

namespace {

// A worker that takes its offers after a time.
struct paced_worker {
  void take(std::uint32_t count, credit_pace::clock::duration waited)
  {
    pace.taken(count, now, now + waited, starved);
    now += waited;
  }

  credit_pace pace;
  std::uint64_t starved = 0;
  credit_pace::clock::time_point now{1h};
};

} // namespace

TEST_CASE("it begins in the middle, and stays there while nothing is wrong")
{
  paced_worker worker;
  CHECK(worker.pace.window() == 16);
  for (int i = 0; i != 100; ++i) worker.take(1, 100us);
  CHECK(worker.pace.window() == 16);
  for (int i = 0; i != 100; ++i) worker.take(1, 4ms);
  CHECK(worker.pace.window() == 16);
}

TEST_CASE("an offer that waits for long halves it at once, down to one")
{
  paced_worker worker;
  for (const std::uint32_t left : {8U, 4U, 2U, 1U, 1U}) {
    worker.take(1, 6ms);
    CHECK(worker.pace.window() == left);
  }
}

TEST_CASE("of all that waited together the first halves it")
{
  paced_worker worker;
  const auto sent = worker.now;
  worker.take(1, 6ms);
  for (int i = 0; i != 15; ++i) worker.pace.taken(1, sent, worker.now + 1s, 0);
  CHECK(worker.pace.window() == 8);
  worker.take(1, 6ms);
  CHECK(worker.pace.window() == 4);
}

TEST_CASE("it grows by one in a round in which connections waited and offers did not")
{
  paced_worker worker;
  ++worker.starved;
  worker.take(15, 100us);
  CHECK(worker.pace.window() == 16);
  worker.take(1, 100us);
  CHECK(worker.pace.window() == 17);
  // Each round has to be a reason of its own.
  worker.take(17, 100us);
  CHECK(worker.pace.window() == 17);
  for (int round = 0; round != 1000; ++round) {
    ++worker.starved;
    worker.take(128, 0us);
  }
  CHECK(worker.pace.window() == 128);
}

TEST_CASE("a worker that is busy gets no more, though connections wait")
{
  paced_worker worker;
  ++worker.starved;
  worker.take(1, 2ms);
  worker.take(15, 100us);
  CHECK(worker.pace.window() == 16);
}

} // namespace credit_pace_test
