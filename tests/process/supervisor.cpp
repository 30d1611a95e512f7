// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Groups of workers that are kept up.

#include "support/supervisor_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <csignal>
#include <map>
#include <set>

namespace supervisor_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::reload_options;
using cohort::restart_policy;

namespace {

// Connects, and says what it is answered.
std::string ask_group(const kept_port& port)
{
  client asking;
  std::string line;
  if (asking.connect(address::tcp4(port.number())) != outcome::ok) return "refused";
  if (asking.receive(line) != outcome::ok) return "nothing";
  return line.substr(line.find(' ') + 1);
}

} // namespace

TEST_CASE("a supervisor starts its groups, and ends with them")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 2)).add(test.group("two", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    const bool one = co_await test.serving("one", 2);
    const bool two = co_await test.serving("two", 1);
    CHECK(one);
    CHECK(two);
    for (const cohort::worker& each : test.master().workers("two")) CHECK(each.group() == "two");
    co_await test.end();
  });
  CHECK(test.end_of_run() == std::error_code());
}

TEST_CASE("a worker that dies is replaced, however it dies")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 2));
  test.begin();
  test.run([&]() -> awaitable<void> {
    for (const int signal : {SIGKILL, SIGTERM}) {
      co_await test.serving("one", 2);
      auto workers = test.master().workers("one");
      workers.front().kill(signal);
      co_await workers.front().exited();
      const bool again = co_await test.serving("one", 2);
      CHECK(again);
      CHECK_FALSE(ids(test.master().workers("one")).contains(workers.front().id()));
      CHECK(ids(test.master().workers("one")).contains(workers.back().id()));
    }
    // One that the program ends is replaced as well, since the group is below its number.
    auto workers = test.master().workers("one");
    co_await workers.front().disconnect();
    const bool again = co_await test.serving("one", 2);
    CHECK(again);
    co_await test.end();
  });
}

TEST_CASE("each group has its listeners, which are open before the workers are and after them")
{
  kept_port first, second;
  supervisor_fixture test;
  test.behave("hang");
  test.master().add(test.server_group("one", 1, first)).add(test.server_group("two", 2, second));
  test.begin();
  test.run([&]() -> awaitable<void> {
    client early;
    CHECK(early.connect(address::tcp4(first.number())) == outcome::ok);
    test.behave("serve");
    for (cohort::worker& each : test.master().workers()) each.kill(SIGKILL);
    co_await test.serving("one", 1);
    co_await test.serving("two", 2);
    std::string line;
    auto receive = [&] { CHECK(early.receive(line) == outcome::ok); };
    co_await test.in_thread(receive);
    CHECK(line.ends_with(" one"));
    std::string answered;
    auto ask_second = [&] { answered = ask_group(second); };
    co_await test.in_thread(ask_second);
    CHECK(answered == "two");
    co_await test.end();
  });
  CHECK(ask_group(first) == "refused");
}

TEST_CASE("a listener that cannot be opened is the error of run, and nothing is started")
{
  kept_port good, taken;
  taken.take();
  supervisor_fixture test;
  test.master().add(test.server_group("one", 1, good)).add(test.server_group("two", 1, taken));
  test.begin();
  test.run([&]() -> awaitable<void> { co_return; });
  REQUIRE(test.end_of_run());
  CHECK(*test.end_of_run() == std::errc::address_in_use);
  CHECK(test.master().workers().empty());
  CHECK(ask_group(good) == "refused");
  taken.free();
  test.begin();
  test.run([&]() -> awaitable<void> {
    const bool one = co_await test.serving("one", 1);
    CHECK(one);
    co_await test.end();
  });
  CHECK(test.end_of_run() == std::error_code());
}

