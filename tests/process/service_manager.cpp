// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a service manager hears of supervised programs.

#include "support/notify_listener.hpp"
#include "support/program.hpp"
#include "support/started_service.hpp"

#include <csignal>
#include <string>
#include <unistd.h>
#include <vector>

namespace service_manager_process {

using namespace cohort_test;
using strings = std::vector<std::string>;

namespace {

struct fixture {
  explicit fixture(
      const std::string& words, bool abstract = false, const strings& variables = strings())
      : listener(abstract),
        service(as_service("", all(words, variables), role_command("service")))
  {
  }

  strings all(const std::string& words, strings variables) const
  {
    variables.push_back("COHORT_TEST_SERVICE=" + words);
    variables.push_back("NOTIFY_SOCKET=" + listener.address());
    return variables;
  }

  notify_listener listener;
  program service;
};

} // namespace

TEST_CASE("the service manager hears of readiness, reloads and the end, from the primary alone")
{
  for (const bool abstract : {false, true}) {
    fixture test("one= two=", abstract);
    CHECK(test.listener.next() == "STATUS=one 0/2, two 0/2\n");
    const pid_t primary = test.listener.sender();
    const std::string ready = test.listener.next_with("READY=1");
    CHECK(ready == "READY=1\nSTATUS=one 2/2, two 2/2\n");
    for (const int signal : {SIGHUP, SIGUSR1}) {
      test.service.signal(signal);
      const std::string reloading = test.listener.next_with("RELOADING=1");
      CHECK(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
      CHECK(reloading.ends_with("STATUS=one 2/2 reloading, two 2/2 reloading\n"));
      CHECK(test.listener.next_with("READY=1") == "READY=1\nSTATUS=one 2/2, two 2/2\n");
      CHECK(test.listener.sender() == primary);
    }
    test.service.signal(SIGTERM);
    CHECK(test.listener.next_with("STOPPING=1").find("workers left: 4\n") != std::string::npos);
    CHECK(test.listener.sender() == primary);
    CHECK(test.service.wait() == 0);
    CHECK(test.service.errors() == "");
    for (const std::string& each : test.listener.poll_all()) CHECK(each.starts_with("STATUS="));
  }
}

TEST_CASE("a service whose workers do not come up is not ready, and ends all the same")
{
  fixture test("one= hang");
  CHECK(test.listener.next() == "STATUS=one 0/2\n");
  test.service.signal(SIGHUP);
  test.service.signal(SIGTERM);
  CHECK(test.listener.next().starts_with("STOPPING=1\n"));
  CHECK(test.service.wait() == 0);
}

TEST_CASE("a service is ready without those that have done what they had to do")
{
  fixture test("one= done");
  CHECK(test.listener.next_with("READY=1") == "READY=1\nSTATUS=one 1/1\n");
  test.service.signal(SIGTERM);
  CHECK(test.service.wait() == 0);
}

TEST_CASE("a worker that dies is a line of the status, and the service stays ready")
{
  fixture test("one=");
  test.listener.next_with("READY=1");
  std::string said = test.service.line();
  REQUIRE(said.starts_with("ready "));
  // Whoever is ready first, its death and its successor may be one line or two.
  ::kill(std::stoi(said.substr(6)), SIGKILL);
  CHECK(test.service.line().starts_with("ready "));
  CHECK(test.service.line().starts_with("ready "));
  for (const std::string& each : test.listener.poll_all()) CHECK(each.starts_with("STATUS=one "));
  test.service.signal(SIGTERM);
  CHECK(test.service.wait() == 0);
}

TEST_CASE("the watchdog hears of the primary, which need not be named")
{
  fixture test("one=", false, {"WATCHDOG_USEC=50000"});
  const pid_t primary = (test.listener.next_with("WATCHDOG=1"), test.listener.sender());
  for (int beats = 0; beats != 10; ++beats) {
    test.listener.next_with("WATCHDOG=1");
    CHECK(test.listener.sender() == primary);
  }
  test.service.signal(SIGTERM);
  CHECK(test.service.wait() == 0);

  // It is somebody else who is watched.
  fixture other("one=", false, {"WATCHDOG_USEC=1000", "WATCHDOG_PID=1"});
  other.listener.next_with("READY=1");
  other.service.signal(SIGTERM);
  CHECK(other.service.wait() == 0);
  for (const std::string& each : other.listener.poll_all())
    CHECK(each.find("WATCHDOG") == std::string::npos);
}

TEST_CASE("a service manager that cannot be reached does no harm")
{
  program service(as_service("",
      {"COHORT_TEST_SERVICE=one=", "NOTIFY_SOCKET=/nowhere/notify", "WATCHDOG_USEC=1000"},
      role_command("service")));
  CHECK(service.line().starts_with("ready "));
  service.signal(SIGTERM);
  CHECK(service.wait() == 0);
  CHECK(service.errors() == "");
}

} // namespace service_manager_process
