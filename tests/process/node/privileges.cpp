// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// As whom workers run, within which limits, and what becomes of a start that is refused.

#include "support/client.hpp"
#include "support/cluster_fixture.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"
#include "support/worker_facts.hpp"

#include <cohort/process_group.hpp>
#include <cohort/resource_limit.hpp>
#include <cohort/subscription.hpp>

#include <asio/redirect_error.hpp>
#include <boost/json.hpp>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>
#include <vector>

namespace node_privileges {

using namespace cohort_test;
using cohort::resource;
using cohort::resource_limit;
namespace json = boost::json;

namespace {

constexpr uid_t user = 12345;
constexpr gid_t group = 23456;

// The program by a name that every user may follow, wherever it is.
cohort::settings own_program() { return cohort::settings().exec("/proc/self/exe"); }

// A fork that has to fail with this error, without an event, and to leave nothing.
void expect_refusal(const cohort::settings& how, std::errc expected)
{
  cluster_fixture primary(how);
  int events = 0;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto forks = cluster.subscribe<cohort::fork_event, cohort::setup_event>();
    forks.next([&events](std::error_code error, const auto&) { events += error ? 0 : 1; });
    for (int i = 0; i != 2; ++i) {
      std::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      const cohort::worker worker = co_await cluster.co_fork(facts_role(), token);
      CHECK(error == expected);
      CHECK_FALSE(worker);
    }
    CHECK(cluster.workers().empty());
    primary.destroy_cluster();
  });
  CHECK(events == 0);
}

} // namespace

TEST_CASE("a worker runs as another user and group, and serves, and its primary is as before")
{
  if (::geteuid() != 0) return skip("needs root");
  const int dumpable = ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
  cluster_fixture primary(own_program().uid(user).gid(group));
  primary.run([&]() -> awaitable<void> {
    const json::value all = co_await new_facts(primary);
    CHECK(numbers_of<uid_t>(all.at("users")) == std::vector<uid_t>(3, user));
    CHECK(numbers_of<gid_t>(all.at("groups")) == std::vector<gid_t>(3, group));
    CHECK(all.at("others").as_array().empty());
    CHECK(::geteuid() == 0);
    CHECK(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == dumpable);
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    std::string line;
    auto ask = [&] {
      client one;
      if (one.connect(where) == outcome::ok && one.send("1 get\n") == outcome::ok)
        one.receive(line);
    };
    co_await primary.in_thread(ask);
    CHECK(line == "1 2 " + std::to_string(worker.pid()));
    co_await primary.end();
  });
}

TEST_CASE("a worker of another user has none of the capabilities that its primary was started with")
{
  if (::geteuid() != 0) return skip("needs root");
  role_program program("node_capabilities");
  const std::string some = " 00000000000004c0", none = " 0000000000000000";
  CHECK(program.line() == "same" + some + some + some + some);
  CHECK(program.line() == "signal Success");
  CHECK(program.line() == "other" + none + none + none + none);
  // Nor is it this primary's to signal.
  CHECK(program.line() == "signal Operation not permitted");
  CHECK(program.line().empty());
  CHECK(program.wait() == 0);
}

TEST_CASE("a worker has the supplementary groups it was given, in whatever order they were")
{
  if (::geteuid() != 0) return skip("needs root");
  cluster_fixture primary(own_program().uid(user).gid(group).groups({30000, 7, 7}));
  primary.run([&]() -> awaitable<void> {
    const json::value all = co_await new_facts(primary);
    CHECK(numbers_of<gid_t>(all.at("others")) == std::vector<gid_t>{7, 30000});
    co_await primary.end();
  });
}