TEST_CASE("a group that never comes up gives up, and tries again after its pause")
{
  supervisor_fixture test;
  test.behave("exit=7");
  const restart_policy policy = restart_policy().backoff(1ms, 2ms).boot_failures(4).pause(50ms);
  test.master().add(test.group("one", 2).restarts(policy));
  auto events = test.master().subscribe<cohort::gave_up_event, cohort::resumed_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    const auto first = co_await events.next();
    REQUIRE(std::holds_alternative<cohort::gave_up_event>(first));
    const auto& gave_up = std::get<cohort::gave_up_event>(first);
    CHECK(gave_up.group == "one");
    CHECK(gave_up.reason == cohort::give_up_reason::never_ready);
    CHECK(gave_up.pause == 50ms);
    // Those that had been started when the last one failed may fail as well.
    CHECK(test.starts() >= 4);
    CHECK(test.starts() <= 5);
    test.behave("serve");
    const auto second = co_await events.next();
    CHECK(std::holds_alternative<cohort::resumed_event>(second));
    const bool up = co_await test.serving("one", 2);
    CHECK(up);
    co_await test.end();
  });
}

TEST_CASE("a crash loop forks no more than its policy allows")
{
  supervisor_fixture test;
  test.behave("ready abort");
  const restart_policy policy = restart_policy().backoff(1ms, 1ms).intensity(3, 60s).pause(60s);
  test.master().add(test.group("one", 2).restarts(policy));
  auto events = test.master().subscribe<cohort::gave_up_event>();
  auto exits = test.master().subscribe<cohort::exit_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    const cohort::gave_up_event event = co_await events.next();
    CHECK(event.reason == cohort::give_up_reason::died_too_often);
    const auto none_is_left = [&] { return test.master().workers().empty(); };
    const bool gone = co_await test.eventually(none_is_left);
    CHECK(gone);
    // Two at first, one for each death that was allowed, and the one beside the last death.
    CHECK(test.starts() >= 7);
    CHECK(test.starts() <= 8);
    const std::size_t before = test.starts();
    test.behave("serve");
    test.master().resume("one");
    const bool up = co_await test.serving("one", 2);
    CHECK(up);
    CHECK(test.starts() == before + 2);
    co_await test.end();
  });
}

TEST_CASE("a program may end when a group gives up")
{
  supervisor_fixture test(cohort::supervisor_options().end_when_given_up(true));
  test.behave("serve");
  test.master().add(test.group("good", 1));
  const restart_policy policy =
      restart_policy().exit_code(125, cohort::exit_meaning::permanent_failure);
  auto broken = test.group("broken", 1).restarts(policy);
  broken.settings(cohort::settings().env(
      cohort::environment().set("COHORT_TEST_BEHAVIOUR", test.scratch.file("broken"))));
  std::ofstream(test.scratch.file("broken")) << "ready exit=125\n";
  test.master().add(broken);
  test.begin();
  test.run([&]() -> awaitable<void> { co_return; });
  CHECK(test.end_of_run() == std::error_code(cohort::error::gave_up));
  CHECK(test.master().workers().empty());
}

TEST_CASE("a worker that does not come up in time is killed")
{
  supervisor_fixture test;
  test.behave("hang");
  const restart_policy policy = restart_policy().boot_deadline(50ms).boot_failures(2).pause(60s);
  test.master().add(test.group("one", 1).restarts(policy));
  auto exits = test.master().subscribe<cohort::exit_event>();
  auto gave_up = test.master().subscribe<cohort::gave_up_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    for (int i = 0; i != 2; ++i) {
      const cohort::exit_event event = co_await exits.next();
      CHECK(event.status == cohort::exit_status::signalled(SIGKILL));
    }
    const cohort::gave_up_event event = co_await gave_up.next();
    CHECK(event.reason == cohort::give_up_reason::never_ready);
    co_await test.end();
  });
}

TEST_CASE("a group is over when nobody follows those who have ended")
{
  supervisor_fixture test;
  test.behave("ready leave");
  test.master().add(
      test.group("jobs", 3).restarts(restart_policy().kind(cohort::restart::transient)));
  test.begin();
  test.run([&]() -> awaitable<void> { co_return; });
  CHECK(test.end_of_run() == std::error_code());
  CHECK(test.starts() == 3);
}

