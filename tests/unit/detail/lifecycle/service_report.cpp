// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/service_report.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace service_report_test {

using namespace cohort::detail;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

group_brief group(const std::string& name, std::size_t ready, std::size_t wanted)
{
  group_brief brief;
  brief.name = name;
  brief.ready = ready;
  brief.wanted = wanted;
  return brief;
}

// Sends all that it says, or nothing.
struct fixture {
  explicit fixture(std::optional<service_report::clock::duration> watchdog = std::nullopt)
      : report(watchdog)
  {
    facts.groups = {group("web", 0, 2), group("mail", 0, 1)};
  }

  strings says()
  {
    strings all;
    while (const auto text = report.next(facts, now)) {
      all.push_back(*text);
      report.told(sends, now);
      if (!sends) break;
    }
    return all;
  }
  void become_ready()
  {
    facts.groups = {group("web", 2, 2), group("mail", 1, 1)};
    says();
  }
  std::string reloading() const
  {
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
    return service_messages::reloading(time);
  }

  service_report report;
  service_facts facts;
  service_report::time now{1h};
  bool sends = true;
};

} // namespace

TEST_CASE("a service is ready when all its groups are for the first time, and stays so")
{
  fixture test;
  CHECK(test.says() == strings{"STATUS=web 0/2, mail 0/1\n"});
  test.facts.groups[0].ready = 2;
  test.now += 2s;
  CHECK(test.says() == strings{"STATUS=web 2/2, mail 0/1\n"});
  test.facts.groups[1].ready = 1;
  CHECK(test.says() == strings{"READY=1\nSTATUS=web 2/2, mail 1/1\n"});
  CHECK(test.says().empty());
  test.facts.groups[0].ready = 0;
  test.now += 2s;
  CHECK(test.says() == strings{"STATUS=web 0/2, mail 1/1\n"});
  test.facts.groups[0].ready = 2;
  test.now += 2s;
  CHECK(test.says() == strings{"STATUS=web 2/2, mail 1/1\n"});
  CHECK_FALSE(test.report.wake_at());
}

TEST_CASE("a group that wants nobody or is over holds nothing up, one that has given up does")
{
  fixture test;
  test.facts.groups = {group("a", 0, 0), group("b", 0, 3), group("c", 4, 2)};
  test.facts.groups[1].gave_up = true;
  CHECK(test.says() == strings{"STATUS=a 0/0, b 0/3 given up, c 4/2\n"});
  test.facts.groups[1].over = true;
  CHECK(test.says() == strings{"READY=1\nSTATUS=a 0/0, b 0/3 over, c 4/2\n"});
  fixture empty;
  empty.facts.groups.clear();
  CHECK(empty.says() == strings{"READY=1\n"});
}

TEST_CASE("a reload is told with its time, and that it is over when no group reloads any more")
{
  fixture test;
  test.become_ready();
  test.report.reload_asked();
  test.facts.groups[0].reloads = true;
  CHECK(test.says() == strings{test.reloading() + "STATUS=web 2/2 reloading, mail 1/1\n"});
  test.now += 10s;
  CHECK(test.says().empty());
  // A second one is told at once, since who has asked waits for it.
  test.report.reload_asked();
  CHECK(test.says() == strings{test.reloading()});
  test.facts.groups[0].reloads = false;
  test.facts.groups[0].ready = 1; // it may have failed
  CHECK(test.says() == strings{"READY=1\nSTATUS=web 1/2, mail 1/1\n"});
  CHECK(test.says().empty());
}

TEST_CASE("a reload that is refused is told and over at once, one group's own is only a status")
{
  fixture test;
  test.become_ready();
  test.report.reload_asked();
  CHECK(test.says() == strings{test.reloading(), "READY=1\n"});
  test.now += 2s;
  test.facts.groups[1].reloads = true;
  CHECK(test.says() == strings{"STATUS=web 2/2, mail 1/1 reloading\n"});
}

TEST_CASE("a reload before the service is ready is no news")
{
  fixture test;
  test.says();
  test.report.reload_asked();
  test.facts.groups[0].reloads = true;
  CHECK(test.says().empty());
  test.facts.groups[0].reloads = false;
  test.facts.groups = {group("web", 2, 2), group("mail", 1, 1)};
  CHECK(test.says() == strings{"READY=1\nSTATUS=web 2/2, mail 1/1\n"});
  CHECK(test.says().empty());
}

TEST_CASE("the end is told once, whatever was told before, and nothing but the status after it")
{
  for (const bool ready : {false, true}) {
    for (const bool reloads : {false, true}) {
      fixture test;
      test.says();
      if (ready) test.become_ready();
      if (reloads) test.report.reload_asked();
      test.facts.stopping = true;
      test.facts.workers = 3;
      CHECK(test.says() == strings{"STOPPING=1\nSTATUS=stopping, workers left: 3\n"});
      test.report.reload_asked();
      test.facts.workers = 2;
      CHECK(test.says().empty());
      test.now = *test.report.wake_at();
      CHECK(test.says() == strings{"STATUS=stopping, workers left: 2\n"});
    }
  }
}

