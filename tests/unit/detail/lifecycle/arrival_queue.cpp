// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/arrival_queue.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <utility>
#include <vector>

namespace arrival_queue_test {

using queue_type = cohort::detail::arrival_queue<int>;

namespace {

struct fixture {
  explicit fixture(int count)
  {
    for (int i = 1; i <= count; ++i) queue.arrive(i, cohort::connection_info(), 0);
  }

  std::vector<int> order() const
  {
    std::vector<int> all;
    for (const auto& each : queue.all()) all.push_back(each.connection);
    return all;
  }

  // Takes those of which `wanted` says so.
  template <class Wanted>
  std::vector<cohort::detail::offer<int>> take(Wanted wanted)
  {
    std::vector<cohort::detail::offer<int>> taken;
    queue.take_if([] { return true; },
        [&](auto& each) {
          if (!wanted(each.connection)) return false;
          taken.push_back(std::move(each));
          return true;
        });
    return taken;
  }

  queue_type queue;
};

} // namespace

TEST_CASE("connections wait in order of arrival, also those that are left behind")
{
  fixture test(5);
  CHECK(test.queue.front().connection == 1);
  CHECK(test.take([](int i) { return i % 2 == 0; }).size() == 2);
  CHECK(test.order() == std::vector<int>{1, 3, 5});
  CHECK(test.queue.size() == 3);
}

TEST_CASE("the first ones can be taken up to the first that stays")
{
  fixture test(5);
  std::vector<int> given;
  int asked = 0;
  const auto first_two = [&](const auto&) { return ++asked != 3; };
  CHECK(test.queue.take_front(first_two, [&](int i) { given.push_back(i); }) == 2);
  CHECK(given == std::vector<int>{1, 2});
  CHECK(test.order() == std::vector<int>{3, 4, 5});
  const auto all = [](const auto&) { return true; };
  CHECK(test.queue.take_front(all, [&](int i) { given.push_back(i); }) == 3);
  CHECK(test.queue.take_front(all, [](int) {}) == 0);
}

TEST_CASE("one that comes back waits anew, and so do all when they are told to")
{
  using clock = cohort::connection_info::clock;
  const clock::time_point start(std::chrono::hours(1)), later = start + std::chrono::hours(1);
  queue_type queue;
  queue.arrive(1, cohort::connection_info({}, 0, start), 0);
  queue.arrive(2, cohort::connection_info({}, 0, start), 0);
  CHECK(queue.front().waits_since == start);
  cohort::detail::offer<int> taken;
  queue.take_if([&] { return taken.connection == 0; },
      [&](auto& each) {
        taken = std::move(each);
        return true;
      });
  queue.come_back(std::move(taken));
  CHECK_FALSE(queue.front().waits_since);
  queue.wait_since(later);
  CHECK(queue.all()[0].waits_since == later);
  CHECK(queue.all()[1].waits_since == start);
  queue.restart();
  queue.wait_since(later + std::chrono::hours(1));
  CHECK(queue.all()[1].waits_since == later + std::chrono::hours(1));
}

TEST_CASE("what comes back has its old place")
{
  fixture test(5);
  auto taken = test.take([](int i) { return i != 3; });
  for (auto& each : taken) test.queue.come_back(std::move(each));
  CHECK(test.order() == std::vector<int>{1, 2, 3, 4, 5});
  taken = test.take([](int) { return true; });
  CHECK(test.queue.empty());
  test.queue.arrive(6, cohort::connection_info(), taken.size());
  for (auto each = taken.rbegin(); each != taken.rend(); ++each)
    test.queue.come_back(std::move(*each));
  CHECK(test.order() == std::vector<int>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("taking stops when it is told, and what was not looked at stays")
{
  fixture test(5);
  int seen = 0;
  test.queue.take_if([&] { return seen != 3; },
      [&](auto& each) {
        ++seen;
        return each.connection != 2;
      });
  CHECK(test.order() == std::vector<int>{2, 4, 5});
}

} // namespace arrival_queue_test
