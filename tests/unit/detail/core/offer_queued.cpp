// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/offer_queued.hpp>

#include <cohort/detail/posix/socket.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"

#include <vector>

namespace offer_queued_test {

using namespace cohort::detail;
using cohort::candidate;
using counts = std::vector<int>;

namespace {

struct fixture {
  fixture()
  {
    for (cohort::worker_id id = 1; id <= 2; ++id) {
      connections.join(candidate(id));
      connections.grant(id, 100);
    }
  }

  void queue(int count)
  {
    std::error_code error;
    for (; count != 0; --count)
      connections.enqueue(posix::stream_pair(error).first, cohort::connection_info());
  }
  bool offer() { return offer_queued(connections, host, 7); }

  handoff<posix::unique_fd, cohort::round_robin> connections{cohort::round_robin()};
  cohort_test::noted_host host;
};

} // namespace

TEST_CASE("what is queued goes to each member in one offer, with a descriptor for each")
{
  fixture test;
  test.queue(5);
  CHECK(test.offer());
  CHECK(test.host.runs(1) == counts{3});
  CHECK(test.host.runs(2) == counts{2});
  CHECK(test.host.offers.front().listener == 7);
  CHECK_FALSE(test.host.wrong);
  CHECK(test.connections.queue_size() == 0);
}

TEST_CASE("more than a frame carries goes in several offers, numbered one after the other")
{
  fixture test;
  test.connections.retire(2);
  test.queue(70);
  CHECK(test.offer());
  CHECK(test.host.runs(1) == counts{64, 6});
  CHECK(test.host.offers[1].first == test.host.offers[0].first + 64);
}

TEST_CASE("what finds no room is told, and goes to others")
{
  fixture test;
  test.host.full = {1};
  test.queue(4);
  CHECK_FALSE(test.offer());
  CHECK(test.host.offered(2) == 4);
  test.host.full = {1, 2};
  test.queue(1);
  CHECK_FALSE(test.offer());
  CHECK(test.connections.queue_size() == 1);
}

} // namespace offer_queued_test
