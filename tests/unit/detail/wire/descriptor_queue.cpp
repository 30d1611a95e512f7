// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/wire/descriptor_queue.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace descriptor_queue_test {

using namespace cohort::detail::wire;

namespace {

using queue = descriptor_queue<int>;

void push(queue& to, std::vector<int> batch, bool truncated = false) { to.push(batch, truncated); }

std::vector<int> take(queue& from, std::size_t count, bool truncated = false)
{
  std::error_code ec;
  auto taken = from.take(count, ec);
  CHECK_FALSE(ec);
  CHECK(taken.truncated == truncated);
  return {taken.descriptors().begin(), taken.descriptors().end()};
}

bool take_fails(queue& from, std::size_t count)
{
  std::error_code ec;
  from.take(count, ec);
  return ec == cohort::error::protocol_violation;
}

using ints = std::vector<int>;

} // namespace

TEST_CASE("descriptors belong to frames by count and order")
{
  queue waiting;
  CHECK(waiting.empty());
  push(waiting, {1, 2, 3});
  push(waiting, {4});
  CHECK(waiting.size() == 4);
  CHECK(take(waiting, 3) == ints{1, 2, 3});
  CHECK(take(waiting, 1) == ints{4});
  CHECK(waiting.empty());
}

TEST_CASE("where a read ended does not matter")
{
  queue waiting;
  push(waiting, {1});
  push(waiting, {2, 3, 4});
  CHECK(take(waiting, 2) == ints{1, 2});
  push(waiting, {5});
  CHECK(take(waiting, 2) == ints{3, 4});
  CHECK(take(waiting, 1) == ints{5});
  CHECK(waiting.empty());
}

TEST_CASE("a frame that demands more than came is a violation")
{
  queue waiting;
  CHECK(take_fails(waiting, 1));
  push(waiting, {1, 2});
  CHECK(take_fails(waiting, 3));
}

TEST_CASE("more than a frame may own cannot be demanded")
{
  queue waiting;
  push(waiting, ints(70, 1));
  CHECK(take_fails(waiting, max_descriptors + 1));
  CHECK(take(waiting, max_descriptors).size() == max_descriptors);
}

TEST_CASE("truncation marks exactly the frame it belongs to")
{
  queue waiting;
  push(waiting, {1, 2});
  push(waiting, {3}, true);
  push(waiting, {}, true);
  push(waiting, {4, 5});
  CHECK(take(waiting, 2) == ints{1, 2});
  CHECK(take(waiting, 2, true) == ints{3});
  CHECK(take(waiting, 1, true).empty());
  CHECK(take(waiting, 2) == ints{4, 5});
  CHECK(waiting.empty());
}

TEST_CASE("a truncated batch that still holds more than its frame demands is a violation")
{
  queue waiting;
  push(waiting, {1, 2, 3}, true);
  CHECK(take_fails(waiting, 2));
}

TEST_CASE("a truncated batch with all that was demanded still counts as truncated")
{
  queue waiting;
  push(waiting, {1, 2}, true);
  CHECK(take(waiting, 2, true) == ints{1, 2});
  CHECK(waiting.empty());
}

TEST_CASE("surplus is what no incomplete frame can own")
{
  queue waiting;
  CHECK(waiting.fits(0));
  push(waiting, {1, 2});
  CHECK_FALSE(waiting.fits(0));
  CHECK_FALSE(waiting.fits(1));
  CHECK(waiting.fits(2));
  CHECK(waiting.fits(max_descriptors));
  push(waiting, {}, true);
  CHECK(waiting.fits(3));
  push(waiting, {3});
  CHECK_FALSE(waiting.fits(max_descriptors));
  waiting.clear();
  CHECK(waiting.fits(0));
  push(waiting, {}, true);
  CHECK_FALSE(waiting.fits(0));
  CHECK(waiting.fits(1));
  push(waiting, {}, true);
  CHECK_FALSE(waiting.fits(max_descriptors));
}

TEST_CASE("descriptors are owned once and given up by clear")
{
  const auto counted = std::make_shared<int>(0);
  descriptor_queue<std::shared_ptr<int>> waiting;
  {
    std::vector<std::shared_ptr<int>> batch(5, counted);
    waiting.push(batch, false);
  }
  CHECK(counted.use_count() == 6);
  std::error_code ec;
  {
    const auto taken = waiting.take(2, ec);
    CHECK(counted.use_count() == 6);
  }
  CHECK(counted.use_count() == 4);
  waiting.clear();
  CHECK(counted.use_count() == 1);
  CHECK(waiting.empty());
}

} // namespace descriptor_queue_test
