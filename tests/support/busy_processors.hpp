// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/machine.hpp>

#include <csignal>
#include <cstddef>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace cohort_test {

/// Keeps every processor that this process may use busy, each with two processes that want it all,
/// as long as it lives.
class busy_processors {
public:
  busy_processors()
  {
    const pid_t self = ::getpid();
    for (unsigned i = 0; i != 2 * cohort::detail::posix::available_cpus(); ++i) {
      const pid_t child = ::fork();
      if (child == 0) spin(self);
      if (child > 0) children_.push_back(child);
    }
  }
  ~busy_processors()
  {
    for (const pid_t each : children_) ::kill(each, SIGKILL);
    for (const pid_t each : children_) ::waitpid(each, nullptr, 0);
  }
  busy_processors(const busy_processors&) = delete;
  busy_processors& operator=(const busy_processors&) = delete;

  std::size_t size() const noexcept { return children_.size(); }

private:
  [[noreturn]] static void spin(pid_t parent)
  {
    // It ends with the test, however that ends.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(0);
    // What the test has open is not to stay open by this.
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    ::alarm(0);
    for (volatile bool on = true; on;) {
    }
    ::_exit(0);
  }

  std::vector<pid_t> children_;
};

} // namespace cohort_test
