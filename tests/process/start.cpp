// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How workers are started, and what they are started with.

#include "support/cluster_fixture.hpp"
#include "support/program.hpp"
#include "support/worker_roles.hpp"

#include <cohort/cluster.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <asio/redirect_error.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

namespace start_test {

using namespace cohort_test;

namespace {

// What a worker of the role "report" found, line by line.
std::multiset<std::string> lines_of(const std::string& path)
{
  std::multiset<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.insert(line);
  return lines;
}

cohort::environment report_to(const std::string& path)
{
  return role("report").set("COHORT_TEST_REPORT", path);
}

// Forks and expects this error, no event, and that nothing is left behind.
void expect_no_start(const cohort::settings& how, std::errc expected)
{
  cluster_fixture primary(how);
  int seen = 0;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto events = cluster.subscribe<cohort::fork_event, cohort::disconnect_event,
        cohort::exit_event, cohort::error_event>();
    events.next([&](std::error_code error, const auto&) { seen += !error; });
    std::size_t before = 0;
    for (int i = 0; i != 3; ++i) {
      std::error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      const cohort::worker worker = co_await cluster.co_fork(token);
      CHECK(error == expected);
      CHECK_FALSE(worker);
      // The context's own are there from its first wait on.
      if (i == 0) before = count_descriptors();
    }
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const std::vector<cohort::worker> workers = co_await cluster.co_fork_all(4, token);
    CHECK(error == expected);
    CHECK(workers.empty());
    CHECK(cluster.workers().empty());
    CHECK(count_descriptors() == before);
    CHECK(seen == 0);
    primary.destroy_cluster();
  });
}

// A primary that is replaced by another program before it forks.
awaitable<void> fork_once(cohort::cluster<>& cluster)
{
  cohort::worker worker = co_await cluster.co_fork();
  const cohort::exit_status status = co_await worker.exited();
  std::cout << "worker " << status << std::endl;
}

COHORT_TEST_WORKER_ROLE(replaced)
{
  const std::string path = std::getenv("COHORT_TEST_PATH");
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  std::filesystem::rename(path + ".new", path);
  asio::co_spawn(context, fork_once(cluster), [](std::exception_ptr) {});
  context.run();
  return 0;
}

} // namespace

TEST_CASE("a missing program is an error of co_fork, and nothing follows")
{
  expect_no_start(
      cohort::settings().exec("/no/such/program"), std::errc::no_such_file_or_directory);
}

TEST_CASE("a program that is none is an error of co_fork")
{
  expect_no_start(cohort::settings().exec("/etc/passwd"), std::errc::permission_denied);
}

TEST_CASE("a missing working directory is an error of co_fork")
{
  expect_no_start(cohort::settings().cwd("/no/such/place"), std::errc::no_such_file_or_directory);
}

TEST_CASE("a fork that fails changes nothing for the next")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    const cohort::settings good = cluster.current_settings();
    cohort::worker first = co_await primary.start();
    cluster.setup(cohort::settings().exec("/no/such/program"));
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await cluster.co_fork(token);
    CHECK(error == std::errc::no_such_file_or_directory);
    cluster.setup(cohort::settings().exec("/proc/self/exe"));
    cohort::worker second = co_await primary.start();
    // Numbers are for workers that were there.
    CHECK(second.id() == first.id() + 1);
    co_await primary.end();
  });
}

TEST_CASE("a worker gets arguments, directory, variables and no descriptor but its own")
{
  scratch_directory place;
  const std::string path = place.file("report");
  cluster_fixture primary(
      cohort::settings().args(std::vector<std::string>(2, "an argument")).cwd(place.path()));
  primary.run([&]() -> awaitable<void> {
    // Something that must not be inherited although it is not CLOEXEC.
    const cohort::detail::posix::unique_fd stray(::dup(0));
    const cohort::environment variables =
        report_to(path).set("COHORT_TEST_VALUE", "a=b \n c").set("PATH", "/overridden");
    cohort::worker worker = co_await primary.cluster().co_fork(variables);
    const cohort::exit_status status = co_await worker.exited();
    CHECK(status.success());
    // It never said hello, and its end was not announced.
    CHECK_FALSE(worker.exited_after_disconnect());
  });
  const auto lines = lines_of(path);
  CHECK(lines.count("argument an argument") == 2);
  CHECK(lines.count("directory " + place.path()) == 1);
  CHECK(lines.count("variable COHORT_TEST_VALUE=a=b ") == 1);
  CHECK(lines.count("variable PATH=/overridden") == 1);
  CHECK(lines.count("variable COHORT_WORKER_ID=1") == 1);
  // 0, 1, 2 and the two channels; the report itself is closed again.
  CHECK(lines.count("descriptors 5") == 1);
}

