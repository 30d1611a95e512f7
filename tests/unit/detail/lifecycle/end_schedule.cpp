// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/end_schedule.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

namespace end_schedule_test {

using namespace std::chrono_literals;
using cohort::detail::end_step;

namespace {

using clock_type = std::chrono::steady_clock;
using schedule = cohort::detail::end_schedule<clock_type>;

constexpr clock_type::time_point start{};

// When the first and only kill is due, driven from one due time to the next.
clock_type::time_point killed(schedule one)
{
  for (auto next = one.next(); next; next = one.next())
    if (one.due(*next) == end_step::kill) return *next;
  return clock_type::time_point::max();
}

} // namespace

TEST_CASE("nothing is due before something is demanded")
{
  schedule one;
  CHECK_FALSE(one.next());
  CHECK(one.due(start + 1h) == end_step::none);
}

TEST_CASE("past its deadline a process is terminated, and killed a grace later")
{
  schedule one;
  one.terminate_at(start + 10s, 1s);
  CHECK(one.next() == start + 10s);
  CHECK(one.due(start + 9s) == end_step::none);
  CHECK(one.due(start + 10s) == end_step::terminate);
  CHECK(one.next() == start + 11s);
  CHECK(one.due(start + 10s) == end_step::none);
  CHECK(one.due(start + 11s) == end_step::kill);
  CHECK_FALSE(one.next());
}

TEST_CASE("the grace begins with the signal, also when that came late")
{
  schedule one;
  one.terminate_at(start + 10s, 1s);
  CHECK(one.due(start + 20s) == end_step::terminate);
  CHECK(one.next() == start + 21s);
}

TEST_CASE("of several deadlines the earliest counts")
{
  schedule one;
  one.terminate_at(start + 10s, 1s);
  one.terminate_at(start + 5s, 2s);
  one.terminate_at(start + 30s, 0s);
  CHECK(one.next() == start + 5s);
  CHECK(killed(one) == start + 7s);
  CHECK(one.due(start + 5s) == end_step::terminate);
  one.terminate_at(start + 6s, 1s);
  CHECK(one.next() == start + 7s);
}

TEST_CASE("a kill comes before a later deadline")
{
  schedule one;
  one.kill_at(start + 1s);
  one.terminate_at(start + 30s, 1s);
  CHECK(one.next() == start + 1s);
  CHECK(one.due(start + 1s) == end_step::kill);
  CHECK_FALSE(one.next());
}

TEST_CASE("a kill does not wait for the grace, nor the grace for the kill")
{
  schedule early;
  early.terminate_at(start + 1s, 10s);
  early.kill_at(start + 2s);
  CHECK(early.due(start + 1s) == end_step::terminate);
  CHECK(early.next() == start + 2s);

  schedule late;
  late.terminate_at(start + 1s, 1s);
  late.kill_at(start + 30s);
  CHECK(killed(late) == start + 2s);
}

TEST_CASE("no demand ever moves the kill back, in whatever order they come")
{
  enum demand { terminate_soon, terminate_late, kill_soon, kill_late };
  const auto apply = [](schedule& one, demand what) {
    switch (what) {
    case terminate_soon: return one.terminate_at(start + 1s, 5s);
    case terminate_late: return one.terminate_at(start + 30s, 1s);
    case kill_soon: return one.kill_at(start + 2s);
    case kill_late: return one.kill_at(start + 20s);
    }
  };
  std::vector<schedule> all(1);
  for (int length = 0; length != 4; ++length) {
    std::vector<schedule> longer;
    for (const schedule& before : all) {
      for (const demand what : {terminate_soon, terminate_late, kill_soon, kill_late}) {
        schedule after = before;
        apply(after, what);
        CHECK(killed(after) <= killed(before));
        longer.push_back(after);
        after.due(start + 1s);
        longer.push_back(after);
      }
    }
    all = longer;
  }
}

} // namespace end_schedule_test
