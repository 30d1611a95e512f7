// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers whose event loops are not heard, and what they tell of themselves while they are.

#include "support/supervisor_fixture.hpp"

#include <chrono>
#include <csignal>
#include <map>
#include <string>

namespace heartbeat_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

std::chrono::milliseconds interval() { return 40ms * time_factor(); }

// Who answers.
std::string ask_pid(const kept_port& port)
{
  client asking;
  std::string line;
  if (asking.connect(address::tcp4(port.number())) != outcome::ok) return "refused";
  if (asking.receive(line) != outcome::ok) return "nothing";
  return line.substr(0, line.find(' '));
}

} // namespace

TEST_CASE("a worker that is stopped leaves the rotation, and takes part again when it goes on")
{
  kept_port port;
  supervisor_fixture test;
  test.master().add(test.server_group("web", 2, port).heartbeat(interval()));
  auto events = test.master().subscribe<cohort::stalled_event, cohort::recovered_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    auto workers = test.master().workers("web");
    workers[0].kill(SIGSTOP);
    const auto first = co_await events.next();
    REQUIRE(std::holds_alternative<cohort::stalled_event>(first));
    CHECK(std::get<cohort::stalled_event>(first).worker == workers[0].id());
    CHECK(workers[0].is_stalled());
    CHECK(test.master().status_text().find("state stalled") != std::string::npos);
    std::map<std::string, int> answers;
    auto ask_all = [&] {
      for (int i = 0; i != 20; ++i) ++answers[ask_pid(port)];
    };
    co_await test.in_thread(ask_all);
    CHECK(answers == std::map<std::string, int>{{std::to_string(workers[1].pid()), 20}});
    workers[0].kill(SIGCONT);
    const auto second = co_await events.next();
    CHECK(std::holds_alternative<cohort::recovered_event>(second));
    CHECK_FALSE(workers[0].is_stalled());
    co_await test.in_thread(ask_all);
    CHECK(answers.size() == 2);
    CHECK(workers[0].loop_lag() > 0us);
    co_await test.end();
  });
}

TEST_CASE("a worker that hangs is aborted, one that is stopped killed, and both are replaced")
{
  supervisor_fixture test;
  test.behave("serve spin");
  test.master().add(test.group("one", 1).heartbeat(interval(), 4));
  auto exits = test.master().subscribe<cohort::exit_event>();
  auto stalled = test.master().subscribe<cohort::stalled_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await stalled.next();
    test.behave("serve");
    const cohort::exit_event first = co_await exits.next();
    CHECK(first.status == cohort::exit_status::signalled(SIGABRT));
    const bool again = co_await test.serving("one", 1);
    CHECK(again);
    test.master().workers("one").front().kill(SIGSTOP);
    const cohort::exit_event second = co_await exits.next();
    CHECK(second.status == cohort::exit_status::signalled(SIGKILL));
    const bool up = co_await test.serving("one", 1);
    CHECK(up);
    co_await test.end();
  });
}

TEST_CASE("a worker that takes long to come up is no worker that hangs")
{
  supervisor_fixture test;
  test.behave("hang");
  test.master().add(test.group("one", 1).heartbeat(1ms, 2));
  auto exits = test.master().subscribe<cohort::exit_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    cohort::worker worker = test.master().workers("one").front();
    co_await worker.online();
    worker.kill(SIGSTOP);
    // Far longer than it would take to be judged.
    const auto has_ended = [&] { return worker.is_dead(); };
    const bool ended = co_await test.eventually(has_ended, 50ms);
    CHECK_FALSE(ended);
    worker.kill(SIGCONT);
    co_await test.end();
  });
}

TEST_CASE("what a worker tells of itself is known in the primary, and in the status")
{
  supervisor_fixture test;
  test.behave("value=1 value=2 serve");
  test.master().add(test.group("one", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    const cohort::worker worker = test.master().workers("one").front();
    const std::map<std::string, std::string> expected{{"a", "2"}, {"b", "two words"}};
    CHECK(worker.values() == expected);
    CHECK(test.master().status_text().find(" a=2 b=two_words\n") != std::string::npos);
    co_await test.end();
  });
}

} // namespace heartbeat_test
