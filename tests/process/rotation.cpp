// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include "support/cluster_fixture.hpp"
#include "support/load.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <map>
#include <set>

namespace rotation_test {

using namespace cohort_test;

namespace {

// Makes connections one by one until all of `workers` have answered: all have credit then.
std::size_t warm_up(const address& to, std::size_t workers)
{
  std::set<cohort::worker_id> seen;
  std::size_t made = 0;
  for (; seen.size() != workers && made != 1000; ++made) seen.insert(ask(to).worker);
  return made;
}

} // namespace

TEST_CASE("eight workers take two thousand connections in strict rotation")
{
  cluster_fixture primary;
  std::vector<answer> answers;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(8);
    const address where = co_await primary.address_of(workers.front());
    std::size_t before = 0;
    auto clients = [&] {
      before = warm_up(where, workers.size());
      for (int i = 0; i != 2000; ++i) answers.push_back(ask(where));
    };
    co_await primary.in_thread(clients);
    // A client has its answer before the primary has read the last acknowledgement.
    const auto all_are_taken = [&] { return primary.cluster().counters().taken == 2000 + before; };
    const bool taken = co_await primary.eventually(all_are_taken);
    CHECK(taken);
    const cohort::connection_counters counters = primary.cluster().counters();
    CHECK(counters.accepted == 2000 + before);
    CHECK(counters.refused == 0);
    CHECK(counters.closed == 0);
    co_await primary.end();
  });
  CHECK(summary(answers) == "2000 ok");
  std::map<cohort::worker_id, unsigned> shares;
  std::size_t out_of_turn = 0;
  for (std::size_t i = 0; i != answers.size(); ++i) {
    ++shares[answers[i].worker];
    if (i >= 8 && answers[i].worker != answers[i - 8].worker) ++out_of_turn;
  }
  CHECK(out_of_turn == 0);
  CHECK(shares.size() == 8);
  for (const auto& [worker, share] : shares) CHECK(share == 250);
}

TEST_CASE("a worker that joins takes part in the rotation, one that leaves does not")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers = co_await primary.start(2);
    const address where = co_await primary.address_of(workers.front());
    std::map<cohort::worker_id, unsigned> shares;
    std::size_t expected = 3;
    auto clients = [&] {
      warm_up(where, expected);
      shares.clear();
      for (int i = 0; i != 60; ++i) ++shares[ask(where).worker];
    };
    cohort::worker third = co_await primary.start();
    co_await primary.in_thread(clients);
    CHECK(shares[1] == 20);
    CHECK(shares[2] == 20);
    CHECK(shares[3] == 20);

    const cohort::exit_status status = co_await workers[1].disconnect();
    CHECK(status.success());
    expected = 2;
    co_await primary.in_thread(clients);
    CHECK(shares[1] == 30);
    CHECK(shares.count(2) == 0);
    CHECK(shares[3] == 30);
    co_await primary.end();
  });
}

} // namespace rotation_test
