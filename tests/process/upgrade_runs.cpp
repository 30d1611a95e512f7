// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A program that replaces itself, to which anything is done in an order that a seed decides: it is
// what a model says, which knows the process that serves, and numbers. Upgrades inside of a test
// that fail: tests/process/supervised_runs.cpp.

#include "support/client.hpp"
#include "support/footprint.hpp"
#include "support/kept_port.hpp"
#include "support/modelled_program.hpp"
#include "support/seeds.hpp"
#include "support/soon.hpp"

#include <array>
#include <csignal>
#include <cstddef>
#include <deque>
#include <doctest/doctest.h>
#include <random>
#include <string>
#include <vector>

namespace upgrade_runs_test {

using namespace cohort_test;

namespace {

class random_upgrades {
public:
  explicit random_upgrades(unsigned seed)
      : random_(seed),
        program_(1 + below(3), variables(seed % 3 == 0 ? "shared" : "rr"))
  {
  }

  void run()
  {
    settle();
    for (int step = 0; step != 25; ++step) {
      one_step();
      if (below(3) == 0) settle();
    }
    settle();
    if (!pending_.empty()) {
      program_.signal(SIGHUP);
      settle();
    }
    program_.end();
  }

private:
  unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }

  std::vector<std::string> variables(const std::string& policy) const
  {
    std::vector<std::string> all;
    all.push_back("COHORT_TEST_POLICY=" + policy);
    all.push_back("COHORT_TEST_LISTEN=" + port_.text());
    return all;
  }

  void one_step()
  {
    static constexpr std::array signals{
        SIGTTIN, SIGTTIN, SIGTTOU, SIGTTOU, SIGWINCH, SIGHUP, SIGUSR1};
    switch (below(7)) {
    case 0:
    case 1: return program_.signal(signals[below(signals.size())]);
    case 2: return kill_worker();
    case 3:
    case 4: return request();
    case 5: return program_.upgrade(1 + below(3));
    default:
      const program_fate& fate = bad_fates()[below(bad_fates().size())];
      return program_.fail_to_upgrade(fate, below(2) == 0);
    }
  }

  void kill_worker()
  {
    // Those whom it serves would be lost.
    if (!pending_.empty()) settle();
    const auto workers = workers_of(program_.serving());
    if (workers.empty()) return;
    const pid_t victim = workers[below(workers.size())];
    ::kill(victim, SIGKILL);
    // Until then it might take a client.
    const auto is_gone = [&] { return ::kill(victim, 0) == -1; };
    REQUIRE(soon(is_gone));
  }

  void request()
  {
    if (!program_.rests()) {
      const outcome result = ask(where_).result;
      REQUIRE_MESSAGE(result == outcome::ok, to_string(result));
      return;
    }
    pending_.emplace_back();
    REQUIRE(pending_.back().connect(where_) == outcome::ok);
    REQUIRE(pending_.back().request("get") == outcome::ok);
  }

  void settle()
  {
    program_.settle();
    if (program_.rests()) return;
    for (client& each : pending_) {
      const outcome result = each.receive_answer().result;
      REQUIRE_MESSAGE(result == outcome::ok, to_string(result), " of one who has waited");
      REQUIRE(each.receive_end() == outcome::ok);
    }
    pending_.clear();
    request();
  }

  std::mt19937 random_;
  kept_port port_;
  const address where_ = address::tcp4(port_.number());
  modelled_program program_;
  // Clients who wait as long as there are no workers.
  std::deque<client> pending_;
};

} // namespace

TEST_CASE(
    "whatever is done to a program that replaces itself, the right process serves as it is to")
{
  const auto run = [](unsigned seed) { random_upgrades(seed).run(); };
  for_each_seed(10, run);
}

} // namespace upgrade_runs_test
