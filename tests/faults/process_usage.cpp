// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What a process uses, on kernels that do not count its descriptors, and where it cannot be seen.

#include "support/event_loop.hpp"
#include "support/failing_system_calls.hpp"
#include "support/sleeping_process.hpp"

#include <cohort/detail/io/usage_probe.hpp>
#include <cohort/detail/posix/process_usage.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace process_usage_faults {

using cohort_test::call;
using cohort_test::faults;
using namespace cohort::detail;
using namespace std::chrono_literals;

TEST_CASE("descriptors are counted one by one where the kernel does not count them")
{
  faults faults;
  std::error_code error;
  // More than fit in one look at the directory.
  std::vector<posix::unique_fd> more;
  for (int i = 0; i != 700; ++i) more.emplace_back(::dup(0));
  faults.fail(call::fstat, 1, ENOSYS);
  const std::uint64_t counted = posix::open_descriptors(::getpid(), error);
  CHECK(!error);
  CHECK(faults.count(call::getdents64) > 2);
  more.clear();
  faults.fail(call::fstat, 1, ENOSYS);
  CHECK(posix::open_descriptors(::getpid(), error) == counted - 700);
}

TEST_CASE("whichever call fails is an error, but for one that only saves time")
{
  for (const call kind : {call::open, call::read}) {
    faults faults;
    std::error_code error;
    faults.fail(kind, 1, EIO);
    CHECK(posix::resident_memory(::getpid(), error) == 0);
    CHECK(error == std::errc::io_error);
    posix::resident_memory(::getpid(), error);
    CHECK(!error);
  }
  for (const call kind : {call::open, call::getdents64}) {
    faults faults;
    std::error_code error;
    faults.fail(call::fstat, 1, ENOSYS, 2);
    faults.fail(kind, 1, EMFILE);
    posix::open_descriptors(::getpid(), error);
    CHECK(error == std::errc::too_many_files_open);
    posix::open_descriptors(::getpid(), error);
    CHECK(!error);
  }
}

TEST_CASE("that a process cannot be seen is told once, until it can be seen again")
{
  asio::io_context context(1);
  bool ended = false;
  const auto sleeper = cohort_test::start_sleeping(
      context.get_executor(), [&](cohort::exit_status) { ended = true; });
  const auto now = std::chrono::steady_clock::now();
  io::usage_probe probe(1s);
  faults faults;
  const auto look = [&] { return probe.look(*sleeper, now); };
  CHECK(!look());
  // The second file is the directory.
  for (int i = 0; i != 2; ++i) {
    faults.fail(call::open, 2, EACCES);
    CHECK(look() == (i == 0 ? std::errc::permission_denied : std::errc()));
    CHECK(probe.last().memory);
    CHECK_FALSE(probe.last().descriptors);
  }
  faults.fail(call::open, 1, EMFILE, 2);
  CHECK(!look());
  CHECK_FALSE(probe.last().memory);
  CHECK(!look());
  CHECK(probe.last().memory);
  CHECK(probe.last().descriptors);
  faults.fail(call::open, 1, EMFILE);
  CHECK(look() == std::errc::too_many_files_open);
  faults.reset();
  std::error_code error;
  sleeper->signal(SIGKILL, error);
  CHECK(cohort_test::run_until(context, [&] { return ended; }));
}

} // namespace process_usage_faults
