// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "upgraded": a program that replaces itself, for `upgrade_fixture`. Its environment,
// beside that of `load_server`:
//
//   COHORT_TEST_POLICY    rr, shared or reuse_port
//   COHORT_TEST_PID_FILE  its pid file
//   COHORT_TEST_PROGRAM   what SIGUSR2 starts
//   COHORT_TEST_DEADLINE  how long that may take, in milliseconds
//   COHORT_TEST_FATE      file that says what becomes of a new program before it is ready: nothing,
//                         or exit, crash, hang, babble; deaf: it hangs, and does not end on
//                         SIGTERM, but on SIGUSR1; half: a second group of it is never ready
//   COHORT_TEST_SIGNALS   whether it tells of signals; not when empty
//
// It writes "started PID" ("deaf PID" where it is that), "failed TEXT" for each upgrade that does,
// "signal NUMBER PID", and at its end "counted WORKERS CONNECTIONS", all that were started and
// taken, and "over PID".

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/supervisor.hpp>
#include <cohort/upgrade.hpp>

#include "support/fated_program.hpp"
#include "support/listen_spec.hpp"
#include "support/load_server.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <unistd.h>

namespace upgraded_role {

using namespace cohort_test;
using asio::awaitable;
using asio::ip::tcp;

namespace {

// Ends when it is told in another way than usual.
[[noreturn]] void be_deaf()
{
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGTERM);
  sigaddset(&both, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &both, nullptr);
  std::cout << "deaf " << ::getpid() << std::endl;
  for (int heard = 0; heard != SIGUSR1; ::sigwait(&both, &heard))
    if (heard == SIGTERM) std::cout << "heard SIGTERM" << std::endl;
  std::cout << "ends" << std::endl;
  ::_exit(0);
}

// Whether this program is to replace another one.
bool is_new = false;

awaitable<void> tell_signals(cohort::subscription<cohort::signal_event> signals)
{
  for (;;) {
    const cohort::signal_event event = co_await signals.next();
    std::cout << "signal " << event.number << ' ' << ::getpid() << std::endl;
  }
}

awaitable<void> tell_failures(cohort::subscription<cohort::error_event> errors)
{
  for (;;) {
    const cohort::error_event event = co_await errors.next();
    std::cout << "failed " << event.what << ": " << event.code.message() << std::endl;
  }
}

void tell_start() { std::cout << "started " << ::getpid() << std::endl; }

template <class Policy>
awaitable<void> supervise(cohort::supervisor<Policy>& master)
{
  const listen_spec where(variable("COHORT_TEST_LISTEN"));
  cohort::group web("web");
  web.workers(2);
  if (where.is_unix_path) web.listen(cohort::unix_path(where.host));
  else if (where.is_path) web.listen(asio::local::stream_protocol::endpoint(where.host));
  else web.listen(tcp::endpoint(asio::ip::make_address(where.host), where.port));
  master.add(web);
  if (is_new && first_word(variable("COHORT_TEST_FATE")) == "half")
    master.add(cohort::group("never").workers(1).program("/bin/sleep", {"1000"}));
  asio::co_spawn(master.get_executor(),
      tell_failures(master.template subscribe<cohort::error_event>()), asio::detached);
  if (!variable("COHORT_TEST_SIGNALS").empty())
    asio::co_spawn(master.get_executor(),
        tell_signals(master.template subscribe<cohort::signal_event>()), asio::detached);
  // When it runs, and so acts on signals.
  asio::post(master.get_executor(), tell_start);
  co_await master.run();
  const cohort::totals all = master.totals();
  std::cout << "counted " << all.groups.front().counters.started << ' '
            << all.listeners.front().counters.taken << std::endl;
  std::cout << "over " << ::getpid() << std::endl;
}

template <class Policy>
int run_as(int argc, char** argv)
{
  const auto upgrade =
      cohort::upgrade_options()
          .program(variable("COHORT_TEST_PROGRAM"))
          .ready_deadline(std::chrono::milliseconds(std::stoi(variable("COHORT_TEST_DEADLINE"))));
  const auto how =
      cohort::supervisor_options().upgrade(upgrade).pid_file(variable("COHORT_TEST_PID_FILE"));
  return cohort::run(argc, argv, supervise<Policy>, serve_load, how);
}

COHORT_TEST_WORKER_ROLE(upgraded)
{
  is_new = cohort::is_primary() && is_new_program();
  const std::string fate = is_new ? first_word(variable("COHORT_TEST_FATE")) : "";
  if (fate == "deaf") be_deaf();
  meet_fate(fate);
  const std::string policy = variable("COHORT_TEST_POLICY");
  if (policy == "shared") return run_as<cohort::shared>(argc, argv);
  if (policy == "reuse_port") return run_as<cohort::reuse_port>(argc, argv);
  return run_as<cohort::round_robin>(argc, argv);
}

} // namespace

} // namespace upgraded_role
