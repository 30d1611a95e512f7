// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/presence.hpp>

#include "support/empty_group_host.hpp"
#include "support/event_loop.hpp"
#include "support/notify_listener.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace presence_test {

using namespace cohort;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

struct owner_type {
  std::string status() { return "status " + std::to_string(++texts); }
  void status_failed(std::error_code) { ++failures; }

  int texts = 0, failures = 0;
};

struct fixture {
  fixture() { ::setenv("NOTIFY_SOCKET", listener.address().c_str(), 1); }
  ~fixture()
  {
    presence.abandon();
    ::unsetenv("NOTIFY_SOCKET");
    cohort_test::run_ready(context);
    CHECK(context.stopped());
    CHECK(owner->failures == 0);
  }

  static std::string content(const std::string& path)
  {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }
  std::string pid() const { return content(scratch.file("pid")); }
  std::string status() const { return content(scratch.file("status")); }

  cohort_test::scratch_directory scratch;
  cohort_test::notify_listener listener;
  asio::io_context context{1};
  detail::group_table groups;
  cohort_test::empty_group_host host;
  std::shared_ptr<owner_type> owner = std::make_shared<owner_type>();
  detail::presence presence{context.get_executor(),
      supervisor_options().pid_file(scratch.file("pid")).status_file(scratch.file("status"), 1h),
      groups, host};
  std::error_code error;
};

const std::string own_number = std::to_string(::getpid());

} // namespace

TEST_CASE("a process is known by its files and to the service manager until it ends")
{
  fixture test;
  test.presence.claim(test.error);
  CHECK_FALSE(test.error);
  CHECK(test.pid() == own_number);
  CHECK(test.listener.poll_all().empty());
  test.presence.begin(test.owner);
  CHECK(test.status() == "status 1");
  CHECK_FALSE(test.listener.poll_all().empty());
  test.presence.end(*test.owner);
  CHECK(test.status() == "status 2");
  CHECK_FALSE(std::filesystem::exists(test.scratch.file("pid")));
  CHECK(test.listener.poll_all().size() == 1);
}

TEST_CASE("what was handed over is the other process's: nothing is written or said at the end")
{
  fixture test;
  test.presence.claim(test.error);
  test.presence.begin(test.owner);
  test.listener.poll_all();
  test.presence.hand_over(4711, test.error);
  CHECK_FALSE(test.error);
  CHECK(test.listener.poll_all() == strings{"MAINPID=4711\n"});
  std::ofstream(test.scratch.file("pid")) << "4711\n";
  std::ofstream(test.scratch.file("status")) << "its own\n";
  test.presence.stopping();
  test.presence.end(*test.owner);
  CHECK(test.listener.poll_all().empty());
  CHECK(test.pid() == "4711");
  CHECK(test.status() == "its own");
  CHECK(test.owner->texts == 1);
}

TEST_CASE("what cannot be announced is not handed over")
{
  fixture test;
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  test.presence.claim(test.error);
  test.presence.begin(test.owner);
  test.presence.hand_over(4711, test.error);
  CHECK(test.error == std::errc::address_family_not_supported);
  CHECK(test.pid() == own_number);
  test.presence.end(*test.owner);
  CHECK(test.status() == "status 2");
  CHECK(test.pid().empty());
}

TEST_CASE("a process that replaces another one gets its pid file, which others cannot")
{
  fixture old, other;
  old.presence.claim(old.error);
  detail::presence next(old.context.get_executor(),
      supervisor_options().pid_file(old.scratch.file("pid")), old.groups, old.host);
  next.claim(other.error);
  CHECK(other.error == std::errc::file_exists);
  std::error_code error;
  old.presence.hand_over(::getpid(), error);
  next.claim_from_predecessor(error);
  CHECK_FALSE(error);
  CHECK(old.pid() == own_number);
  next.abandon();
  CHECK(old.pid().empty());
}

TEST_CASE("a process that was nobody leaves the files of others alone")
{
  fixture test;
  std::ofstream(test.scratch.file("status")) << "its own\n";
  std::ofstream(test.scratch.file("pid")) << "4711\n";
  test.presence.end(*test.owner);
  CHECK(test.status() == "its own");
  CHECK(test.pid() == "4711");
  CHECK(test.listener.poll_all().empty());
}

} // namespace presence_test
