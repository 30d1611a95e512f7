// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/fifo.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <vector>

namespace fifo_test {

namespace {

using item = std::unique_ptr<int>;
using fifo = cohort::detail::fifo<item>;

std::vector<int> values(const fifo& queue)
{
  std::vector<int> all;
  for (const item& i : queue.all()) all.push_back(*i);
  return all;
}

} // namespace

TEST_CASE("fifo behaves as a vector for every sequence of operations")
{
  std::mt19937 random(7);
  for (int round = 0; round != 50; ++round) {
    fifo queue;
    std::vector<int> expected;
    for (int i = 0; i != 200; ++i) {
      const std::size_t size = expected.size();
      const std::size_t at = random() % (size + 1);
      const auto position = static_cast<std::ptrdiff_t>(at);
      switch (random() % 5) {
      case 0:
      case 1:
        queue.push_back(std::make_unique<int>(i));
        expected.push_back(i);
        break;
      case 2:
        queue.insert(at, std::make_unique<int>(i));
        expected.insert(expected.begin() + position, i);
        break;
      default:
        const std::size_t count = random() % (size - at + 1);
        for (std::size_t n = 0; n != count; ++n) queue[at + n].reset();
        queue.erase(at, count);
        expected.erase(expected.begin() + position,
            expected.begin() + position + static_cast<std::ptrdiff_t>(count));
      }
      REQUIRE(queue.size() == expected.size());
      REQUIRE(queue.empty() == expected.empty());
      REQUIRE(values(queue) == expected);
    }
  }
}

TEST_CASE("fifo keeps its memory when it was reserved")
{
  fifo queue;
  queue.reserve(8);
  queue.push_back(nullptr);
  const item* lowest = &queue[0];
  for (int i = 0; i != 1'000; ++i) {
    while (queue.size() != 8) queue.push_back(nullptr);
    queue.erase(0, 1 + static_cast<std::size_t>(i) % 8);
    queue.insert(0, nullptr);
    REQUIRE(&queue[0] >= lowest);
    REQUIRE(&queue[0] < lowest + 16);
  }
}

TEST_CASE("fifo grows when little is free in front, so that each element moves a few times at most")
{
  // Counts how often elements are moved.
  struct counted {
    std::size_t* moves = nullptr;
    counted(std::size_t* count) : moves(count) {}
    counted(counted&& other) noexcept : moves(other.moves) { ++*moves; }
    counted& operator=(counted&& other) noexcept
    {
      moves = other.moves;
      ++*moves;
      return *this;
    }
  };
  for (const std::size_t kept : {1u, 63u, 64u, 65u, 1000u}) {
    std::size_t moves = 0;
    cohort::detail::fifo<counted> queue;
    for (std::size_t i = 0; i != kept; ++i) queue.push_back(counted(&moves));
    moves = 0;
    // A queue that stays that long.
    for (std::size_t i = 0; i != 20'000; ++i) {
      queue.push_back(counted(&moves));
      queue.erase(0, 1);
    }
    CHECK(queue.size() == kept);
    CHECK(moves < 5 * 20'000);
  }
}

} // namespace fifo_test
