// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A worker with everything that settings can ask for, with every call of its start failing once.

#include "support/failing_system_calls.hpp"
#include "support/no_messages.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"

#include <cohort/detail/core/cluster_core.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace fork_faults {

using namespace cohort;
using cohort_test::call;
using cohort_test::faults;

namespace {

using core_type = detail::cluster_core<round_robin>;

settings everything()
{
  settings how = settings().exec("/bin/sleep").args({"100"}).exec_argv({"/usr/bin/env"}).cwd("/");
  how.stdio({stdio::pipe(), stdio::pipe(), stdio::null(), stdio::pipe(), stdio::descriptor(0)});
  how.uid(12345).gid(23456).groups({7, 9}).no_new_privs(true);
  how.limit(resource_limit(resource::core, 0)).process_group(process_group::own);
  return how;
}

bool has_no_child()
{
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

struct cluster_test {
  cluster_test()
      : core(std::make_shared<core_type>(
            context.get_executor(), everything(), round_robin(), cohort_test::no_messages())),
        events(core->events().subscribe<fork_event, setup_event>(context.get_executor()))
  {
    events->events().add([this](std::error_code error, const auto&) { told = !error; });
  }
  ~cluster_test() { core->close(); }

  // Until no worker is left.
  void end()
  {
    core->kill(SIGKILL);
    CHECK(cohort_test::run_bounded(context, [this] { return core->idle(); }));
  }

  asio::io_context context{1};
  // With it the context opens what it waits by.
  asio::steady_timer timer{context};
  std::shared_ptr<core_type> core;
  std::shared_ptr<detail::subscriber_of<fork_event, setup_event>> events;
  bool told = false;
};

// Forks with that call failing. What came of it: the error, and nothing else, or a worker.
std::error_code fork_with(cluster_test& test, call kind, unsigned nth, int code, bool& reached)
{
  std::error_code error;
  const std::size_t before = cohort_test::count_descriptors();
  {
    faults faults;
    faults.fail(kind, nth, code);
    const auto worker = test.core->fork(environment(), error);
    reached = faults.count(kind) >= nth;
    CHECK(static_cast<bool>(worker) == !error);
  }
  // If it was this call that failed: the kernel never refuses it.
  ::prctl(PR_SET_DUMPABLE, 1);
  if (error) {
    test.context.poll();
    test.context.restart();
    CHECK_FALSE(test.told);
    CHECK(test.core->workers().empty());
    CHECK(cohort_test::count_descriptors() == before);
    CHECK(has_no_child());
  } else {
    test.end();
  }
  return error;
}

} // namespace

TEST_CASE("whichever call of a fork fails, its error comes back, and nothing is left")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  for (const int code : {EMFILE, EPERM}) {
    int failed = 0;
    bool reached = true;
    for (unsigned n = 1; reached; ++n) {
      cluster_test test;
      const std::error_code error = fork_with(test, call::any, n, code, reached);
      if (!error) continue;
      ++failed;
      CHECK(error == std::error_code(code, std::system_category()));
    }
    // The look at a descriptor, the channels, the null device, three pipes, the process, and what
    // it does before its exec.
    CHECK(failed >= 1 + 2 + 1 + 3 * 2 + 4 + 23);
  }
}

TEST_CASE("each kind of call that makes a worker what it is can be what fails")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  struct {
    call kind;
    unsigned nth;
  } const cases[] = {
      {call::fcntl, 1},
      {call::socketpair, 1},
      {call::socketpair, 2},
      {call::socketpair, 3},
      {call::pipe2, 1},
      {call::pipe2, 2},
      {call::pipe2, 3},
      {call::open, 1},
      {call::prctl, 1},
      {call::child_setpgid, 1},
      {call::child_prlimit, 1},
      {call::child_setgroups, 1},
      {call::child_setresgid, 1},
      {call::child_setresuid, 1},
      {call::child_getids, 1},
      {call::child_getids, 2},
      {call::child_getids, 3},
      {call::child_getgroups, 1},
      {call::child_getgroups, 2},
      {call::child_prctl, 1},
      {call::child_capset, 1},
      {call::child_capget, 1},
      {call::child_prctl, 2},
      {call::child_execve, 1},
  };
  for (const auto& item : cases) {
    CAPTURE(static_cast<int>(item.kind));
    CAPTURE(item.nth);
    cluster_test test;
    bool reached = false;
    CHECK(fork_with(test, item.kind, item.nth, EIO, reached) == std::errc::io_error);
    CHECK(reached);
    // The next one is as if nothing had been.
    CHECK_FALSE(fork_with(test, call::open, 1000, EIO, reached));
  }
}

} // namespace fork_faults
