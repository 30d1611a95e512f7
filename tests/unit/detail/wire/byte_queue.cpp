// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/byte_queue.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <vector>

namespace byte_queue_test {

using cohort::detail::wire::byte_queue;

TEST_CASE("bytes come out as they went in, whatever the pieces")
{
  std::mt19937 random(7);
  byte_queue queue;
  std::deque<std::byte> model;
  unsigned next = 0;
  for (int step = 0; step != 20'000; ++step) {
    std::vector<std::byte> piece(random() % 100);
    for (auto& byte : piece) byte = static_cast<std::byte>(next++);
    queue.push(piece);
    model.insert(model.end(), piece.begin(), piece.end());
    const auto front = queue.front();
    REQUIRE(front.size() == model.size());
    REQUIRE(std::equal(front.begin(), front.end(), model.begin()));
    const std::size_t size = std::min<std::size_t>(random() % 110, model.size());
    queue.pop(size);
    model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE(queue.size() == model.size());
    REQUIRE(queue.empty() == model.empty());
  }
}

TEST_CASE("memory is reused while the queue is never empty")
{
  byte_queue queue;
  const std::vector<std::byte> piece(100);
  queue.push(piece);
  for (int step = 0; step != 1000; ++step) {
    queue.push(piece);
    queue.pop(100);
  }
  const auto* const lowest = queue.front().data();
  for (int step = 0; step != 100'000; ++step) {
    queue.push(piece);
    queue.pop(100);
    const auto distance = queue.front().data() - lowest;
    REQUIRE(distance > -1000);
    REQUIRE(distance < 1000);
  }
}

TEST_CASE("clear leaves an empty queue")
{
  byte_queue queue;
  queue.push(std::vector<std::byte>(5'000'000));
  CHECK(queue.size() == 5'000'000);
  queue.clear();
  CHECK(queue.empty());
  CHECK(queue.front().empty());
  queue.push(std::vector<std::byte>(3));
  CHECK(queue.size() == 3);
}

} // namespace byte_queue_test
