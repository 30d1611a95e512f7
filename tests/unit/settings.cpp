// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/settings.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace settings_test {

using cohort::settings;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

TEST_CASE("settings have the documented defaults")
{
  const settings nothing;
  CHECK_FALSE(nothing.exec().has_value());
  CHECK_FALSE(nothing.args().has_value());
  CHECK(nothing.exec_argv().empty());
  CHECK(nothing.launcher_port() == 9230);
  CHECK(nothing.env().values().empty());
  CHECK(nothing.cwd().empty());
  CHECK_FALSE(nothing.silent());
  CHECK(nothing.fence_grace() == 1s);
  CHECK(nothing.kill_grace() == 500ms);
}

TEST_CASE("every setter sets its own field, chained on an object")
{
  settings how;
  how.exec("/bin/x").args(strings(2, "a")).exec_argv(strings(1, "gdb")).cwd("/tmp");
  how.silent(true).fence_grace(2s).kill_grace(3s);
  CHECK(how.exec() == "/bin/x");
  CHECK(how.args() == strings(2, "a"));
  CHECK(how.exec_argv() == strings(1, "gdb"));
  CHECK(how.cwd() == "/tmp");
  CHECK(how.silent());
  CHECK(how.fence_grace() == 2s);
  CHECK(how.kill_grace() == 3s);
}

TEST_CASE("every setter works on a temporary")
{
  const settings how = settings()
                           .exec("/bin/x")
                           .args(strings())
                           .exec_argv(strings(1, "gdb"))
                           .cwd("/tmp")
                           .silent(true)
                           .fence_grace(2s)
                           .kill_grace(3s);
  CHECK(how.exec() == "/bin/x");
  CHECK(how.args() == strings());
  CHECK(how.exec_argv() == strings(1, "gdb"));
  CHECK(how.cwd() == "/tmp");
  CHECK(how.silent());
  CHECK(how.fence_grace() == 2s);
  CHECK(how.kill_grace() == 3s);
}

TEST_CASE("an overlay changes what it sets")
{
  settings below = settings().exec("/below").args(strings(1, "a")).exec_argv(strings(1, "b"));
  below.cwd("/c").silent(true).fence_grace(2s).kill_grace(3s);
  settings above = settings().exec("/above").args(strings()).exec_argv(strings());
  above.cwd("").silent(false).fence_grace(4s).kill_grace(5s);
  below.overlay(above);
  CHECK(below.exec() == "/above");
  CHECK(below.args() == strings());
  CHECK(below.exec_argv().empty());
  CHECK(below.cwd().empty());
  CHECK_FALSE(below.silent());
  CHECK(below.fence_grace() == 4s);
  CHECK(below.kill_grace() == 5s);
}

TEST_CASE("an overlay leaves alone what it does not set")
{
  settings how = settings().exec("/below").args(strings(1, "a")).exec_argv(strings(1, "b"));
  how.cwd("/c").silent(true).fence_grace(2s).kill_grace(3s);
  how.overlay(settings());
  CHECK(how.exec() == "/below");
  CHECK(how.args() == strings(1, "a"));
  CHECK(how.exec_argv() == strings(1, "b"));
  CHECK(how.cwd() == "/c");
  CHECK(how.silent());
  CHECK(how.fence_grace() == 2s);
  CHECK(how.kill_grace() == 3s);
}

TEST_CASE("the environments of two settings are laid over one another by name")
{
  using cohort::environment;
  settings how = settings().env(environment().set("A", "1").set("B", "2"));
  how.overlay(settings().cwd("/"));
  CHECK(how.env().values().size() == 2);
  how.overlay(settings().env(environment().set("A", "3").remove("B")));
  CHECK(how.env().values() == std::map<std::string, std::string>{{"A", "3"}});
  CHECK(how.env().removed() == std::set<std::string>{"B"});
  settings empty;
  empty.overlay(how);
  CHECK(empty.env().values().at("A") == "3");
}

TEST_CASE("a port for launchers is laid over as any other number")
{
  settings how = settings().launcher_port(2000);
  how.overlay(settings());
  CHECK(how.launcher_port() == 2000);
  how.overlay(settings().launcher_port(3000));
  CHECK(how.launcher_port() == 3000);
}

TEST_CASE("streams are set as a whole, and extra ones are never inherited")
{
  using cohort::stdio;
  using streams = std::vector<stdio>;
  settings how;
  CHECK(how.stdio().empty());
  const streams given{stdio::inherit(), stdio::null(), stdio::pipe(), stdio::descriptor(5)};
  how.stdio(given);
  CHECK(how.stdio() == given);
  CHECK_THROWS_AS(how.stdio(streams(4, stdio::inherit())), std::invalid_argument);
  CHECK(how.stdio() == given);
  how.overlay(settings());
  CHECK(how.stdio() == given);
  how.overlay(settings().stdio(streams(1, stdio::pipe())));
  CHECK(how.stdio() == streams(1, stdio::pipe()));
}

