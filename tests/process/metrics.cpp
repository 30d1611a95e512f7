// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What is measured of a cluster and of groups, and counters that outlive those they were counted
// of.

#include "support/load_client.hpp"
#include "support/supervisor_fixture.hpp"

#include <cohort/metrics.hpp>
#include <cohort/totals.hpp>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace metrics_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

// A group of workers that serve `load_client`s.
cohort::group load_group(const kept_port& port, unsigned workers)
{
  const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
  return cohort::group("web")
      .workers(workers)
      .settings(cohort::settings().env(role("load").set("COHORT_TEST_LISTEN", port.text())))
      .listen(where);
}

std::vector<std::unique_ptr<client>> keep_open(const kept_port& port, int count)
{
  std::vector<std::unique_ptr<client>> all;
  for (; count != 0; --count) {
    all.push_back(std::make_unique<client>(address::tcp4(port.number())));
    CHECK(all.back()->ask("keep").result == outcome::ok);
  }
  return all;
}

} // namespace

TEST_CASE("metrics say how listeners, workers and groups are")
{
  supervisor_fixture test;
  const kept_port port;
  test.master().add(load_group(port, 2)).add(test.group("other", 1));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await test.serving("web", 2);
    co_await test.serving("other", 1);
    std::vector<std::unique_ptr<client>> clients;
    const auto ask = [&] { clients = keep_open(port, 3); };
    co_await test.in_thread(ask);
    const auto all_are_counted = [&] {
      return test.master().metrics().groups[0].counters.requests == 3;
    };
    const bool counted = co_await test.eventually(all_are_counted);
    CHECK(counted);
    const cohort::supervisor_metrics all = test.master().metrics();
    CHECK(all.counters.accepted == 3);
    REQUIRE(all.listeners.size() == 1);
    const cohort::listener_metrics& listener = all.listeners[0];
    CHECK(listener.address == port.text());
    CHECK(listener.counters.taken == 3);
    CHECK((listener.workers == 2 && listener.queue == 0 && listener.offers == 0));
    CHECK(listener.connections == 3);
    REQUIRE(all.workers.size() == 3);
    std::size_t connections = 0;
    for (const cohort::worker_metrics& each : all.workers) {
      const bool is_web = each.group == "web";
      CHECK((each.ready && !each.stalled && !each.leaving));
      CHECK(each.pid == test.master().cluster().find(each.worker)->pid());
      CHECK(each.requests == each.connections);
      CHECK((is_web ? each.connections >= 1 : each.connections == 0));
      CHECK(each.memory.value_or(0) > 0);
      CHECK(each.descriptors.value_or(0) > 0);
      connections += each.connections;
    }
    CHECK(connections == 3);
    REQUIRE(all.groups.size() == 2);
    const cohort::group_metrics& web = all.groups[0];
    CHECK((web.name == "web" && web.workers == 2 && web.ready == 2));
    CHECK((web.starting == 0 && web.leaving == 0 && web.generation == 0));
    CHECK_FALSE((web.reloading || web.gave_up || web.resting));
    CHECK((web.connections == 3 && web.offers == 0 && web.queue == 0));
    CHECK((web.counters.started == 2 && web.counters.requests == 3));
    CHECK((all.groups[1].name == "other" && all.groups[1].connections == 0));
    clients.clear();
    const auto none_lives = [&] { return test.master().metrics().listeners[0].connections == 0; };
    const bool ended = co_await test.eventually(none_lives);
    CHECK(ended);
    co_await test.end();
    CHECK(test.master().metrics().workers.empty());
    CHECK(test.master().metrics().groups[0].counters.dismissed == 2);
  };
  test.run(body);
}

