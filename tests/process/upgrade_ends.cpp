// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Programs that are to end while they are being replaced.

#include <cohort/upgrade.hpp>

#include "support/client.hpp"
#include "support/footprint.hpp"
#include "support/upgrade_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <doctest/doctest.h>
#include <string>
#include <sys/types.h>
#include <vector>

namespace upgrade_ends_test {

using namespace cohort_test;

namespace {

// A process and all that came from it; those that are farthest from it come last.
std::vector<pid_t> family_of(pid_t oldest)
{
  std::vector<pid_t> all(1, oldest);
  for (std::size_t each = 0; each != all.size(); ++each)
    for (const pid_t child : children_of(all[each])) all.push_back(child);
  return all;
}

TEST_CASE("a program that is ended while it upgrades takes the new one along")
{
  upgrade_fixture test;
  test.set_fate("hang");
  ::kill(test.serving, SIGUSR2);
  // Signals are acted on one after the other.
  ::kill(test.serving, SIGTERM);
  test.told("counted ");
  CHECK(test.told("over ") == std::to_string(test.serving));
  CHECK(test.program.wait() == 0);
  test.serving = 0;
  // The new one has this end of the pipe as well.
  CHECK(test.program.line() == "");
}

TEST_CASE("a program that is ended waits for the new one, which may serve, or ends it at once")
{
  for (const bool at_once : {false, true}) {
    upgrade_fixture test;
    test.set_fate("deaf");
    ::kill(test.serving, SIGUSR2);
    const pid_t other = std::stoi(test.told("deaf "));
    ::kill(test.serving, SIGTERM);
    test.told("heard SIGTERM");
    ::kill(at_once ? test.serving : other, at_once ? SIGTERM : SIGUSR1);
    if (!at_once) {
      test.told("ends");
      test.told("counted ");
      test.told("over ");
    }
    CHECK(test.program.wait() == (at_once ? 128 + SIGTERM : 0));
    test.serving = 0;
    // The new one has this end of the pipe as well.
    CHECK(test.program.line() == "");
  }
}

TEST_CASE("a signal to end that all processes get, and the new one twice, cuts no request short")
{
  for (const bool old_is_first : {false, true}) {
    CAPTURE(old_is_first);
    upgrade_fixture test("rr", {"COHORT_TEST_SIGNALS=1"});
    test.set_fate("half");
    ::kill(test.serving, SIGUSR2);
    test.told("signal 12 ");
    const pid_t other = test.started();
    // A worker of the new one is in the middle of a request.
    client served;
    const auto is_of_other = [&] {
      REQUIRE(served.connect(address::tcp4(test.port.number())) == outcome::ok);
      const answer got = served.ask("keep");
      REQUIRE(got.result == outcome::ok);
      const std::vector<pid_t> its = children_of(other);
      return std::ranges::find(its, got.pid) != its.end();
    };
    REQUIRE(soon(is_of_other));
    REQUIRE(served.send("1 ke") == outcome::ok);

    std::vector<pid_t> all = family_of(test.serving);
    if (!old_is_first) std::ranges::reverse(all);
    // Two that wait at once are one.
    const auto other_hears = [&] {
      const std::string to_other = "signal 15 " + std::to_string(other);
      for (std::string said; said != to_other;) {
        said = test.told("");
        REQUIRE_FALSE(said.empty());
      }
    };
    const auto is_first = [&](pid_t each) { return each == (old_is_first ? test.serving : other); };
    std::ranges::stable_partition(all, is_first);
    ::kill(all.front(), SIGTERM);
    other_hears();
    for (std::size_t each = 1; each != all.size(); ++each) ::kill(all[each], SIGTERM);
    other_hears();
    CHECK(served.send("ep\n") == outcome::ok);
    std::string line;
    CHECK(served.receive(line) == outcome::ok);
    CHECK_MESSAGE(line.ends_with("close"), line);
    served.close();
    CHECK(test.program.wait() == 0);
    test.serving = 0;
  }
}

} // namespace

} // namespace upgrade_ends_test