TEST_CASE("a status that changes often is said after a pause, as it is then")
{
  fixture test;
  test.become_ready();
  for (const std::size_t ready : {1U, 0U, 1U}) {
    test.facts.groups[0].ready = ready;
    test.now += 300ms;
    CHECK(test.says().empty());
    CHECK(test.report.wake_at() == service_report::time(1h) + service_report::pause);
  }
  test.now += 300ms;
  CHECK(test.says() == strings{"STATUS=web 1/2, mail 1/1\n"});
  // What is as it was said needs no word.
  test.facts.groups[0].ready = 2;
  CHECK(test.says().empty());
  test.facts.groups[0].ready = 1;
  CHECK(test.says().empty());
  CHECK_FALSE(test.report.wake_at());
}

TEST_CASE("the watchdog hears of it at once, and then twice as often as it has to")
{
  fixture test(4s);
  CHECK(test.says() == strings{"STATUS=web 0/2, mail 0/1\nWATCHDOG=1\n"});
  CHECK(test.report.wake_at() == test.now + 2s);
  test.now += 1s;
  CHECK(test.says().empty());
  test.now += 1s;
  CHECK(test.says() == strings{"WATCHDOG=1\n"});
  test.facts.stopping = true;
  CHECK(test.says() == strings{"STOPPING=1\nSTATUS=stopping, workers left: 0\n"});
  // Workers may take long to drain.
  test.now += 2s;
  CHECK(test.says() == strings{"WATCHDOG=1\n"});
}

TEST_CASE("what could not be sent is said again after a pause, as it is then")
{
  fixture test;
  test.sends = false;
  CHECK(test.says() == strings{"STATUS=web 0/2, mail 0/1\n"});
  test.facts.groups = {group("web", 2, 2), group("mail", 1, 1)};
  CHECK(test.says().empty());
  CHECK(test.report.wake_at() == test.now + service_report::pause);
  test.now += 1s;
  CHECK(test.says() == strings{"READY=1\nSTATUS=web 2/2, mail 1/1\n"});
  test.now += 1s;
  test.sends = true;
  CHECK(test.says() == strings{"READY=1\nSTATUS=web 2/2, mail 1/1\n"});
  CHECK(test.says().empty());
  test.sends = false;
  test.report.reload_asked();
  CHECK(test.says().size() == 1);
  test.sends = true;
  test.now += 1s;
  CHECK(test.says() == strings{test.reloading(), "READY=1\n"});
}

TEST_CASE("whatever happens, what was told follows what is, in an order that makes sense")
{
  for (unsigned seed = 0; seed != 200; ++seed) {
    std::mt19937 random(seed);
    const auto any = [&](unsigned below) { return random() % below; };
    fixture test(any(2) == 0 ? std::optional<service_report::clock::duration>(4s) : std::nullopt);
    bool ready = false, reloading = false, stopping = false;
    for (int step = 0; step != 300; ++step) {
      switch (any(7)) {
      case 0: test.facts.groups[any(2)].ready = any(3); break;
      case 1: test.facts.groups[any(2)].reloads = any(2) == 0; break;
      case 2: test.report.reload_asked(); break;
      case 3: test.sends = any(3) != 0; break;
      case 4: test.now += std::chrono::milliseconds(any(1500)); break;
      case 5: test.facts.groups[any(2)].gave_up = any(2) == 0; break;
      default: test.facts.stopping = test.facts.stopping || any(60) == 0;
      }
      const bool sent = test.sends;
      for (const std::string& text : test.says()) {
        if (!sent) continue;
        CHECK_FALSE((stopping && (text.starts_with("READY") || text.starts_with("RELOAD"))));
        if (text.starts_with("READY")) {
          CHECK((!ready ? test.facts.all_ready() : reloading && !test.facts.reloads()));
          ready = true;
          reloading = false;
        }
        if (text.starts_with("RELOAD")) {
          CHECK(ready);
          reloading = true;
        }
        if (text.starts_with("STOPPING")) {
          CHECK(test.facts.stopping);
          CHECK_FALSE(std::exchange(stopping, true));
        }
      }
    }
    // In the end everything is told.
    test.sends = true;
    test.facts.stopping = true;
    test.now += 2s;
    for (const std::string& text : test.says())
      if (text.starts_with("STOPPING")) CHECK_FALSE(std::exchange(stopping, true));
    CHECK(stopping);
  }
}

} // namespace service_report_test
