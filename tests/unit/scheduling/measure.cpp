// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/measure.hpp>

#include <doctest/doctest.h>

namespace measure_test {

using cohort::candidate;
using cohort::load_measure;
using cohort::open_connections;
using cohort::reported_load;

namespace {

struct by_id {
  unsigned operator()(const candidate& member) const noexcept { return member.id; }
};

struct changes_itself {
  double operator()(const candidate&) noexcept { return ++calls; }
  double calls = 0;
};

struct says_nothing {
  void operator()(const candidate&) const noexcept {}
};

struct needs_argument {
  explicit needs_argument(int) {}
  double operator()(const candidate&) const noexcept { return 0; }
};

static_assert(load_measure<by_id>);
static_assert(load_measure<decltype([](const candidate& member) { return member.load; })>);
static_assert(!load_measure<changes_itself>);
static_assert(!load_measure<says_nothing>);
static_assert(!load_measure<needs_argument>);
static_assert(!load_measure<int>);

} // namespace

TEST_CASE("open_connections counts those it has, those on their way and the one to come")
{
  candidate member(1);
  CHECK(open_connections()(member) == 1);
  member.connections = 3;
  CHECK(open_connections()(member) == 4);
  member.offers = 2;
  CHECK(open_connections()(member) == 6);
  member.load = 100;
  CHECK(open_connections()(member) == 6);
}

TEST_CASE("reported_load counts what was reported and those on their way")
{
  candidate member(1);
  CHECK(reported_load()(member) == 1);
  member.load = 10;
  CHECK(reported_load()(member) == 11);
  member.offers = 2;
  CHECK(reported_load()(member) == 13);
  member.connections = 100;
  CHECK(reported_load()(member) == 13);
}

TEST_CASE("both are in proportion to the weight")
{
  candidate member(1);
  member.connections = member.load = 11;
  member.weight = 8;
  CHECK(open_connections()(member) == 1.5);
  CHECK(reported_load()(member) == 1.5);
}

TEST_CASE("the largest numbers that a member can have do not overflow")
{
  candidate member(1);
  member.connections = member.offers = member.load = 0xffff'ffff;
  CHECK(open_connections()(member) == 8'589'934'591.0);
  CHECK(reported_load()(member) == 8'589'934'591.0);
}

} // namespace measure_test