TEST_CASE("each end of a worker is counted for what brought it about")
{
  supervisor_fixture test;
  const auto policy = cohort::restart_policy().backoff(1ms, 1ms).intensity(100, 60s);
  test.master().add(test.group("web", 1).restarts(policy));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    const auto counters = [&] { return test.master().metrics().groups[0].counters; };
    co_await test.serving("web", 1);
    cohort::worker worker = test.master().workers("web").front();
    worker.kill(SIGKILL);
    co_await worker.exited();
    co_await test.serving("web", 1);
    CHECK(counters().died == 1);
    worker = test.master().workers("web").front();
    co_await worker.disconnect();
    co_await test.serving("web", 1);
    CHECK(counters().left == 1);
    const auto how = cohort::reload_options();
    co_await test.master().reload("web", how);
    CHECK((counters().reloaded == 1 && counters().reloads == 1 && counters().failed_reloads == 0));
    test.behave("exit=3");
    std::error_code error;
    co_await test.master().reload("web", how, asio::redirect_error(asio::use_awaitable, error));
    CHECK((counters().reloads == 2 && counters().failed_reloads == 1));
    CHECK(counters().never_ready == 1);
    test.behave("serve done=7");
    worker = test.master().workers("web").front();
    worker.kill(SIGKILL);
    co_await worker.exited();
    co_await test.serving("web", 1);
    const auto requests_are_told = [&] { return counters().requests == 7; };
    const bool told = co_await test.eventually(requests_are_told);
    CHECK(told);
    // Those of who is gone stay counted.
    test.behave("serve replace");
    worker = test.master().workers("web").front();
    worker.kill(SIGKILL);
    co_await worker.exited();
    const auto was_replaced = [&] { return counters().retired_asked >= 1; };
    const bool replaced = co_await test.eventually(was_replaced);
    CHECK(replaced);
    test.behave("serve");
    CHECK((counters().requests == 7 && counters().died == 3 && counters().hung == 0));
    co_await test.serving("web", 1);
    co_await test.end();
    const cohort::group_counters all = counters();
    CHECK(all.started ==
          all.dismissed + all.reloaded + all.retired_asked + all.left + all.died + all.never_ready);
  };
  test.run(body, 30s);
}

TEST_CASE("a worker serves when its group says so")
{
  supervisor_fixture test;
  test.behave("hang");
  test.master().add(test.group("web", 1).ready_when(cohort::readiness::started));
  test.begin();
  auto body = [&]() -> awaitable<void> {
    const auto serves = [&] {
      const cohort::supervisor_metrics all = test.master().metrics();
      return all.workers.size() == 1 && all.workers[0].ready && all.groups[0].ready == 1;
    };
    const bool so = co_await test.eventually(serves);
    CHECK(so);
    test.master().kill(SIGKILL);
    co_await test.master().disconnect(1s);
  };
  test.run(body);
}

TEST_CASE("a worker that was ended because it hung is counted as such")
{
  supervisor_fixture test;
  test.behave("serve ready spin");
  test.master().add(test.group("web", 1).heartbeat(50ms * time_factor(), 3));
  auto ready = test.master().subscribe<cohort::ready_event>();
  test.begin();
  auto body = [&]() -> awaitable<void> {
    co_await ready.next();
    test.behave("serve");
    const auto has_hung = [&] { return test.master().metrics().groups[0].counters.hung != 0; };
    const bool hung = co_await test.eventually(has_hung, 20s);
    CHECK(hung);
    CHECK(test.master().metrics().groups[0].counters.died == 0);
    co_await test.serving("web", 1);
    co_await test.end();
  };
  test.run(body, 40s);
}

TEST_CASE("counters go on in the next primary, for the listeners and groups that are there or come")
{
  const kept_port port;
  std::string text;
  {
    supervisor_fixture first;
    first.master().add(load_group(port, 1));
    first.begin();
    auto body = [&]() -> awaitable<void> {
      co_await first.serving("web", 1);
      const auto ask = [&] { keep_open(port, 2); };
      co_await first.in_thread(ask);
      co_await first.master().remove("web");
      // What is gone is still counted.
      CHECK(first.master().metrics().groups.empty());
      CHECK(first.master().metrics().listeners.empty());
      CHECK(first.master().metrics().counters.accepted == 2);
      text = to_text(first.master().totals());
      co_await first.master().disconnect(5s);
    };
    first.run(body);
  }
  CHECK_MESSAGE(text == "listener " + port.text() +
                            " accepted 2 offered 2 taken 2\n"
                            "group web started 1 dismissed 1 requests 2\n",
      text);
  supervisor_fixture second;
  std::error_code error;
  second.master().restore(cohort::totals_from_text(text, error));
  CHECK_FALSE(error);
  CHECK(second.master().metrics().counters.accepted == 2);
  CHECK(to_text(second.master().totals()) == text);
  second.master().add(load_group(port, 1));
  second.begin();
  auto body = [&]() -> awaitable<void> {
    co_await second.serving("web", 1);
    const auto ask = [&] { keep_open(port, 1); };
    co_await second.in_thread(ask);
    const auto all_are_counted = [&] {
      return second.master().metrics().groups[0].counters.requests == 3;
    };
    const bool counted = co_await second.eventually(all_are_counted);
    CHECK(counted);
    const cohort::supervisor_metrics all = second.master().metrics();
    CHECK(all.listeners[0].counters.accepted == 3);
    CHECK(all.counters.accepted == 3);
    CHECK(second.master().cluster().counters().accepted == 3);
    CHECK(all.groups[0].counters.started == 2);
    co_await second.end();
  };
  second.run(body);
}

} // namespace metrics_test