TEST_CASE("a worker has the limits it was given, and cannot gain privileges if it must not")
{
  cluster_fixture primary(
      cohort::settings().limit(resource_limit(resource::open_files, 99, 100)).no_new_privs(true));
  primary.run([&]() -> awaitable<void> {
    const json::value limited = co_await new_facts(primary);
    CHECK(numbers_of<int>(limited.at("open_files")) == std::vector<int>{99, 100});
    CHECK(limited.at("no_new_privs") == 1);
    // Only of later forks, and only what is said.
    const resource_limit fewer(resource::open_files, 50);
    primary.cluster().setup(cohort::settings().limit(fewer));
    const json::value later = co_await new_facts(primary);
    CHECK(numbers_of<int>(later.at("open_files")) == std::vector<int>{50, 50});
    CHECK(later.at("no_new_privs") == 1);
    co_await primary.end();
  });
}

TEST_CASE(
    "a worker is in its primary's group of processes, in one of its own or in its own session")
{
  using cohort::process_group;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    const json::value here = co_await new_facts(primary);
    CHECK(here.at("process_group") == ::getpgrp());
    cluster.setup(cohort::settings().process_group(process_group::own));
    cohort::worker leader = co_await cluster.co_fork(facts_role());
    const json::value own = co_await facts_of(leader);
    CHECK(own.at("process_group") == leader.pid());
    CHECK(own.at("session") == ::getsid(0));
    cluster.setup(cohort::settings().process_group(process_group::own_session));
    cohort::worker detached = co_await cluster.co_fork(facts_role());
    const json::value session = co_await facts_of(detached);
    CHECK(session.at("session") == detached.pid());
    co_await primary.end();
  });
}

TEST_CASE("a launcher is told a port of each worker's own")
{
  std::vector<std::string> launcher(1, "/usr/bin/env");
  launcher.push_back("COHORT_NODE_PORT={port} of {id}");
  cluster_fixture primary(cohort::settings().exec_argv(launcher).launcher_port(7000));
  primary.run([&]() -> awaitable<void> {
    for (const std::string expected : {"7000 of 1", "7001 of 2"}) {
      const json::value all = co_await new_facts(primary);
      CHECK(text_of(all.at("environment").at("COHORT_NODE_PORT")) == expected);
    }
    co_await primary.end();
  });
}

TEST_CASE("what a worker may not have is the error of co_fork")
{
  expect_refusal(
      cohort::settings().limit(resource_limit(resource::core, 2, 1)), std::errc::invalid_argument);
  std::vector<cohort::stdio> streams(1, cohort::stdio::descriptor(900));
  expect_refusal(cohort::settings().stdio(streams), std::errc::bad_file_descriptor);
}

TEST_CASE("a descriptor that is closed is not taken for what the fork opens in its place")
{
  cluster_fixture primary;
  int events = 0;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    // Four numbers that are free, the lowest: the channels would get them.
    std::vector<int> closed;
    for (int number = 0; closed.size() != 4; ++number)
      if (::fcntl(number, F_GETFD) == -1) closed.push_back(number);
    auto forks = cluster.subscribe<cohort::fork_event>();
    forks.next([&events](std::error_code error, const auto&) { events += error ? 0 : 1; });
    for (const int number : closed) {
      CAPTURE(number);
      std::vector<cohort::stdio> streams(3, cohort::stdio::inherit());
      streams.push_back(cohort::stdio::descriptor(number));
      cluster.setup(cohort::settings().stdio(streams));
      std::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      const cohort::worker worker = co_await cluster.co_fork(facts_role(), token);
      CHECK(error == std::errc::bad_file_descriptor);
      CHECK_FALSE(worker);
    }
    CHECK(cluster.workers().empty());
    primary.destroy_cluster();
  });
  CHECK(events == 0);
}

TEST_CASE("a program is executed as the worker's user, who may have no way to it")
{
  if (::geteuid() != 0) return skip("needs root");
  // Nobody but root may enter the directory.
  const scratch_directory place;
  std::filesystem::copy_file("/bin/true", place.file("program"));
  const cohort::settings how = cohort::settings().exec(place.file("program"));
  expect_refusal(cohort::settings(how).uid(user), std::errc::permission_denied);
  cluster_fixture primary(how);
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork();
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
  });
}

} // namespace node_privileges
