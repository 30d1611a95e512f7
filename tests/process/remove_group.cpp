// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Groups that are taken away while their supervisor runs.

#include "support/stopped_worker.hpp"
#include "support/supervisor_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <csignal>
#include <stdexcept>
#include <vector>

namespace remove_group_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

// Whether somebody listens there.
bool is_open(const kept_port& port)
{
  client asking;
  return asking.connect(address::tcp4(port.number())) == outcome::ok;
}

} // namespace

TEST_CASE("a group that is taken away leaves, and its name and its port can be used again")
{
  kept_port port;
  supervisor_fixture test;
  test.master().add(test.server_group("web", 2, port)).add(test.group("other", 2));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    co_await test.serving("other", 2);
    const auto others = ids(test.master().workers("other"));
    for (int round = 0; round != 2; ++round) {
      const auto workers = test.master().workers("web");
      co_await test.master().remove("web");
      for (const cohort::worker& each : workers) {
        CHECK(each.is_dead());
        CHECK(each.exited_after_disconnect());
      }
      CHECK_FALSE(is_open(port));
      CHECK_THROWS_AS(test.master().workers("web"), std::out_of_range);
      CHECK_THROWS_AS(test.master().remove("web", [](std::error_code) {}), std::out_of_range);
      CHECK(test.master().status_text().find("web") == std::string::npos);
      test.master().add(test.server_group("web", 2, port));
      const bool again = co_await test.serving("web", 2);
      CHECK(again);
      CHECK(is_open(port));
    }
    CHECK(ids(test.master().workers("other")) == others);
    co_await test.end();
  });
  CHECK(test.end_of_run() == std::error_code());
}

TEST_CASE("who waits in the kernel is served by the last worker of a group that is taken away")
{
  // Some more than a worker is offered at a time.
  constexpr int count = 40;
  kept_port port;
  supervisor_fixture test;
  test.master().add(test.server_group("web", 1, port));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("web", 1);
    auto workers = test.master().workers("web");
    REQUIRE(stop_worker(workers.front()));
    std::vector<client> clients(count);
    for (client& each : clients) CHECK(each.connect(address::tcp4(port.number())) == outcome::ok);
    bool removed = false;
    test.master().remove("web", [&](std::error_code error) { removed = !error; });
    CHECK_THROWS_AS(test.master().add(test.group("web", 1)), std::invalid_argument);
    workers.front().kill(SIGCONT);
    int answered = 0;
    auto receive = [&] {
      for (client& each : clients) {
        std::string line;
        if (each.receive(line) == outcome::ok && line.ends_with(" web")) ++answered;
      }
    };
    co_await test.in_thread(receive);
    CHECK(answered == count);
    const auto is_removed = [&] { return removed; };
    const bool gone = co_await test.eventually(is_removed);
    CHECK(gone);
    // The last one that was taken away is not the end of all.
    CHECK_FALSE(test.end_of_run());
    test.master().add(test.group("web", 1));
    const bool again = co_await test.serving("web", 1);
    CHECK(again);
    co_await test.end();
  });
}

TEST_CASE(
    "a group without workers can be taken away, and who does not wait for that changes nothing")
{
  supervisor_fixture test;
  const auto never = cohort::restart_policy().boot_failures(1).backoff(1ms, 1ms).pause(1h);
  test.behave("exit=3");
  test.master().add(test.group("broken", 1).restarts(never)).add(test.group("none", 1));
  auto events = test.master().subscribe<cohort::gave_up_event>();
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await events.next();
    co_await test.master().remove("broken");
    test.master().resize("none", 0);
    co_await test.serving("none", 0);
    test.behave("serve");
    test.master().resize("none", 1);
    co_await test.serving("none", 1);
    auto workers = test.master().workers("none");
    REQUIRE(stop_worker(workers.front()));
    asio::cancellation_signal cancel;
    std::vector<std::error_code> ends;
    const auto end = [&](std::error_code error) { ends.push_back(error); };
    test.master().remove("none", asio::bind_cancellation_slot(cancel.slot(), end));
    test.master().remove("none", end);
    cancel.emit(asio::cancellation_type::total);
    const auto first = [&] { return ends.size() == 1; };
    const bool cancelled = co_await test.eventually(first);
    CHECK(cancelled);
    CHECK(ends.front() == asio::error::operation_aborted);
    // The last deadline is the one that counts.
    test.master().remove("none", 10ms, end);
    const auto all = [&] { return ends.size() == 3; };
    const bool removed = co_await test.eventually(all);
    CHECK(removed);
    CHECK(ends == std::vector<std::error_code>{asio::error::operation_aborted, {}, {}});
    CHECK(workers.front().is_dead());
    CHECK_FALSE(test.end_of_run());
    co_await test.end();
  });
}

TEST_CASE("what runs in a group that is taken away ends with it, and so does who waits at the end")
{
  supervisor_fixture test;
  test.master().add(test.group("one", 1)).add(test.group("two", 1));
  test.begin();
  test.run([&]() -> awaitable<void> {
    co_await test.serving("one", 1);
    co_await test.serving("two", 1);
    test.behave("hang");
    std::error_code reloaded;
    const auto told = [&](std::error_code error, const cohort::reload_result&) {
      reloaded = error;
    };
    test.master().reload("one", cohort::reload_options(), told);
    std::error_code removed = asio::error::would_block;
    test.master().remove("one", [&](std::error_code error) { removed = error; });
    const auto both = [&] { return !removed && reloaded; };
    const bool told_both = co_await test.eventually(both);
    CHECK(told_both);
    CHECK(reloaded == cohort::error::shutting_down);
    std::error_code aborted;
    test.master().remove("two", [&](std::error_code error) { aborted = error; });
    test.destroy();
    const auto is_told = [&] { return static_cast<bool>(aborted); };
    const bool ended = co_await test.eventually(is_told);
    CHECK(ended);
    CHECK(aborted == asio::error::operation_aborted);
  });
}

} // namespace remove_group_test
