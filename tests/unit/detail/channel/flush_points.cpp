// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/flush_points.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>

#include <system_error>
#include <vector>

namespace flush_points_test {

TEST_CASE("flush points are reached in order, and fail together")
{
  asio::io_context context(1);
  cohort::detail::flush_points points(context.get_executor());
  std::vector<int> order;
  std::vector<std::error_code> errors;
  const auto note = [&](int number) {
    return [&order, &errors, number](std::error_code error) {
      order.push_back(number);
      errors.push_back(error);
    };
  };
  CHECK(points.empty());
  points.add(20, note(3));
  points.add(10, note(1));
  points.add(10, note(2));
  points.add(30, note(4));
  points.reached(9);
  context.poll();
  CHECK(order.empty());
  points.reached(10);
  CHECK(order.empty()); // never inside the call
  context.restart();
  context.poll();
  CHECK(order == std::vector<int>{1, 2});
  points.reached(25);
  points.fail(std::make_error_code(std::errc::io_error));
  CHECK(points.empty());
  context.restart();
  context.poll();
  CHECK(order == std::vector<int>{1, 2, 3, 4});
  CHECK_FALSE(errors[2]);
  CHECK(errors[3] == std::errc::io_error);
}

} // namespace flush_points_test
