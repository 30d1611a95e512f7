// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cohort_benchmark {

[[noreturn]] inline void fail(const std::string& what)
{
  std::cerr << "benchmark: " << what << '\n';
  std::exit(1);
}

/// Processor time in nanoseconds a process has used so far, all its threads together.
inline double cpu_time(pid_t pid)
{
  clockid_t clock;
  timespec time;
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0)
    fail("a server has ended");
  return 1e9 * double(time.tv_sec) + double(time.tv_nsec);
}

/// One field of /proc/PID/smaps_rollup, in KiB.
inline double memory(pid_t pid, const std::string& field)
{
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(field + ":")) return std::atof(line.c_str() + field.size() + 1);
  fail("no " + field + " in smaps_rollup");
}

/// A server under measurement: a primary, which prints the ready line, and its workers.
class server_process {
public:
  explicit server_process(std::vector<std::string> command);
  server_process(server_process&& other) noexcept
      : primary_(std::exchange(other.primary_, 0)),
        port_(other.port_),
        workers_(std::move(other.workers_))
  {
  }
  ~server_process();

  std::uint16_t port() const noexcept { return port_; }
  const std::vector<pid_t>& workers() const noexcept { return workers_; }

  double primary_time() const { return cpu_time(primary_); }
  double total_time() const;

private:
  pid_t primary_ = 0;
  std::uint16_t port_ = 0;
  std::vector<pid_t> workers_;
};

// Implementation

inline server_process::server_process(std::vector<std::string> command)
{
  std::vector<char*> arguments;
  for (std::string& each : command) arguments.push_back(each.data());
  arguments.push_back(nullptr);
  int output[2];
  if (::pipe(output) != 0) fail("pipe");
  primary_ = ::fork();
  if (primary_ == 0) {
    // Whatever becomes of the benchmark, no server stays.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(output[1], STDOUT_FILENO);
    ::close(output[0]);
    ::close(output[1]);
    ::execvp(arguments[0], arguments.data());
    std::_Exit(127);
  }
  ::close(output[1]);
  std::string line;
  for (char c; ::read(output[0], &c, 1) == 1 && c != '\n';) line += c;
  ::close(output[0]);
  std::istringstream fields(line);
  std::string word;
  fields >> word >> port_;
  for (pid_t pid; fields >> pid;) workers_.push_back(pid);
  if (word != "ready" || workers_.empty()) fail("did not start: " + command[0]);
}

inline server_process::~server_process()
{
  if (primary_ == 0) return;
  ::kill(primary_, SIGTERM);
  ::waitpid(primary_, nullptr, 0);
}

inline double server_process::total_time() const
{
  double sum = primary_time();
  for (const pid_t pid : workers_) sum += cpu_time(pid);
  return sum;
}

} // namespace cohort_benchmark
