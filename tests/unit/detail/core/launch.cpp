// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/launch.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <vector>

namespace launch_test {

using namespace cohort::detail;
using cohort::environment;
using cohort::settings;
using strings = std::vector<std::string>;

namespace {

// Sets a variable of this process for the life of the object.
class host_variable {
public:
  host_variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~host_variable() { ::unsetenv(name_); }
  host_variable(const host_variable&) = delete;
  host_variable& operator=(const host_variable&) = delete;

private:
  const char* name_;
};

std::size_t count(const strings& entries, const std::string& entry)
{
  return static_cast<std::size_t>(std::ranges::count(entries, entry));
}

std::size_t count_name(const strings& entries, const std::string& name)
{
  return static_cast<std::size_t>(std::ranges::count_if(
      entries, [&](const std::string& each) { return each.starts_with(name + '='); }));
}

} // namespace

TEST_CASE("unless said otherwise this program is started with its own arguments")
{
  const auto line = command_line(1, settings());
  REQUIRE_FALSE(line.empty());
  CHECK(std::filesystem::equivalent(line[0], "/proc/self/exe"));
  const strings arguments(line.begin() + 1, line.end());
  CHECK(arguments == posix::program_arguments());
}

TEST_CASE("program and arguments can be set, also to no arguments")
{
  CHECK(command_line(1, settings().exec("/x").args(strings{"a", "b"})) == strings{"/x", "a", "b"});
  CHECK(command_line(1, settings().exec("/x").args(strings())) == strings{"/x"});
}

TEST_CASE("a launcher comes first, and knows the worker's id wherever it asks")
{
  const auto how = settings()
                       .exec("/x")
                       .args(strings(1, "{id}"))
                       .exec_argv(strings{"/gdb", "--log={id}.{id}", "{}", "{id}"});
  CHECK(command_line(12, how) == strings{"/gdb", "--log=12.12", "{}", "12", "/x", "{id}"});
}

TEST_CASE("a launcher knows a port of the worker's own")
{
  const auto how = settings().exec("/x").args(strings()).exec_argv(strings{"/gdb", ":{port},{id}"});
  CHECK(command_line(1, how) == strings{"/gdb", ":9230,1", "/x"});
  CHECK(command_line(5, how) == strings{"/gdb", ":9234,5", "/x"});
  CHECK(launcher_port(5, settings().launcher_port(2000)) == 2004);
}

TEST_CASE("after the last port the first that needs no privilege follows, for ever")
{
  const auto how = settings().launcher_port(65'534);
  CHECK(launcher_port(2, how) == 65'535);
  CHECK(launcher_port(3, how) == 1024);
  CHECK(launcher_port(2 + 65'536 - 1024, how) == 65'535);
  CHECK(launcher_port(3 + 65'536 - 1024, how) == 1024);
}

TEST_CASE("what settings leave open is shown as it is")
{
  const settings shown = with_defaults(settings().cwd("/tmp"));
  REQUIRE(shown.exec());
  CHECK(std::filesystem::equivalent(*shown.exec(), "/proc/self/exe"));
  CHECK(shown.args() == posix::program_arguments());
  CHECK(shown.exec_argv().empty());
  CHECK_FALSE(shown.silent());
  CHECK(shown.cwd() == "/tmp");
  const settings said = with_defaults(
      settings().exec("/x").args(strings()).exec_argv(strings(1, "/gdb")).silent(true));
  CHECK(said.exec() == "/x");
  CHECK(said.args() == strings());
  CHECK(said.exec_argv() == strings(1, "/gdb"));
  CHECK(said.silent());
}

TEST_CASE("a worker has this process's environment, what it is given, and its role")
{
  const host_variable host("COHORT_UNIT_HOST", "of the host");
  const auto entries = worker_environment(7, environment().set("COHORT_UNIT_OWN", "a=b"));
  CHECK(count(entries, "COHORT_UNIT_HOST=of the host") == 1);
  CHECK(count(entries, "COHORT_UNIT_OWN=a=b") == 1);
  CHECK(count(entries, "COHORT_WORKER_ID=7") == 1);
  CHECK(count(entries, "COHORT_CONTROL_FD=3") == 1);
  CHECK(count(entries, "COHORT_MESSAGE_FD=4") == 1);
}

TEST_CASE("what a worker is given replaces what the host has, and its role replaces both")
{
  const host_variable host("COHORT_UNIT_HOST", "old");
  const host_variable role("COHORT_WORKER_ID", "99");
  const auto given = environment().set("COHORT_UNIT_HOST", "new").set("COHORT_CONTROL_FD", "55");
  const auto entries = worker_environment(7, given);
  CHECK(count(entries, "COHORT_UNIT_HOST=new") == 1);
  for (const char* name : {"COHORT_UNIT_HOST", "COHORT_WORKER_ID", "COHORT_CONTROL_FD"})
    CHECK(count_name(entries, name) == 1);
  CHECK(count(entries, "COHORT_WORKER_ID=7") == 1);
  CHECK(count(entries, "COHORT_CONTROL_FD=3") == 1);
}

TEST_CASE("a worker has not what a service manager says to this process, unless it is told so")
{
  const host_variable pid("LISTEN_PID", "1"), fds("LISTEN_FDS", "2"), names("LISTEN_FDNAMES", "a");
  const host_variable notify("NOTIFY_SOCKET", "/run/notify"), watchdog("WATCHDOG_USEC", "1");
  const auto entries = worker_environment(7, environment());
  for (const char* name : posix::service_variables) CHECK(count_name(entries, name) == 0);
  const auto told = worker_environment(7, environment().set("NOTIFY_SOCKET", "@other"));
  CHECK(count(told, "NOTIFY_SOCKET=@other") == 1);
  CHECK(count_name(told, "WATCHDOG_USEC") == 0);
}

TEST_CASE("a worker has not what was taken away, but its role always")
{
  const host_variable host("COHORT_UNIT_HOST", "of the host");
  const auto given = environment().remove("COHORT_UNIT_HOST").remove("COHORT_WORKER_ID");
  const auto entries = worker_environment(7, given);
  CHECK(count_name(entries, "COHORT_UNIT_HOST") == 0);
  CHECK(count(entries, "COHORT_WORKER_ID=7") == 1);
}

TEST_CASE("what a fork is given counts more than the settings, and those more than the host")
{
  const host_variable host("COHORT_UNIT_HOST", "of the host");
  auto variables = environment().set("COHORT_UNIT_A", "settings").set("COHORT_UNIT_B", "settings");
  variables.remove("COHORT_UNIT_HOST").remove("COHORT_UNIT_C");
  std::error_code error;
  settings how = settings().env(variables);
  how.overlay(
      settings().env(environment().set("COHORT_UNIT_A", "fork").set("COHORT_UNIT_C", "fork")));
  const auto launch = prepare_launch(3, how, error);
  REQUIRE(!error);
  CHECK(count(launch.options.envp, "COHORT_UNIT_A=fork") == 1);
  CHECK(count(launch.options.envp, "COHORT_UNIT_B=settings") == 1);
  CHECK(count(launch.options.envp, "COHORT_UNIT_C=fork") == 1);
  CHECK(count_name(launch.options.envp, "COHORT_UNIT_HOST") == 0);
}

TEST_CASE("a launch has two channels, of which the worker gets one end each")
{
  std::error_code error;
  const auto launch = prepare_launch(3, settings().exec("/x").args(strings()).cwd("/tmp"), error);
  REQUIRE(!error);
  CHECK(posix::is_unix_stream(launch.control.get()));
  CHECK(posix::is_unix_stream(launch.messages.get()));
  CHECK(launch.options.inherit ==
        std::vector<int>{launch.worker_control.get(), launch.worker_messages.get()});
  CHECK(launch.options.path == "/x");
  CHECK(launch.options.argv == strings{"/x"});
  CHECK(launch.options.cwd == "/tmp");
  CHECK(launch.options.stdio == std::array<int, 3>{-1, -1, -1});
  CHECK(count(launch.options.envp, "COHORT_WORKER_ID=3") == 1);
}

TEST_CASE("a worker is told its group, and none that its primary belongs to itself")
{
  const host_variable host("COHORT_GROUP", "of the host");
  std::error_code error;
  CHECK(count_name(prepare_launch(3, settings(), error).options.envp, "COHORT_GROUP") == 0);
  const auto launch = prepare_launch(3, settings().group("web"), error);
  CHECK(count(launch.options.envp, "COHORT_GROUP=web") == 1);
  CHECK(count_name(launch.options.envp, "COHORT_GROUP") == 1);
}

TEST_CASE("the launcher is what is executed")
{
  std::error_code error;
  const auto launch =
      prepare_launch(3, settings().exec("/x").args(strings()).exec_argv(strings(1, "/gdb")), error);
  CHECK(launch.options.path == "/gdb");
}

TEST_CASE("a silent worker writes to nowhere, and reads what its primary reads")
{
  std::error_code error;
  const auto launch = prepare_launch(3, settings().silent(true), error);
  REQUIRE(!error);
  CHECK(launch.null);
  CHECK(launch.options.stdio[0] == -1);
  CHECK(launch.options.stdio[1] == launch.null.get());
  CHECK(launch.options.stdio[2] == launch.null.get());
}

TEST_CASE("streams are what they are said to be, and extra ones stand before the channels")
{
  using cohort::stdio;
  std::error_code error;
  const auto how = settings().silent(true).stdio(
      {stdio::pipe(), stdio::inherit(), stdio::null(), stdio::pipe(), stdio::descriptor(0)});
  const auto launch = prepare_launch(3, how, error);
  REQUIRE(!error);
  REQUIRE(launch.pipes.size() == 4);
  REQUIRE(launch.worker_pipes.size() == 2);
  for (const std::size_t number : {0U, 3U}) CHECK(launch.pipes[number]);
  for (const std::size_t number : {1U, 2U}) CHECK_FALSE(launch.pipes[number]);
  CHECK(launch.options.stdio ==
        std::array<int, 3>{launch.worker_pipes[0].get(), -1, launch.null.get()});
  CHECK(launch.options.inherit == std::vector<int>{launch.worker_pipes[1].get(), 0,
                                      launch.worker_control.get(), launch.worker_messages.get()});
  CHECK(count(launch.options.envp, "COHORT_CONTROL_FD=5") == 1);
  CHECK(count(launch.options.envp, "COHORT_MESSAGE_FD=6") == 1);
}

TEST_CASE("a descriptor that is closed is found out, not taken for one that the launch opens")
{
  using cohort::stdio;
  const posix::unique_fd spare(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  REQUIRE(spare);
  const std::size_t before = cohort_test::count_descriptors();
  // The lowest that are free: those that are opened next.
  std::vector<int> closed;
  for (int number = 0; closed.size() != 6; ++number)
    if (::fcntl(number, F_GETFD) == -1) closed.push_back(number);
  for (const int number : closed) {
    CAPTURE(number);
    std::error_code error;
    // Behind a good one, and behind what is opened for the worker.
    const auto how = settings().silent(true).stdio({stdio::null(), stdio::pipe(),
        stdio::descriptor(spare.get()), stdio::pipe(), stdio::descriptor(number)});
    const auto launch = prepare_launch(3, how, error);
    CHECK(error == std::errc::bad_file_descriptor);
    CHECK(cohort_test::count_descriptors() == before);
  }
}

TEST_CASE("what the streams do not name is as silent as it is")
{
  using cohort::stdio;
  std::error_code error;
  const auto how = settings().silent(true).stdio({stdio::pipe(), stdio::pipe()});
  const auto launch = prepare_launch(3, how, error);
  REQUIRE(!error);
  CHECK(launch.options.stdio == std::array<int, 3>{launch.worker_pipes[0].get(),
                                    launch.worker_pipes[1].get(), launch.null.get()});
}

TEST_CASE("what a worker may do is passed on to the start of its process")
{
  using cohort::resource_limit;
  const resource_limit files(cohort::resource::open_files, 64);
  settings how = settings().uid(1).gid(2).groups({3, 4}).limit(files).no_new_privs(true);
  how.process_group(cohort::process_group::own);
  std::error_code error;
  const auto options = prepare_launch(3, how, error).options;
  REQUIRE(!error);
  CHECK(options.uid == uid_t(1));
  CHECK(options.gid == gid_t(2));
  CHECK(options.groups == std::vector<gid_t>{3, 4});
  CHECK(options.limits == std::vector<resource_limit>(1, files));
  CHECK(options.no_new_privs);
  CHECK(options.group == cohort::process_group::own);
  const auto plain = prepare_launch(3, settings(), error).options;
  CHECK_FALSE(plain.uid);
  CHECK_FALSE(plain.gid);
  CHECK_FALSE(plain.groups);
}

TEST_CASE("variables are laid over those of this process, and given as a program gets them")
{
  ::setenv("COHORT_LAUNCH_TEST", "a=b", 1);
  variable_map all = own_variables();
  CHECK(all.at("COHORT_LAUNCH_TEST") == "a=b");
  overlay(all, environment().remove("COHORT_LAUNCH_TEST").set("COHORT_LAUNCH_MORE", "2"));
  CHECK_FALSE(all.contains("COHORT_LAUNCH_TEST"));
  CHECK(all.at("COHORT_LAUNCH_MORE") == "2");
  ::unsetenv("COHORT_LAUNCH_TEST");
  CHECK_FALSE(own_variables().contains("COHORT_LAUNCH_TEST"));
  variable_map few;
  few.emplace("B", "");
  few.emplace("A", "x=y");
  CHECK(to_entries(few) == strings{"A=x=y", "B="});
}

} // namespace launch_test
