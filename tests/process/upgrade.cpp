// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/upgrade.hpp>

#include "support/client.hpp"
#include "support/deep_directory.hpp"
#include "support/footprint.hpp"
#include "support/load_client.hpp"
#include "support/notify_listener.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"
#include "support/upgrade_fixture.hpp"

#include <asio/awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

namespace upgrade_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::awaitable;

namespace {

TEST_CASE("20 upgrades in a row under load lose no request, and nothing grows")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    upgrade_fixture test;
    // After one, so that all workers are there, and when that is over for the new program as well.
    test.upgrade();
    const auto is_alone = [&] { return !has_packet_socket(test.serving); };
    REQUIRE(soon(is_alone));
    const footprint before(test.serving);
    const auto upgrade = [&] {
      for (int each = 0; each != upgrades_in_a_row(); ++each) test.upgrade();
    };
    test.under_load(kind, upgrade);
    const auto is_as_before = [&] { return footprint(test.serving).is_like(before); };
    CHECK_MESSAGE(soon(is_as_before), before.text(), ", now ", footprint(test.serving).text());
    test.end();
  }
}

TEST_CASE("failed upgrades of each kind change nothing, and a good one works after them")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    upgrade_fixture test;
    const auto upgrade = [&] {
      for (int each = 0; each != 5; ++each) {
        std::filesystem::rename(test.next(), test.next() + ".away");
        test.fail_to_upgrade("could not be started: No such file");
        std::filesystem::rename(test.next() + ".away", test.next());
        test.set_fate("exit");
        test.fail_to_upgrade("ended before it was ready: exited with code 3");
        test.set_fate("crash");
        test.fail_to_upgrade("ended before it was ready: killed by SIGKILL");
        test.set_fate("babble");
        test.fail_to_upgrade("did not speak as a new program does");
      }
      test.set_fate("");
      test.upgrade();
    };
    test.under_load(kind, upgrade);
    test.end();
  }
}

TEST_CASE("upgrades of workers that accept from the sockets themselves lose no request")
{
  for (const char* const policy : {"shared", "reuse_port"}) {
    CAPTURE(policy);
    upgrade_fixture test(policy);
    const auto upgrade = [&] {
      for (int each = 0; each != 5; ++each) test.upgrade();
    };
    test.under_load(connections::of_one_request, upgrade);
    test.end();
  }
}