TEST_CASE("a program that knows nothing of clusters is kept up as well")
{
  supervisor_fixture test;
  auto group = cohort::group("sleep").workers(1).program("/bin/sleep", {"1000"});
  test.master().add(group.ready_when(cohort::readiness::started));
  auto forks = test.master().subscribe<cohort::fork_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    const cohort::fork_event first = co_await forks.next();
    test.master().workers("sleep").front().kill(SIGKILL);
    const cohort::fork_event second = co_await forks.next();
    CHECK(second.worker != first.worker);
    // It gets SIGTERM at once, as it would not hear that it is to drain.
    const auto exits = co_await test.master().disconnect(20s);
    REQUIRE(exits.size() == 1);
    CHECK(exits.front().status == cohort::exit_status::signalled(SIGTERM));
  });
  CHECK(test.end_of_run() == std::error_code());
}

TEST_CASE("workers that have answered enough requests are replaced, a new one ready first")
{
  kept_port port;
  supervisor_fixture test;
  test.master().add(test.server_group("web", 2, port).max_requests(10));
  auto retired = test.master().subscribe<cohort::retire_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    const auto before = ids(test.master().workers("web"));
    std::map<std::string, int> answers;
    auto clients = [&] {
      for (int i = 0; i != 200; ++i) ++answers[ask_group(port)];
    };
    co_await test.in_thread(clients);
    CHECK(answers == std::map<std::string, int>{{"web", 200}});
    const cohort::retire_event event = co_await retired.next();
    CHECK(event.reason == cohort::retire_reason::requests);
    const bool up = co_await test.serving("web", 2);
    CHECK(up);
    for (const cohort::worker_id each : ids(test.master().workers("web")))
      CHECK_FALSE(before.contains(each));
    co_await test.end();
  });
}

TEST_CASE("a group grows and shrinks while it runs, and groups can be added")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    test.master().resize("one", 3);
    const bool grown = co_await test.serving("one", 3);
    CHECK(grown);
    test.master().resize("one", 1);
    const bool shrunk = co_await test.serving("one", 1);
    CHECK(shrunk);
    test.master().add(test.group("two", 1));
    const bool added = co_await test.serving("two", 1);
    CHECK(added);
    CHECK_THROWS_AS(test.master().add(test.group("two", 1)), std::invalid_argument);
    CHECK_THROWS_AS(test.master().resize("three", 1), std::out_of_range);
    co_await test.end();
  });
}

TEST_CASE("run can be waited for once at a time, and is over when it is over")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    std::error_code error;
    co_await test.master().run(asio::redirect_error(asio::use_awaitable, error));
    CHECK(error == cohort::error::busy);
    co_await test.end();
    co_await test.master().run(asio::redirect_error(asio::use_awaitable, error));
    CHECK(error == cohort::error::shutting_down);
    test.master().add(test.group("two", 1), error);
    CHECK(error == cohort::error::shutting_down);
  });
}

TEST_CASE("who does not wait for run any more has all workers leave")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 2));
  asio::cancellation_signal cancel;
  std::error_code result;
  const auto ended = [&](std::error_code error) { result = error; };
  test.master().run(asio::bind_cancellation_slot(cancel.slot(), ended));
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 2);
    cancel.emit(asio::cancellation_type::total);
    const auto all_are_gone = [&] { return test.master().workers().empty(); };
    const bool gone = co_await test.eventually(all_are_gone);
    CHECK(gone);
  });
  CHECK(result == asio::error::operation_aborted);
}

TEST_CASE("a supervisor that is destroyed ends its workers, and who waits for it")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 2));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 2);
    test.destroy();
  });
  CHECK(test.end_of_run() == std::error_code(asio::error::operation_aborted));
}

} // namespace supervisor_test
