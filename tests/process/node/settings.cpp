// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How workers are started, as the tests of Node's cluster have it. A name begins with that of
// Node's file.

#include "support/cluster_fixture.hpp"
#include "support/program.hpp"
#include "support/scratch.hpp"
#include "support/worker_facts.hpp"

#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/subscription.hpp>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace node_settings {

using namespace cohort_test;
namespace json = boost::json;

TEST_CASE("cwd: a worker is where its primary is, or where later settings say")
{
  const scratch_directory place;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const json::value first = co_await new_facts(primary);
    CHECK(text_of(first.at("directory")) == std::filesystem::current_path().string());
    primary.cluster().setup(cohort::settings().cwd(place.path()));
    const json::value second = co_await new_facts(primary);
    CHECK(text_of(second.at("directory")) == place.path());
    co_await primary.end();
  });
}

TEST_CASE("fork_env: variables are added, replaced and taken away, and messages still go")
{
  cluster_fixture primary(cohort::settings().env(
      cohort::environment().set("COHORT_NODE_A", "settings").set("COHORT_NODE_B", "settings")));
  REQUIRE(::setenv("COHORT_NODE_HOST", "host", 1) == 0);
  REQUIRE(::setenv("COHORT_NODE_C", "host", 1) == 0);
  primary.run([&]() -> awaitable<void> {
    cohort::environment variables = facts_role().set("COHORT_NODE_A", "fork");
    variables.set("COHORT_NODE_C", "fork").remove("COHORT_NODE_HOST");
    cohort::worker worker = co_await primary.cluster().co_fork(variables);
    CHECK(worker.send(json::value("a message")) == cohort::send_status::accepted);
    const json::value all = co_await facts_of(worker);
    const json::object& seen = all.at("environment").as_object();
    CHECK(text_of(seen.at("COHORT_NODE_A")) == "fork");
    CHECK(text_of(seen.at("COHORT_NODE_B")) == "settings");
    CHECK(text_of(seen.at("COHORT_NODE_C")) == "fork");
    CHECK_FALSE(seen.contains("COHORT_NODE_HOST"));
    // Who is not told keeps it: nothing of this stays for the next.
    const json::value other = co_await new_facts(primary);
    CHECK(text_of(other.at("environment").at("COHORT_NODE_A")) == "settings");
    CHECK(text_of(other.at("environment").at("COHORT_NODE_HOST")) == "host");
    co_await primary.end();
  });
  ::unsetenv("COHORT_NODE_HOST");
  ::unsetenv("COHORT_NODE_C");
}

TEST_CASE("setup_primary: arguments reach the workers, which are silent, and settings show all")
{
  const std::vector<std::string> arguments{"custom", "argument"};
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    cluster.setup(cohort::settings().args(arguments).silent(true));
    const json::value all = co_await new_facts(primary);
    CHECK(words_of(all.at("arguments")) == arguments);
    const auto streams = words_of(all.at("streams"));
    CHECK(streams.at(1) == "/dev/null");
    CHECK(streams.at(2) == "/dev/null");
    const cohort::settings now = cluster.current_settings();
    CHECK(now.args() == arguments);
    CHECK(now.silent());
    REQUIRE(now.exec());
    CHECK(std::filesystem::equivalent(*now.exec(), "/proc/self/exe"));
    co_await primary.end();
  });
}

TEST_CASE(
    "setup_primary_argv: arguments are those of the first setup, whatever is written over them")
{
  std::vector<std::string> words(1, "/usr/bin/env");
  words.push_back("COHORT_TEST_ROLE_PLAIN=1");
  words.push_back("COHORT_TEST_ROLE=node_argv");
  words.push_back(cohort::detail::posix::executable_path());
  words.push_back("original");
  program one(words);
  for (const char* whose : {"setup", "fork", "worker", "settings"})
    CHECK(one.line() == std::string(whose) + " xxxxxxxx");
  CHECK(one.wait() == 0);
}

TEST_CASE("setup_primary_cumulative: settings are open, then have defaults, and add up")
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  CHECK_FALSE(cluster.current_settings().exec());
  CHECK_FALSE(cluster.current_settings().args());
  cluster.setup(cohort::settings());
  cohort::settings now = cluster.current_settings();
  REQUIRE(now.exec());
  CHECK(std::filesystem::equivalent(*now.exec(), "/proc/self/exe"));
  CHECK(now.args() == cohort::detail::posix::program_arguments());
  CHECK(now.exec_argv().empty());
  CHECK_FALSE(now.silent());
  CHECK(now.cwd().empty());
  cluster.setup(cohort::settings().exec("overridden"));
  CHECK(cluster.current_settings().exec() == "overridden");
  cluster.setup(cohort::settings().args({"foo", "bar"}));
  CHECK(cluster.current_settings().exec() == "overridden");
  CHECK(cluster.current_settings().args() == std::vector<std::string>{"foo", "bar"});
  cluster.setup(cohort::settings().exec_argv({"baz", "bang"}));
  now = cluster.current_settings();
  CHECK(now.exec() == "overridden");
  CHECK(now.args() == std::vector<std::string>{"foo", "bar"});
  CHECK(now.exec_argv() == std::vector<std::string>{"baz", "bang"});
  cluster.setup(cohort::settings());
  CHECK(cluster.current_settings().exec() == "overridden");
}

TEST_CASE("setup_primary_emit: each setup and each fork tells, the settings before the worker")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto events = cluster.subscribe<cohort::setup_event, cohort::fork_event>();
    cluster.setup(cohort::settings().cwd("/"));
    co_await new_facts(primary);
    cluster.setup(cohort::settings().silent(true));
    co_await new_facts(primary);
    std::string order;
    for (int i = 0; i != 6; ++i) {
      const auto event = co_await events.next();
      order += event.index() == 0 ? 's' : 'f';
      if (const auto* setup = std::get_if<cohort::setup_event>(&event)) {
        CHECK(setup->settings.cwd() == "/");
        CHECK(setup->settings.silent() == (order.size() > 3));
        CHECK(setup->settings.args());
      }
    }
    CHECK(order == "ssfssf");
    co_await primary.end();
  });
}

TEST_CASE("setup_primary_multiple: three calls are three events, each with its own settings")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto setups = cluster.subscribe<cohort::setup_event>();
    const std::vector<std::string> programs{"one", "two", "three"};
    for (const std::string& each : programs) cluster.setup(cohort::settings().exec(each));
    for (const std::string& each : programs) {
      const cohort::setup_event event = co_await setups.next();
      CHECK(event.settings.exec() == each);
    }
    primary.destroy_cluster();
  });
}

} // namespace node_settings
