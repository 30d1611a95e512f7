// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Signals that change how many workers there are, sent to a program that uses cohort::run with a
// supervisor: role "scaled_run". Its environment, beside that of `load_server`:
//
//   COHORT_TEST_RUN  nothing, or: terminal (it has one)
//
// It writes "GROUP READY/WORKERS" whenever that changes, and "signal N". Its groups: "web" with 2
// workers, "few" with 2 that may be 1 to 3, and "daemon" with 1.

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/supervisor.hpp>

#include "support/context_fixture.hpp"
#include "support/kept_port.hpp"
#include "support/load_client.hpp"
#include "support/load_server.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"

#include <asio/detached.hpp>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <set>
#include <string>
#include <unistd.h>
#include <variant>

namespace scaling_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;

// The program.

struct teller {
  void operator()(const cohort::ready_count_event& event) const
  {
    std::cout << event.group << ' ' << event.ready << '/' << event.workers << std::endl;
  }
  void operator()(const cohort::signal_event& event) const
  {
    std::cout << "signal " << event.number << std::endl;
  }
};

awaitable<void> tell(cohort::subscription<cohort::ready_count_event, cohort::signal_event> all)
{
  for (;;) {
    const auto event = co_await all.next();
    std::visit(teller(), event);
  }
}

awaitable<void> supervise(cohort::supervisor<>& master)
{
  const listen_spec where(variable("COHORT_TEST_LISTEN"));
  cohort::group web("web");
  web.workers(2).listen(tcp::endpoint(asio::ip::make_address(where.host), where.port));
  master.add(web);
  master.add(cohort::group("few").workers(2).scalable(1, 3));
  master.add(cohort::group("daemon").workers(1));
  asio::co_spawn(master.get_executor(),
      tell(master.subscribe<cohort::ready_count_event, cohort::signal_event>()), asio::detached);
  co_await master.run();
}

awaitable<void> serve(cohort::this_worker& self)
{
  if (self.group() == "web") co_await serve_load(self);
  else {
    self.ready();
    co_await self.drain_requested();
  }
}

COHORT_TEST_WORKER_ROLE(scaled_run)
{
  // A session of its own has no terminal, but the first one that is opened in it.
  if (cohort::is_primary()) ::setsid();
  if (cohort::is_primary() && variable("COHORT_TEST_RUN") == "terminal") {
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (::grantpt(terminal) != 0 || ::unlockpt(terminal) != 0) return 99;
    if (::open(::ptsname(terminal), O_RDWR | O_CLOEXEC) == -1) return 98;
  }
  return cohort::run(argc, argv, supervise, serve, cohort::supervisor_options());
}

// The tests.

struct fixture : context_fixture {
  explicit fixture(const std::string& what = "")
      : program("scaled_run", {"COHORT_TEST_RUN=" + what, "COHORT_TEST_LISTEN=" + port.text(),
                                  "COHORT_TEST_LOG=" + scratch.file("log")})
  {
  }

  /// Reads on until all of these were said.
  void told(std::set<std::string> lines)
  {
    while (!lines.empty()) {
      const std::string said = program.line();
      REQUIRE_MESSAGE(!said.empty(), "the program has ended before ", *lines.begin());
      lines.erase(said);
    }
  }
  /// Sends the signal, and reads until it was acted on and all of these were said. Signals that
  /// come together would be acted on in another order.
  void after(int number, std::set<std::string> lines)
  {
    program.signal(number);
    lines.insert("signal " + std::to_string(number));
    told(lines);
  }
  /// Everything else that was said until the program has ended.
  std::set<std::string> end()
  {
    program.signal(SIGTERM);
    std::set<std::string> rest;
    for (std::string said = program.line(); !said.empty(); said = program.line()) rest.insert(said);
    CHECK(program.wait() == 0);
    CHECK(program.errors() == "");
    return rest;
  }

  /// Changes something under load; no request may fail.
  template <class Change>
  void under_load(Change change)
  {
    load_report report;
    run(
        [&]() -> awaitable<void> {
          load_client load(context, address::tcp4(port.number()), 6);
          load.start();
          co_await load.finished(100);
          co_await in_thread(change);
          co_await load.finished(100);
          co_await load.stop();
          report = load.report();
        },
        60s);
    report.compare(served_requests(scratch.file("log")));
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
  }

  kept_port port;
  scratch_directory scratch;
  role_program program;
};

TEST_CASE("SIGTTIN gives each group a worker that may have one, SIGTTOU takes one, and no request "
          "is lost")
{
  fixture test;
  test.told({"web 2/2", "few 2/2", "daemon 1/1"});
  test.under_load([&] {
    test.after(SIGTTIN, {"web 3/3", "few 3/3"});
    test.after(SIGTTIN, {"web 4/4"});
    test.after(SIGTTOU, {"web 3/3", "few 2/2"});
    test.after(SIGTTOU, {"web 2/2", "few 1/1"});
    test.after(SIGTTOU, {"web 1/1"});
    test.after(SIGTTOU, {});
    test.after(SIGTTIN, {"web 2/2", "few 2/2"});
  });
  test.end();
}

TEST_CASE("workers leave SIGTTIN and SIGTTOU to the primary when the whole group gets them")
{
  fixture test;
  test.told({"web 2/2", "few 2/2", "daemon 1/1"});
  test.program.signal_group(SIGTTIN);
  test.told({"web 3/3", "few 3/3"});
  test.program.signal_group(SIGTTOU);
  test.told({"web 2/2", "few 2/2"});
  test.under_load([] {});
  test.end();
}

TEST_CASE(
    "after SIGWINCH clients wait, until SIGHUP or SIGTTIN brings as many workers as there were")
{
  fixture test;
  test.told({"web 2/2", "few 2/2", "daemon 1/1"});
  test.after(SIGTTIN, {"web 3/3", "few 3/3"});
  for (const int back : {SIGHUP, SIGTTIN}) {
    test.under_load([&] {
      test.after(SIGWINCH, {"web 0/0", "few 0/0", "daemon 0/0"});
      // Once more is no more.
      test.after(SIGWINCH, {});
      test.after(SIGTTOU, {});
      test.after(back, {"web 3/3", "few 3/3", "daemon 1/1"});
    });
  }
  test.after(SIGWINCH, {"web 0/0", "few 0/0", "daemon 0/0"});
  CHECK(test.end() == std::set<std::string>{"signal 15"});
}

TEST_CASE("SIGWINCH of a terminal lets no worker leave")
{
  fixture test("terminal");
  test.told({"web 2/2", "few 2/2", "daemon 1/1"});
  test.after(SIGWINCH, {});
  test.after(SIGTTIN, {"web 3/3", "few 3/3"});
  CHECK_FALSE(test.end().contains("daemon 1/1"));
}

} // namespace scaling_test
