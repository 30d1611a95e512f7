// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a cluster and its workers write to stderr with COHORT_DEBUG=cluster.

#include "support/role_program.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <sstream>
#include <string>
#include <vector>

namespace node_life_log {

using namespace cohort_test;
using strings = std::vector<std::string>;

namespace {

// Its lines by who wrote them, with names for the numbers of the processes.
struct log {
  explicit log(const std::string& text)
  {
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
      const auto comma = line.find(',');
      REQUIRE_MESSAGE(comma != line.npos, line);
      const std::string pid = line.substr(0, comma);
      const std::string rest = line.substr(comma + 1);
      const bool of_primary = rest.starts_with("Primary ");
      auto& process = of_primary ? primary_pid : worker_pid;
      if (process.empty()) process = pid;
      CHECK(process == pid);
      (of_primary ? primary : worker).push_back(rest);
    }
    CHECK(primary_pid != worker_pid);
    for (std::string& line : primary) {
      const auto at = line.find("Worker " + worker_pid);
      if (!worker_pid.empty() && at != line.npos) line.replace(at + 7, worker_pid.size(), "PID");
    }
  }

  std::string primary_pid, worker_pid;
  strings primary, worker;
};

} // namespace

TEST_CASE("the life of a cluster that is ended by a signal is written down by both sides")
{
  role_program program("run", "COHORT_DEBUG=net,cluster");
  const int port = program.number("listening");
  program.signal(SIGTERM);
  CHECK(program.wait() == 0);
  const log said(program.errors());
  CHECK(said.primary == strings{"Primary setup", "Primary Worker PID forked",
                            "Primary Worker PID online",
                            "Primary Worker PID listening on 127.0.0.1:" + std::to_string(port),
                            "Primary Worker PID ready", "Primary Worker PID disconnected",
                            "Primary Worker PID exited with code 0"});
  CHECK(said.worker == strings{"Worker 1 drains"});
}

TEST_CASE("a worker that loses its primary says so")
{
  role_program program("run", "COHORT_DEBUG=cluster");
  program.number("listening");
  program.signal(SIGKILL);
  // The end of stderr is that of the worker, too.
  const log said(program.errors());
  CHECK(said.primary.size() == 5);
  CHECK(said.worker == strings{"Worker 1 lost its primary"});
  CHECK(program.wait() == 128 + SIGKILL);
}

TEST_CASE("nobody who did not ask is told")
{
  role_program program("run", "COHORT_DEBUG=clusters");
  program.number("listening");
  program.signal(SIGTERM);
  CHECK(program.wait() == 0);
  CHECK(program.errors().empty());
}

} // namespace node_life_log