TEST_CASE("a worker is who this process is unless it is said")
{
  using groups = std::vector<gid_t>;
  settings how;
  CHECK_FALSE(how.uid());
  CHECK_FALSE(how.gid());
  CHECK_FALSE(how.groups());
  CHECK_FALSE(how.no_new_privs());
  CHECK(how.process_group() == cohort::process_group::inherit);
  how.uid(1).gid(2).groups(groups{3, 4}).no_new_privs(true);
  how.process_group(cohort::process_group::own);
  how.overlay(settings());
  CHECK(how.uid() == uid_t(1));
  CHECK(how.gid() == gid_t(2));
  CHECK(how.groups() == groups{3, 4});
  CHECK(how.no_new_privs());
  CHECK(how.process_group() == cohort::process_group::own);
  how.overlay(settings().uid(0).groups(groups()).no_new_privs(false));
  how.overlay(settings().gid(5).process_group(cohort::process_group::own_session));
  CHECK(how.uid() == uid_t(0));
  CHECK(how.gid() == gid_t(5));
  CHECK(how.groups() == groups());
  CHECK_FALSE(how.no_new_privs());
  CHECK(how.process_group() == cohort::process_group::own_session);
}

TEST_CASE("a worker has a group and a number of requests, which are laid over as the rest")
{
  settings how;
  CHECK(how.group().empty());
  CHECK(how.max_requests() == 0);
  how.group("web").max_requests(5);
  how.overlay(settings().max_requests(6));
  CHECK(how.group() == "web");
  CHECK(how.max_requests() == 6);
  CHECK_THROWS_AS(how.group(std::string("we\0b", 4)), std::invalid_argument);
  CHECK(how.group() == "web");
}

TEST_CASE("limits of a worker are laid over as the rest, and have bounds")
{
  using namespace std::chrono_literals;
  settings how;
  CHECK(how.max_age() == 0s);
  CHECK(how.max_memory() == 0);
  CHECK(how.max_descriptors() == 0);
  CHECK(how.retire_jitter() == 0);
  CHECK(how.usage_interval() == 5s);
  how.max_age(1h).max_memory(1 << 20).max_descriptors(500).retire_jitter(0.5).usage_interval(1s);
  how.overlay(settings().max_memory(1 << 30).retire_jitter(0.25));
  CHECK(how.max_age() == 1h);
  CHECK(how.max_memory() == 1 << 30);
  CHECK(how.max_descriptors() == 500);
  CHECK(how.retire_jitter() == 0.25);
  how.overlay(settings().max_age(2h).max_descriptors(0).usage_interval(1ms));
  CHECK(how.max_age() == 2h);
  CHECK(how.max_descriptors() == 0);
  CHECK(how.usage_interval() == 1ms);
  CHECK_THROWS_AS(how.max_age(-1ns), std::invalid_argument);
  CHECK_THROWS_AS(how.retire_jitter(1.1), std::invalid_argument);
  CHECK_THROWS_AS(how.retire_jitter(-0.1), std::invalid_argument);
  CHECK_THROWS_AS(how.usage_interval(0s), std::invalid_argument);
  CHECK(how.max_age() == 2h);
  CHECK(how.retire_jitter() == 0.25);
  CHECK(how.usage_interval() == 1ms);
}

TEST_CASE("how a worker is watched is laid over as the rest, and an interval has bounds")
{
  using namespace std::chrono_literals;
  settings how;
  CHECK(how.heartbeat() == 0s);
  CHECK(how.heartbeat_misses() == 0);
  how.heartbeat(2s, 5);
  how.overlay(settings());
  CHECK(how.heartbeat() == 2s);
  CHECK(how.heartbeat_misses() == 5);
  how.overlay(settings().heartbeat(0s));
  CHECK(how.heartbeat() == 0s);
  CHECK(how.heartbeat_misses() == 0);
  for (const settings::duration bad :
      {settings::duration(-1s), settings::duration(999us), settings::duration(25h)})
    CHECK_THROWS_AS(how.heartbeat(bad), std::invalid_argument);
}

TEST_CASE("the last limit of a resource counts")
{
  using cohort::resource;
  using cohort::resource_limit;
  const resource_limit files(resource::open_files, 64), fewer(resource::open_files, 32);
  const resource_limit core(resource::core, 0);
  settings how = settings().limit(files).limit(core);
  CHECK(how.limits() == std::vector<resource_limit>{files, core});
  how.limit(fewer);
  CHECK(how.limits() == std::vector<resource_limit>{fewer, core});
  how.overlay(settings());
  CHECK(how.limits().size() == 2);
  settings other = settings().limit(files);
  how.overlay(other);
  CHECK(how.limits() == std::vector<resource_limit>{files, core});
}

} // namespace settings_test
