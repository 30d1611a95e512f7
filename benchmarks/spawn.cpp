// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What starting a process costs, beside fork and exec as everybody writes them: once with a small
// parent, once with one that has 1 GiB of touched memory. Measured are the time until the program
// runs (it ends at once, and its end is waited for) and the time the caller is held up.

#include <cohort/detail/posix/child.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace posix = cohort::detail::posix;

namespace {

constexpr int rounds = 5;
constexpr int starts_per_round = 21;
constexpr std::size_t gibibyte = std::size_t(1) << 30;
char* const program[] = {const_cast<char*>("/bin/true"), nullptr};

struct sample {
  double returned;
  double seen;
};

double microseconds_since(std::chrono::steady_clock::time_point start)
{
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
      .count();
}

// Returns when the program has been executed: the end of the pipe that exec closes shows it.
sample fork_and_exec()
{
  const auto start = std::chrono::steady_clock::now();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  const pid_t pid = ::fork();
  if (pid == 0) {
    char* const environment[] = {nullptr};
    ::execve(program[0], program, environment);
    ::_exit(127);
  }
  ::close(ends[1]);
  char byte;
  if (::read(ends[0], &byte, 1) != 0) std::abort();
  const double returned = microseconds_since(start);
  ::close(ends[0]);
  if (!posix::wait(-1, pid).success()) std::abort();
  return {returned, microseconds_since(start)};
}

sample start_child()
{
  posix::child_options options;
  options.path = program[0];
  const auto start = std::chrono::steady_clock::now();
  std::error_code ec;
  const auto child = posix::start_child(options, ec);
  const double returned = microseconds_since(start);
  if (ec || !posix::wait(child.pidfd.get(), child.pid).success()) std::abort();
  return {returned, microseconds_since(start)};
}

double median(std::vector<double> values)
{
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void measure(sample (*start)(), std::vector<double> (&times)[2])
{
  for (int i = 0; i != starts_per_round; ++i) {
    const sample result = start();
    if (i == 0) continue;
    times[0].push_back(result.returned);
    times[1].push_back(result.seen);
  }
}

void compare(const char* scenario)
{
  std::vector<double> ours[2], theirs[2];
  // In turn, so that whatever else the machine does hits both; but several at a time, since a fork
  // of much memory uses up the time slice that the next start needs.
  for (int round = 0; round != rounds; ++round) {
    measure(start_child, ours);
    measure(fork_and_exec, theirs);
  }
  const char* const metrics[] = {"start to executed", "start to reaped"};
  for (std::size_t i = 0; i != 2; ++i) {
    const double x = median(ours[i]), y = median(theirs[i]);
    std::printf(
        "%s | %s | us | %.0f | fork+exec | %.0f | %.2f\n", scenario, metrics[i], x, y, y / x);
  }
}

} // namespace

int main()
{
  compare("spawn, small parent");
  void* const memory =
      ::mmap(nullptr, gibibyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("1 GiB of memory");
    return 1;
  }
  // As a heap has it: in small pages.
  ::madvise(memory, gibibyte, MADV_NOHUGEPAGE);
  for (std::size_t at = 0; at < gibibyte; at += 4096) static_cast<char*>(memory)[at] = 1;
  compare("spawn, parent with 1 GiB");
}
