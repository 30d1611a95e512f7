// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/service_manager.hpp>

#include <doctest/doctest.h>

#include "support/notify_listener.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>
#include <unistd.h>

namespace service_manager_test {

using cohort::service_manager;
using namespace std::chrono_literals;

namespace {

std::int64_t now()
{
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t(time.tv_sec) * 1'000'000 + time.tv_nsec / 1000;
}

} // namespace

TEST_CASE("a service manager hears each message in a datagram of its own")
{
  for (const bool abstract : {false, true}) {
    cohort_test::notify_listener listener(abstract);
    const service_manager manager(listener.address());
    CHECK(manager);
    CHECK_FALSE(manager.watchdog_interval());
    CHECK_FALSE(manager.ready());
    CHECK(listener.poll() == "READY=1\n");
    CHECK_FALSE(manager.stopping());
    CHECK(listener.poll() == "STOPPING=1\n");
    CHECK_FALSE(manager.status("two\nlines"));
    CHECK(listener.poll() == "STATUS=two lines\n");
    CHECK_FALSE(manager.alive());
    CHECK(listener.poll() == "WATCHDOG=1\n");
    CHECK_FALSE(manager.main_pid(4711));
    CHECK(listener.poll() == "MAINPID=4711\n");
    CHECK_FALSE(manager.notify("ERRNO=2\nSTATUS=no file\n"));
    CHECK(listener.poll() == "ERRNO=2\nSTATUS=no file\n");
  }
}

TEST_CASE("a reload is told with the time of the clock that the service manager reads")
{
  cohort_test::notify_listener listener;
  const std::int64_t before = now();
  CHECK_FALSE(service_manager(listener.address()).reloading());
  const std::int64_t after = now();
  const std::string said = listener.poll();
  const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(said.starts_with(begin));
  const std::int64_t time = std::stoll(said.substr(begin.size()));
  CHECK(time >= before);
  CHECK(time <= after);
}

TEST_CASE("without a service manager nothing is said, and an address that is none is an error")
{
  const service_manager none{std::string()};
  CHECK_FALSE(none);
  CHECK_FALSE(none.ready());
  CHECK_FALSE(none.reloading());
  const service_manager relative("notify");
  CHECK(relative);
  CHECK(relative.ready() == std::errc::address_family_not_supported);
  CHECK(service_manager("/nowhere/notify").ready() == std::errc::no_such_file_or_directory);
}

TEST_CASE("the environment names the service manager, and how often it wants to hear")
{
  cohort_test::notify_listener listener;
  CHECK_FALSE(service_manager());
  CHECK_FALSE(service_manager().watchdog_interval());
  ::setenv("NOTIFY_SOCKET", listener.address().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  CHECK(service_manager().watchdog_interval() == 3s);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const service_manager ours;
  ::setenv("WATCHDOG_PID", std::to_string(::getpid() + 1).c_str(), 1);
  CHECK_FALSE(service_manager().watchdog_interval());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    CHECK(std::getenv(name));
    ::unsetenv(name);
  }
  CHECK(ours.watchdog_interval() == 3s);
  CHECK_FALSE(ours.ready());
  CHECK(listener.poll() == "READY=1\n");
}

} // namespace service_manager_test
