// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Groups whose number of workers follows what there is to do.

#include "support/load_client.hpp"
#include "support/supervisor_fixture.hpp"

#include <cohort/autoscale.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace autoscale_process_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

struct scaled_group : supervisor_fixture {
  cohort::group web(const cohort::autoscale& rule)
  {
    const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
    auto variables = role("load").set("COHORT_TEST_LISTEN", port.text());
    variables.set("COHORT_TEST_LOG", log);
    return cohort::group("web")
        .workers(1)
        .settings(cohort::settings().env(variables))
        .listen(where)
        .autoscale(rule);
  }

  unsigned count() { return master().metrics().groups[0].workers; }

  kept_port port;
  std::string log = scratch.file("log");
};

} // namespace

TEST_CASE("workers come with the load and go when it has gone for a while, and no request is lost")
{
  scaled_group test;
  const auto cooldown = 300ms * time_factor();
  const auto rule = cohort::autoscale(1, 3, cohort::connections_per_worker(4));
  test.master().add(test.web(cohort::autoscale(rule).interval(20ms).cooldown(cooldown)));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 1);
    load_client load(test.context, address::tcp4(test.port.number()), 20, connections::kept);
    load.start();
    const bool grown = co_await test.serving("web", 3);
    CHECK(grown);
    co_await load.finished(200);
    CHECK(test.count() == 3);
    co_await load.stop();
    const auto idle_since = std::chrono::steady_clock::now();
    load_client few(test.context, address::tcp4(test.port.number()), 2, connections::kept);
    few.pause(1ms);
    few.start();
    const bool shrunk = co_await test.serving("web", 1);
    CHECK(shrunk);
    CHECK(std::chrono::steady_clock::now() - idle_since >= cooldown);
    co_await few.finished(20);
    co_await few.stop();
    load_report report = load.report();
    const load_report& rest = few.report();
    report.events.insert(report.events.end(), rest.events.begin(), rest.events.end());
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
    CHECK(report.pids().size() >= 2);
    for (const auto& [id, times] : served_requests(test.log)) CHECK(times == 1);
    CHECK(test.master().metrics().groups[0].counters.dismissed >= 2);
    co_await test.end();
  };
  test.run(body, 60s);
}

TEST_CASE("a rule of the program is asked as long as its group runs, and kept to its bounds")
{
  scaled_group test;
  const auto asked = std::make_shared<unsigned>(0), wanted = std::make_shared<unsigned>(1);
  const auto rule = [asked, wanted](const cohort::group_metrics& group) {
    ++*asked;
    CHECK(group.name == "web");
    return *wanted;
  };
  test.master().add(test.web(cohort::autoscale(1, 3, rule).interval(5ms).cooldown(0s)));
  auto body = [&]() -> awaitable<void> {
    // Before it runs nobody is asked, also when it is given another number.
    test.master().resize("web", 2);
    CHECK(*asked == 0);
    test.begin();
    bool so = co_await test.serving("web", 1);
    CHECK(so);
    *wanted = 9;
    so = co_await test.serving("web", 3);
    CHECK(so);
    // What the program says holds until the rule wants something else.
    const unsigned before = *asked;
    test.master().resize("web", 0);
    const auto is_asked = [&] { return *asked > before; };
    so = co_await test.eventually(is_asked);
    CHECK(so);
    so = co_await test.serving("web", 3);
    CHECK(so);
    *wanted = 0;
    so = co_await test.serving("web", 1);
    CHECK(so);
    CHECK(*asked >= 4);
    co_await test.end();
    const unsigned at_the_end = *asked;
    const auto is_asked_again = [&] { return *asked != at_the_end; };
    const bool again = co_await test.eventually(is_asked_again, 50ms);
    CHECK_FALSE(again);
  };
  test.run(body, 30s);
}

TEST_CASE("a long pause between two questions keeps no program from ending")
{
  scaled_group test;
  const auto rule = cohort::autoscale(1, 3, cohort::connections_per_worker(4)).interval(1h);
  test.master().add(test.web(rule));
  test.begin();
  const auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 1);
    co_await test.end();
    test.destroy();
  };
  test.run(body);
  // The context has nothing more to do.
  test.context.restart();
  test.context.run_for(10s);
  CHECK(test.context.stopped());
}

} // namespace autoscale_process_test