TEST_CASE("a Unix socket keeps its path through an upgrade, and loses it at the end")
{
  // One that an address holds, and one that is too long for it.
  const scratch_directory folder;
  const deep_directory deep;
  for (const bool is_long : {false, true}) {
    const std::string path = is_long ? deep.file("socket") : folder.file("socket");
    const std::string near = is_long ? deep.short_file("socket") : path;
    upgrade_fixture test("rr", {}, (is_long ? "path:" : "unix:") + path);
    const auto upgrade = [&] {
      test.upgrade();
      test.upgrade();
    };
    test.under_load(connections::of_one_request, upgrade, address::local(near));
    CHECK(std::filesystem::exists(path));
    test.end();
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("what was counted goes on from one program to the next")
{
  upgrade_fixture test;
  std::size_t requests = 0;
  const auto ask = [&] {
    load_report report;
    test.run([&]() -> awaitable<void> {
      load_client load(test.context, address::tcp4(test.port.number()), 2);
      load.start();
      co_await load.finished(100);
      co_await load.stop();
      report = load.report();
    });
    CHECK(report.not_ok() == 0);
    requests += report.total();
  };
  ask();
  test.upgrade();
  ask();
  test.upgrade();
  ask();
  test.end();
  // Two workers in each of three programs.
  CHECK(test.counted == "6 " + std::to_string(requests));
}

TEST_CASE("nothing that was counted is lost when a program ends later than the one after it")
{
  upgrade_fixture test;
  const address where = address::tcp4(test.port.number());
  client slow(where);
  CHECK(slow.ask("keep").result == outcome::ok);
  // A request that has begun is waited for.
  CHECK(slow.send("1 ke") == outcome::ok);
  const pid_t first = test.serving;
  const auto replace = [&] {
    ::kill(test.serving, SIGUSR2);
    test.serving = test.started();
    test.until_known();
  };
  replace();
  CHECK(ask(where).result == outcome::ok);
  const pid_t second = test.serving;
  replace();
  CHECK(test.told("counted ") == "2 1");
  CHECK(test.told("over ") == std::to_string(second));
  CHECK(test.wait(second) == 0);
  CHECK(slow.send("ep\n") == outcome::ok);
  std::string line;
  CHECK(slow.receive(line) == outcome::ok);
  CHECK_MESSAGE(line.ends_with("close"), line);
  CHECK(test.told("counted ") == "2 1");
  CHECK(test.told("over ") == std::to_string(first));
  CHECK(test.wait(first) == 0);
  CHECK(ask(where).result == outcome::ok);
  test.end();
  CHECK(test.counted == "6 3");
}

TEST_CASE(
    "a program that is killed while it drains takes nothing along of what others have counted")
{
  upgrade_fixture test;
  const address where = address::tcp4(test.port.number());
  const auto begin_request = [&](client& slow) {
    REQUIRE(slow.connect(where) == outcome::ok);
    REQUIRE(slow.ask("keep").result == outcome::ok);
    REQUIRE(slow.send("1 ke") == outcome::ok);
  };
  const auto replace = [&] {
    ::kill(test.serving, SIGUSR2);
    test.serving = test.started();
    test.until_known();
    return test.serving;
  };
  client of_first, of_second;
  const pid_t first = test.serving;
  begin_request(of_first);
  const pid_t second = replace();
  begin_request(of_second);
  replace();
  // It has told all: left are its worker with a request, and the third one.
  const auto drains = [&] { return children_of(second).size() == 2; };
  REQUIRE(soon(drains));
  ::kill(second, SIGKILL);
  for (client* const each : {&of_second, &of_first}) {
    CHECK(each->send("ep\n") == outcome::ok);
    std::string line;
    CHECK(each->receive(line) == outcome::ok);
    each->close();
  }
  CHECK(test.told("counted ") == "2 1");
  CHECK(test.told("over ") == std::to_string(first));
  CHECK(test.wait(first) == 0);
  // The first one was its parent.
  CHECK(test.wait(second) == 128 + SIGKILL);
  CHECK(ask(where).result == outcome::ok);
  test.end();
  CHECK(test.counted == "4 2");
}

TEST_CASE("a new program that serves in part is let go without a loss, and its path stays")
{
  for (const bool is_path : {false, true}) {
    const scratch_directory folder;
    const std::string path = folder.file("socket");
    upgrade_fixture test("rr", {}, is_path ? "unix:" + path : "", 300ms);
    const address where = is_path ? address::local(path) : address::tcp4(test.port.number());
    test.set_fate("half");
    const auto fail = [&] {
      for (int each = 0; each != 3; ++each) {
        ::kill(test.serving, SIGUSR2);
        // Of the new one: it begins, and ends as others do.
        test.told("started ");
        test.told("counted ");
        test.told("over ");
        const std::string said = test.told("failed upgrade: ");
        CHECK_MESSAGE(said.find("was not ready in time") != said.npos, said);
      }
    };
    test.under_load(connections::of_one_request, fail, where);
    test.end();
  }
}

TEST_CASE("a signal for an upgrade that all processes get harms no worker")
{
  upgrade_fixture test;
  const auto upgrade = [&] {
    for (const pid_t each : children_of(test.serving)) ::kill(each, SIGUSR2);
    test.upgrade();
  };
  test.under_load(connections::kept, upgrade);
  test.end();
}

TEST_CASE("the service manager hears which process the service is, and that it is ready")
{
  notify_listener listener;
  upgrade_fixture test("rr", {"NOTIFY_SOCKET=" + listener.address()});
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=web 2/2\n");
  test.upgrade();
  const std::string said = "MAINPID=" + std::to_string(test.serving);
  CHECK(listener.next_with(said) == said + '\n');
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=web 2/2\n");
  test.end();
}

} // namespace

} // namespace upgrade_test
