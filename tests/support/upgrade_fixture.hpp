// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/machine.hpp>

#include "support/client.hpp"
#include "support/context_fixture.hpp"
#include "support/fated_program.hpp"
#include "support/foster_parent.hpp"
#include "support/kept_port.hpp"
#include "support/load_client.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <asio/awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <vector>

namespace cohort_test {

/// 20, or more for who has the time.
inline int upgrades_in_a_row()
{
  const char* const said = std::getenv("COHORT_TEST_UPGRADES");
  return said ? std::atoi(said) : 20;
}

/// Programs of the role "upgraded", each of which replaces the one before it.
struct upgrade_fixture : context_fixture {
  explicit upgrade_fixture(const std::string& policy = "rr",
      const std::vector<std::string>& more = {}, const std::string& listen = "",
      std::chrono::milliseconds deadline = std::chrono::seconds(20))
      : program("upgraded", variables(policy, more, listen, deadline))
  {
    serving = started();
  }
  ~upgrade_fixture()
  {
    // A failed test leaves one.
    if (serving != 0 && serving != program.pid()) ::kill(serving, SIGKILL);
    while (::waitpid(serving, nullptr, WNOHANG) > 0) continue;
  }

  std::vector<std::string> variables(const std::string& policy, std::vector<std::string> all,
      const std::string& listen, std::chrono::milliseconds deadline)
  {
    std::filesystem::create_symlink(cohort::detail::posix::executable_path(), next());
    all.push_back("COHORT_TEST_POLICY=" + policy);
    all.push_back("COHORT_TEST_DEADLINE=" + std::to_string(deadline.count()));
    all.push_back("COHORT_TEST_LISTEN=" + (listen.empty() ? port.text() : listen));
    all.push_back("COHORT_TEST_LOG=" + scratch.file("log"));
    all.push_back("COHORT_TEST_STEPS=200 1000 600000");
    all.push_back("COHORT_TEST_PID_FILE=" + scratch.file("pid"));
    all.push_back("COHORT_TEST_PROGRAM=" + next());
    all.push_back("COHORT_TEST_FATE=" + scratch.file("fate"));
    return all;
  }

  /// The path of the next program.
  std::string next() const { return scratch.file("next"); }
  void set_fate(const std::string& fate) { std::ofstream(scratch.file("fate")) << fate; }

  /// The next line has to begin like this; the rest of it.
  std::string told(const std::string& begin)
  {
    const std::string said = program.line();
    REQUIRE_MESSAGE(said.starts_with(begin), said);
    return said.substr(begin.size());
  }
  pid_t started() { return std::stoi(told("started ")); }

  /// Replaces the program that serves, and waits until it has ended.
  void upgrade()
  {
    const pid_t before = serving;
    ::kill(before, SIGUSR2);
    serving = started();
    told("counted ");
    CHECK(told("over ") == std::to_string(before));
    CHECK(wait(before) == 0);
    until_known();
  }
  /// It does not let itself be replaced before it has heard that it counts.
  void until_known() const
  {
    const auto knows = [&] { return first_word(scratch.file("pid")) == std::to_string(serving); };
    REQUIRE(soon(knows));
  }
  void fail_to_upgrade(const std::string& why)
  {
    ::kill(serving, SIGUSR2);
    const std::string said = told("failed upgrade: ");
    CHECK_MESSAGE(said.find(why) != said.npos, said);
  }
  void end()
  {
    ::kill(serving, SIGTERM);
    counted = told("counted ");
    CHECK(told("over ") == std::to_string(serving));
    CHECK(wait(serving) == 0);
    serving = 0;
    CHECK(program.line() == "");
    CHECK(program.errors() == "");
    CHECK_FALSE(std::filesystem::exists(scratch.file("pid")));
  }
  int wait(pid_t pid) { return pid == program.pid() ? program.wait() : program::wait_for(pid); }

  /// Lets `change()` happen under the load of these clients, and until so many more requests are
  /// answered.
  template <class Change>
  void under_load(connections kind, Change change, const address& where)
  {
    load_report report;
    run(
        [&]() -> awaitable<void> {
          load_client load(context, where, 6, kind);
          load.start();
          co_await load.finished(200);
          co_await in_thread(change);
          co_await load.finished(200);
          co_await load.stop();
          report = load.report();
        },
        std::chrono::seconds(120) * std::max(1, upgrades_in_a_row() / 20));
    report.compare(served_requests(scratch.file("log")));
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
  }
  template <class Change>
  void under_load(connections kind, Change change)
  {
    under_load(kind, change, address::tcp4(port.number()));
  }

  foster_parent parent;
  kept_port port;
  scratch_directory scratch;
  role_program program;
  pid_t serving = 0;
  // What the last program has counted in the end.
  std::string counted;
};

} // namespace cohort_test
