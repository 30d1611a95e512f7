// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "upgraded_at_random": a program that replaces itself, for `modelled_program`. Its
// environment, beside that of `load_server`:
//
//   COHORT_TEST_POLICY   rr or shared
//   COHORT_TEST_FILES    folder with: "program", what an upgrade starts; "workers", how many the
//                        program has when it begins; "fate", what becomes of a new program, see
//                        `meet_fate`, or half: a second group of it is never ready; and what the
//                        program writes, "pid" and "status"
//
// SIGRTMIN upgrades it as SIGUSR2 does, with a short deadline. It writes lines that begin with its
// process: "started", "signal N", "failed WHY" or "busy" for an upgrade, "hangs", "over".

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
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
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <system_error>
#include <unistd.h>
#include <variant>

namespace upgraded_at_random_role {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::ip::tcp;

namespace {

std::string file(const std::string& name) { return variable("COHORT_TEST_FILES") + '/' + name; }

// In one write, as several processes speak at once.
void say(const std::string& what)
{
  std::cout << std::to_string(::getpid()) + ' ' + what + '\n' << std::flush;
}

struct teller {
  void operator()(const cohort::signal_event& event) const
  {
    say("signal " + std::to_string(event.number));
  }
  void operator()(const cohort::error_event& event) const
  {
    if (event.code == cohort::error::busy) say("busy");
    else say("failed " + event.what + ": " + event.code.message());
  }
};

awaitable<void> tell(cohort::subscription<cohort::signal_event, cohort::error_event> all)
{
  for (;;) {
    const auto event = co_await all.next();
    std::visit(teller(), event);
  }
}

cohort::upgrade_options to_next(std::chrono::milliseconds deadline)
{
  return cohort::upgrade_options().program(file("program")).ready_deadline(deadline);
}

template <class Policy>
awaitable<void> upgrade_by_hand(cohort::supervisor<Policy>& master)
{
  asio::signal_set asked(master.get_executor(), SIGRTMIN);
  const auto how = to_next(200ms);
  for (;;) {
    co_await asked.async_wait(asio::use_awaitable);
    std::error_code told_as_event;
    co_await cohort::upgrade(master, how, asio::redirect_error(asio::use_awaitable, told_as_event));
  }
}

// Whether this program is to be ready only in part.
bool is_half = false;

template <class Policy>
awaitable<void> supervise(cohort::supervisor<Policy>& master)
{
  const listen_spec where(variable("COHORT_TEST_LISTEN"));
  // Whatever is killed follows soon, and nothing is given up.
  const auto policy =
      cohort::restart_policy().backoff(1ms, 5ms).intensity(1'000, 60s).boot_failures(1'000);
  cohort::group web("web");
  web.workers(static_cast<unsigned>(std::stoul(first_word(file("workers"))))).restarts(policy);
  web.listen(tcp::endpoint(asio::ip::make_address(where.host), where.port));
  master.add(web);
  if (is_half) master.add(cohort::group("never").workers(1).program("/bin/sleep", {"1000"}));
  asio::co_spawn(master.get_executor(),
      tell(master.template subscribe<cohort::signal_event, cohort::error_event>()), asio::detached);
  asio::co_spawn(master.get_executor(), upgrade_by_hand(master), asio::detached);
  const auto tell_start = [] { say("started"); };
  // When it runs, and so acts on signals.
  asio::post(master.get_executor(), tell_start);
  co_await master.run();
  say("over");
}

} // namespace

COHORT_TEST_WORKER_ROLE(upgraded_at_random)
{
  if (cohort::is_primary()) {
    // Without a terminal SIGWINCH counts.
    ::setsid();
    const std::string fate = is_new_program() ? first_word(file("fate")) : "";
    if (fate == "hang") say("hangs");
    meet_fate(fate);
    is_half = fate == "half";
  }
  const auto how = cohort::supervisor_options()
                       .upgrade(to_next(60s))
                       .pid_file(file("pid"))
                       .status_file(file("status"), 5ms);
  if (variable("COHORT_TEST_POLICY") == "shared")
    return cohort::run(argc, argv, supervise<cohort::shared>, serve_load, how);
  return cohort::run(argc, argv, supervise<cohort::round_robin>, serve_load, how);
}

} // namespace upgraded_at_random_role
