// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The load client sees everything that can become of a request; and a cluster whose workers are
// replaced under load loses none.

#include "support/load_client.hpp"

#include "support/cluster_fixture.hpp"
#include "support/conversation.hpp"
#include "support/kept_port.hpp"
#include "support/time_factor.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

namespace load_client_test {

using namespace cohort_test;
using namespace std::chrono_literals;

cohort::environment loaded(const std::string& listen = "127.0.0.1:0")
{
  return role("load").set("COHORT_TEST_LISTEN", listen);
}

/// What becomes of requests with this verb, of both kinds of clients.
std::string results_of(
    const std::string& verb, std::size_t requests = 20, const char* listen = "127.0.0.1:0")
{
  std::string found;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    // What hangs on to its connection after a client has gone ends soon.
    cohort::worker worker =
        co_await primary.start(loaded(listen).set("COHORT_TEST_STEPS", "0 0 0"));
    const address where = co_await primary.address_of(worker);
    for (const connections kind : {connections::of_one_request, connections::kept}) {
      load_client load(primary.context, where, 2, kind, verb);
      load.start();
      co_await load.finished(requests);
      co_await load.stop();
      const load_report& report = load.report();
      CHECK(report.total() >= requests);
      for (const load_event& each : report.events)
        if (found.find(to_string(each.result)) == found.npos)
          found += (found.empty() ? "" : ", ") + std::string(to_string(each.result));
    }
    co_await primary.end();
  });
  return found;
}

/// Ends each of the workers, with its replacement ready before.
awaitable<void> replace_all(
    cluster_fixture& primary, std::vector<cohort::worker> workers, cohort::environment variables)
{
  unsigned generation = 0;
  for (cohort::worker each : workers) {
    co_await primary.start(variables.set("COHORT_TEST_GENERATION", std::to_string(++generation)));
    const cohort::exit_status status = co_await each.disconnect(30s);
    CHECK_MESSAGE(status.success(), status.to_string());
  }
}

TEST_CASE("requests that are answered are ok, on new connections and on kept ones")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::string log = primary.scratch.file("log");
    const std::string places[] = {"127.0.0.1:0", "unix:" + primary.scratch.file("socket")};
    for (const std::string& listen : places) {
      cohort::worker worker = co_await primary.start(
          loaded(listen).set("COHORT_TEST_LOG", log).set("COHORT_TEST_GENERATION", "7"));
      const address where = co_await primary.address_of(worker);
      for (const connections kind : {connections::of_one_request, connections::kept}) {
        load_client load(primary.context, where, 5, kind);
        load.start();
        co_await load.finished(200);
        co_await load.stop();
        load_report& report = load.report();
        report.compare(served_requests(log));
        CHECK_MESSAGE(report.not_ok() == 0, report.text());
        CHECK(report.total() >= 200);
        CHECK(report.sequence() == std::to_string(report.total()) + " ok");
        CHECK(report.pids() == std::set<pid_t>{worker.pid()});
        CHECK(report.generations() == std::set<unsigned>{7});
        const auto fresh = std::ranges::count(report.events, true, &load_event::fresh);
        CHECK(fresh == (kind == connections::kept ? 5 : static_cast<long>(report.total())));
      }
      co_await worker.disconnect(10s);
    }
  });
}

TEST_CASE("whatever a server does instead of answering is told apart")
{
  CHECK(results_of("reset") == "reset");
  CHECK(results_of("eof") == "eof");
  CHECK(results_of("half") == "eof");
  CHECK(results_of("wrong") == "wrong");
  CHECK(results_of("twice") == "twice");
  // Of the last request of a kept connection nobody waits for a second answer.
  const scratch_directory scratch;
  const std::string socket = "unix:" + scratch.file("socket");
  CHECK(results_of("later", 20, socket.c_str()) == "twice, ok");
  CHECK(results_of("never", 2) == "timeout");
}

TEST_CASE("where nobody listens every request is refused")
{
  cluster_fixture primary;
  const std::string path = primary.scratch.file("nobody");
  primary.run([&]() -> awaitable<void> {
    const kept_port kept;
    for (const address& where : {address::tcp4(kept.number()), address::local(path)}) {
      load_client load(primary.context, where, 3);
      load.start();
      co_await load.finished(10);
      co_await load.stop();
      CHECK(load.report().count(outcome::refused) == load.report().total());
    }
  });
}

TEST_CASE("a worker that is killed loses the requests that it had, and nobody listens after it")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::string log = primary.scratch.file("log");
    cohort::worker worker = co_await primary.start(loaded().set("COHORT_TEST_LOG", log));
    const address where = co_await primary.address_of(worker);
    load_client load(primary.context, where, 4, connections::kept, "never");
    load.start();
    const auto all_asked = [&] { return served_requests(log).size() == 4; };
    const bool asked = co_await primary.eventually(all_asked);
    CHECK(asked);
    worker.kill(SIGKILL);
    co_await worker.exited();
    co_await load.finished(4 + 10);
    co_await load.stop();
    const load_report& report = load.report();
    const std::size_t cut = report.count(outcome::eof) + report.count(outcome::reset);
    // Those who were quick found the listener still there.
    CHECK_MESSAGE(cut >= 4, report.text());
    CHECK_MESSAGE(cut <= 8, report.text());
    CHECK_MESSAGE(report.count(outcome::refused) == report.total() - cut, report.text());
  });
}

TEST_CASE("a report knows what was served twice, and what was answered by nobody")
{
  load_report report;
  for (std::uint64_t id = 1; id != 5; ++id) {
    load_event event;
    event.id = id;
    event.result = id == 4 ? outcome::eof : outcome::ok;
    event.begin = load_event::clock::time_point(std::chrono::seconds(10 - id));
    report.events.push_back(event);
  }
  CHECK(report.summary() == "3 ok, 1 eof");
  CHECK(report.sequence() == "1 eof, 3 ok");
  report.compare({{1, 1}, {2, 2}, {4, 1}});
  CHECK(report.events[0].result == outcome::ok);
  CHECK(report.events[1].result == outcome::twice);
  CHECK(report.events[2].result == outcome::wrong);
  CHECK(report.events[3].result == outcome::eof);
  CHECK(report.sequence() == "1 eof, 1 wrong, 1 twice, 1 ok");
  CHECK(report.text().find("2 twice on a new connection, from 2000 to") != std::string::npos);
}

TEST_CASE("workers that are replaced one after the other under load lose no request")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    cluster_fixture primary;
    primary.run([&]() -> awaitable<void> {
      const std::string log = primary.scratch.file("log");
      const cohort::environment variables = loaded().set("COHORT_TEST_LOG", log);
      const std::vector<cohort::worker> workers = co_await primary.start(4, variables);
      const address where = co_await primary.address_of(workers.front());
      load_client load(primary.context, where, 8, kind);
      load.start();
      co_await load.finished(100);
      co_await replace_all(primary, workers, variables);
      co_await load.finished(100);
      co_await load.stop();
      load_report& report = load.report();
      report.compare(served_requests(log));
      CHECK_MESSAGE(report.not_ok() == 0, report.text());
      // Who keeps their connections comes to a new worker only when they have to.
      CHECK(report.pids().size() > 4);
      if (kind == connections::of_one_request)
        CHECK(report.generations() == std::set<unsigned>{0, 1, 2, 3, 4});
      co_await primary.end();
    });
  }
}

} // namespace load_client_test
