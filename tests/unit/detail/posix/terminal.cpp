// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/posix/terminal.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace terminal_test {

namespace {

// What a process in a session of its own finds: 0, or 1 when it has a terminal.
int found_in_session(bool opens_terminal)
{
  const pid_t child = ::fork();
  REQUIRE(child != -1);
  if (child == 0) {
    ::setsid();
    if (opens_terminal) {
      const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      if (::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) ::_exit(99);
      // The first one that is opened is that of the session.
      if (::open(::ptsname(terminal), O_RDWR | O_CLOEXEC) == -1) ::_exit(98);
    }
    ::_exit(cohort::detail::posix::has_terminal() ? 1 : 0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_CASE("a session has a terminal once it has opened one")
{
  CHECK(found_in_session(false) == 0);
  CHECK(found_in_session(true) == 1);
}

} // namespace terminal_test
