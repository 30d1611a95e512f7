// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// With workers that run: tests/process/service_manager.cpp.
#include <cohort/detail/supervision/service_link.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"
#include "support/notify_listener.hpp"

#include <asio/io_context.hpp>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <variant>
#include <vector>

namespace service_link_test {

using namespace cohort;
using namespace cohort::detail;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

// Whatever is started fails, and what is published is noted.
struct noting_host final : group_host {
  worker_pointer fork(const settings&, std::error_code& error) override
  {
    error = std::make_error_code(std::errc::permission_denied);
    return nullptr;
  }
  worker_pointer find(worker_id) override { return nullptr; }
  void publish(const any_event& event) override
  {
    if (const auto* const failure = std::get_if<error_event>(&event)) failures.push_back(*failure);
  }
  void group_over() override {}
  void group_gave_up() override {}

  std::vector<error_event> failures;
};

struct link_test {
  ~link_test()
  {
    link->end();
    for (const auto& each : groups.all()) each->close();
    context.restart();
    context.run_for(10s);
    CHECK(link.use_count() == 1);
  }

  supervised_group& add(const std::string& name, unsigned count)
  {
    groups.add(
        std::make_shared<supervised_group>(context.get_executor(), group(name), count, host, 1));
    return *groups.all().back();
  }
  void begin(const std::string& address) { link->begin(service_manager(address)); }
  void happens()
  {
    link->deliver(fork_event());
    link->deliver(online_event());
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  noting_host host;
  group_table groups;
  cohort_test::notify_listener listener;
  std::shared_ptr<service_link> link =
      std::make_shared<service_link>(context.get_executor(), groups, host);
};

} // namespace

TEST_CASE("the service manager hears when it begins, at what happens, and when it ends")
{
  link_test test;
  supervised_group& web = test.add("web", 1);
  test.begin(test.listener.address());
  CHECK(test.listener.poll_all() == strings{"STATUS=web 0/1\n"});
  test.happens();
  CHECK(test.listener.poll_all().empty());
  web.resize(0);
  test.happens();
  CHECK(test.listener.poll_all() == strings{"READY=1\nSTATUS=web 0/0\n"});
  test.link->reload_asked();
  const strings reloaded = test.listener.poll_all();
  REQUIRE(reloaded.size() == 2);
  CHECK(reloaded[0].starts_with("RELOADING=1\nMONOTONIC_USEC="));
  CHECK(reloaded[1] == "READY=1\n");
  test.link->stopping();
  test.link->stopping();
  test.link->end();
  CHECK(test.listener.poll_all() == strings{"STOPPING=1\nSTATUS=stopping, workers left: 0\n"});
  test.happens();
  CHECK(test.listener.poll_all().empty());
  CHECK(test.host.failures.empty());
}

TEST_CASE("the end is told although nobody has announced it, and only where there was a beginning")
{
  link_test test;
  test.link->reload_asked();
  test.link->end();
  CHECK(test.listener.poll_all().empty());
  link_test other;
  other.begin(other.listener.address());
  other.link->end();
  CHECK(other.listener.poll_all() ==
        strings{"READY=1\n", "STOPPING=1\nSTATUS=stopping, workers left: 0\n"});
}

TEST_CASE("without a service manager nothing is said, and nothing waits")
{
  link_test test;
  test.begin("");
  test.happens();
  CHECK(test.context.run() == 0);
  CHECK(test.host.failures.empty());
}

TEST_CASE("what could not be sent is reported once, and sent when that is possible again")
{
  link_test test;
  test.begin("notify");
  CHECK(test.host.failures.size() == 1);
  CHECK(test.host.failures[0].code == std::errc::address_family_not_supported);
  CHECK(test.host.failures[0].what == std::string("service manager"));
  test.link->end();

  link_test later;
  const std::string path = later.listener.address() + ".later";
  later.begin(path);
  CHECK(later.host.failures.size() == 1);
  REQUIRE(::symlink(later.listener.address().c_str(), path.c_str()) == 0);
  std::string heard;
  const auto is_heard = [&] { return !(heard = later.listener.poll()).empty(); };
  later.context.restart();
  CHECK(cohort_test::run_until(later.context, is_heard));
  CHECK(heard == "READY=1\n");
  CHECK(later.host.failures.size() == 1);
}

TEST_CASE("the watchdog hears of the event loop as long as that goes round")
{
  link_test test;
  ::setenv("NOTIFY_SOCKET", test.listener.address().c_str(), 1);
  ::setenv("WATCHDOG_USEC", "4000", 1);
  test.link->begin(service_manager());
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  CHECK(test.listener.poll() == "READY=1\nWATCHDOG=1\n");
  int beats = 0;
  const auto beat = [&] {
    const std::string said = test.listener.poll();
    CHECK((said.empty() || said == "WATCHDOG=1\n"));
    beats += said.empty() ? 0 : 1;
    return beats == 5;
  };
  CHECK(cohort_test::run_until(test.context, beat));
  test.listener.poll_all();
  // Nobody runs it: it hangs.
  ::poll(nullptr, 0, 20);
  CHECK(test.listener.poll_all().empty());
  test.link->end();
  CHECK(test.listener.poll().starts_with("STOPPING=1\n"));
}

TEST_CASE("when another process is the service the manager hears which, and then nothing from here")
{
  link_test test;
  test.add("web", 1);
  test.begin(test.listener.address());
  test.listener.poll_all();
  std::error_code error;
  test.link->hand_over(4711, error);
  CHECK_FALSE(error);
  CHECK(test.listener.poll_all() == strings{"MAINPID=4711\n"});
  test.happens();
  test.link->reload_asked();
  test.link->stopping();
  test.link->end();
  CHECK(test.listener.poll_all().empty());
  // Nothing is awaited.
  CHECK(test.context.run() == 0);
  link_test other;
  other.link->hand_over(4711, error);
  CHECK_FALSE(error);
  CHECK(other.listener.poll_all().empty());
}

TEST_CASE("when that cannot be told this process is the service still")
{
  link_test test;
  const std::string path = test.listener.address() + ".link";
  REQUIRE(::symlink(test.listener.address().c_str(), path.c_str()) == 0);
  test.begin(path);
  REQUIRE(::unlink(path.c_str()) == 0);
  std::error_code error;
  test.link->hand_over(4711, error);
  CHECK(error == std::errc::no_such_file_or_directory);
  REQUIRE(::symlink(test.listener.address().c_str(), path.c_str()) == 0);
  test.listener.poll_all();
  test.link->end();
  CHECK(test.listener.poll_all() == strings{"STOPPING=1\nSTATUS=stopping, workers left: 0\n"});
  ::unlink(path.c_str());
}

} // namespace service_link_test
