// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/pidfd.hpp>

#include <doctest/doctest.h>

#include "support/skip.hpp"

#include <ostream>
#include <poll.h>

namespace pidfd_test {

using namespace cohort::detail::posix;
using cohort::exit_status;

namespace {

// A child that waits for a signal, or ends at once with a code.
pid_t make_child(int code = -1)
{
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (code >= 0) ::_exit(code);
  for (;;) ::pause();
}

void until_ended(pid_t pid)
{
  siginfo_t info;
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
}

} // namespace

TEST_CASE("a pidfd is CLOEXEC, becomes readable at the end, and reaps with the status")
{
  const pid_t pid = make_child();
  std::error_code ec;
  const auto pidfd = open_pidfd(pid, ec);
  if (ec == std::errc::function_not_supported) {
    ::kill(pid, SIGKILL);
    wait(-1, pid);
    return cohort_test::skip("no pidfds");
  }
  REQUIRE(!ec);
  CHECK(::fcntl(pidfd.get(), F_GETFD) == FD_CLOEXEC);
  pollfd entry{pidfd.get(), POLLIN, 0};
  CHECK(::poll(&entry, 1, 0) == 0);
  CHECK(!try_wait(pidfd.get(), pid));

  send_signal(pidfd.get(), pid, SIGTERM, ec);
  CHECK(!ec);
  REQUIRE(::poll(&entry, 1, 10'000) == 1);
  CHECK(try_wait(pidfd.get(), pid) == exit_status::signalled(SIGTERM));
  send_signal(pidfd.get(), pid, SIGTERM, ec);
  CHECK(ec == std::errc::no_such_process);
  CHECK(try_wait(pidfd.get(), pid) == exit_status());
}

TEST_CASE("exit codes come as they were given")
{
  for (const int code : {0, 1, 127, 255}) {
    const pid_t pid = make_child(code);
    std::error_code ec;
    const auto pidfd = open_pidfd(pid, ec);
    CHECK(wait(pidfd.get(), pid) == exit_status::exited(code));
  }
}

TEST_CASE("without a pidfd the number names the child")
{
  const pid_t pid = make_child();
  CHECK(!try_wait(-1, pid));
  std::error_code ec;
  send_signal(-1, pid, SIGKILL, ec);
  CHECK(!ec);
  until_ended(pid);
  // Not reaped yet: the number is still its own.
  send_signal(-1, pid, SIGKILL, ec);
  CHECK(!ec);
  CHECK(try_wait(-1, pid) == exit_status::signalled(SIGKILL));
  send_signal(-1, pid, SIGKILL, ec);
  CHECK(ec == std::errc::no_such_process);
}

TEST_CASE("a child that somebody else reaped has an unknown status")
{
  const pid_t pid = make_child(3);
  std::error_code ec;
  const auto pidfd = open_pidfd(pid, ec);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  const auto status = try_wait(pidfd.get(), pid);
  REQUIRE(status);
  CHECK(!status->known());
  CHECK(!wait(pidfd.get(), pid).known());
}

TEST_CASE("a process that is not there has no pidfd")
{
  const pid_t pid = make_child(0);
  wait(-1, pid);
  std::error_code ec;
  CHECK(!open_pidfd(pid, ec));
  CHECK(ec);
}

} // namespace pidfd_test
