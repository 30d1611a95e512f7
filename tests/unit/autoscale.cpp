// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/autoscale.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <stdexcept>

namespace autoscale_test {

using namespace std::chrono_literals;
using cohort::autoscale;
using cohort::connections_per_worker;
using cohort::group_metrics;

namespace {

unsigned three(const group_metrics&) { return 3; }

unsigned wanted(double target, std::size_t connections, std::size_t offers, std::size_t queue)
{
  group_metrics group;
  group.connections = connections;
  group.offers = offers;
  group.queue = queue;
  return connections_per_worker(target)(group);
}

} // namespace

TEST_CASE("a rule by connections wants as many workers as give each its share")
{
  CHECK(wanted(10, 0, 0, 0) == 0);
  CHECK(wanted(10, 1, 0, 0) == 1);
  CHECK(wanted(10, 10, 0, 0) == 1);
  CHECK(wanted(10, 10, 1, 0) == 2);
  CHECK(wanted(10, 10, 5, 6) == 3);
  CHECK(wanted(0.5, 3, 0, 0) == 6);
  CHECK(wanted(1e-30, 1, 0, 0) == std::numeric_limits<unsigned>::max());
  CHECK_THROWS_AS(connections_per_worker(0), std::invalid_argument);
  CHECK_THROWS_AS(connections_per_worker(-1), std::invalid_argument);
  const double no_number = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(wanted(no_number, 1, 0, 0), std::invalid_argument);
}

TEST_CASE("how a group is scaled says what it was told, and else its defaults")
{
  const autoscale plain(1, 4, three);
  CHECK((plain.min() == 1 && plain.max() == 4));
  CHECK(plain.wanted()(group_metrics()) == 3);
  CHECK((plain.interval() == 1s && plain.cooldown() == 30s));
  const auto told = autoscale(2, 2, three).interval(5ms).cooldown(0s);
  CHECK((told.interval() == 5ms && told.cooldown() == 0s));
}

TEST_CASE("what makes no sense is refused")
{
  CHECK_THROWS_AS(autoscale(0, 4, three), std::invalid_argument);
  CHECK_THROWS_AS(autoscale(3, 2, three), std::invalid_argument);
  CHECK_THROWS_AS(autoscale(1, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(autoscale(1, 2, three).interval(0s), std::invalid_argument);
}

} // namespace autoscale_test