TEST_CASE("a silent worker writes to nowhere")
{
  for (const bool silent : {true, false}) {
    CAPTURE(silent);
    scratch_directory place;
    cluster_fixture primary(cohort::settings().silent(silent));
    primary.run([&]() -> awaitable<void> {
      cohort::worker worker = co_await primary.cluster().co_fork(report_to(place.file("report")));
      co_await worker.exited();
    });
    const auto lines = lines_of(place.file("report"));
    std::error_code error;
    for (const std::string number : {"1", "2"}) {
      const std::string own = std::filesystem::read_symlink("/proc/self/fd/" + number, error);
      CHECK(lines.count("stream " + number + ' ' + (silent ? "/dev/null" : own)) == 1);
    }
  }
}

TEST_CASE("a launcher is put before the program and gets the worker's id")
{
  scratch_directory place;
  std::vector<std::string> launcher;
  for (const char* word : {"/usr/bin/env", "COHORT_TEST_LAUNCHED=by {id} for {id}"})
    launcher.push_back(word);
  cluster_fixture primary(cohort::settings().exec_argv(launcher));
  primary.run([&]() -> awaitable<void> {
    for (const std::string number : {"1", "2"}) {
      cohort::worker worker = co_await primary.cluster().co_fork(report_to(place.file(number)));
      const cohort::exit_status status = co_await worker.exited();
      CHECK(status.success());
      const auto lines = lines_of(place.file(number));
      CHECK(lines.count("variable COHORT_TEST_LAUNCHED=by " + number + " for " + number) == 1);
      CHECK(lines.count("variable COHORT_WORKER_ID=" + number) == 1);
    }
    // A cluster works through a launcher as well.
    co_await primary.start();
    co_await primary.end();
  });
}

TEST_CASE("settings change for later forks, one by one")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto setups = cluster.subscribe<cohort::setup_event>();
    cluster.setup(cohort::settings().cwd("/"));
    cluster.setup(cohort::settings().silent(true));
    CHECK(cluster.current_settings().cwd() == "/");
    CHECK(cluster.current_settings().silent());
    const cohort::setup_event first = co_await setups.next();
    CHECK(first.settings.cwd() == "/");
    CHECK_FALSE(first.settings.silent());
    const cohort::setup_event second = co_await setups.next();
    CHECK(second.settings.cwd() == "/");
    CHECK(second.settings.silent());
    primary.destroy_cluster();
  });
}

TEST_CASE("a signal sent right after the start reaches the child, a thousand times of a thousand")
{
  constexpr int starts = 1000;
  constexpr int at_a_time = 20;
  cluster_fixture primary(cohort::settings().silent(true));
  int signalled = 0;
  primary.run(
      [&]() -> awaitable<void> {
        for (int i = 0; i != starts / at_a_time; ++i) {
          std::vector<cohort::worker> workers;
          while (workers.size() != at_a_time) {
            // Inside the completion of the fork, with nothing in between.
            cohort::worker worker = co_await primary.cluster().co_fork(role("mute"));
            worker.kill(SIGTERM);
            workers.push_back(worker);
          }
          for (cohort::worker& each : workers) {
            const cohort::exit_status status = co_await each.exited();
            signalled += status.signal() == SIGTERM;
          }
        }
      },
      std::chrono::seconds(60));
  CHECK(signalled == starts);
}

TEST_CASE("co_fork_all starts one worker for each processor")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    cluster.setup(cohort::settings().exec("/bin/sleep").args({"100"}));
    const std::vector<cohort::worker> workers = co_await cluster.co_fork_all();
    CHECK(workers.size() == cohort::available_parallelism());
    CHECK(cluster.workers().size() == workers.size());
    cluster.kill(SIGKILL);
    co_await cluster.idle();
    CHECK(cluster.workers().empty());
  });
}

TEST_CASE("a newer program at the same place is taken, also when it came before the first fork")
{
  namespace fs = std::filesystem;
  const scratch_directory scratch;
  const std::string path = scratch.file("program");
  std::error_code other_device;
  const std::string self = cohort::detail::posix::executable_path();
  fs::create_hard_link(self, path, other_device);
  if (other_device) fs::copy_file(self, path);
  std::ofstream(path + ".new") << "#!/bin/sh\necho newer\n";
  fs::permissions(path + ".new", fs::perms::owner_all);
  std::vector<std::string> words(1, "/usr/bin/env");
  words.push_back("COHORT_TEST_ROLE_PLAIN=1");
  words.push_back("COHORT_TEST_ROLE=replaced");
  words.push_back("COHORT_TEST_PATH=" + path);
  words.push_back(path);
  program one(words);
  CHECK(one.line() == "newer");
  CHECK(one.line() == "worker exited with code 0");
  CHECK(one.wait() == 0);
}

} // namespace start_test
