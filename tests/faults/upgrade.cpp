// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A program that is to be replaced, with every call of the new one's start failing once.

#include "support/failing_system_calls.hpp"

#include <cohort/upgrade.hpp>

#include <cohort/message/json.hpp>

#include "support/event_loop.hpp"
#include "support/kept_port.hpp"
#include "support/new_program.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <sys/prctl.h>
#include <system_error>
#include <utility>

namespace upgrade_faults {

using namespace cohort;
using asio::ip::tcp;
using cohort_test::call;
using cohort_test::completion;
using cohort_test::count_descriptors;
using cohort_test::faults;
using cohort_test::new_program;

namespace {

// A supervisor that listens at two ports, with one program that knows nothing of clusters.
struct upgrade_test {
  upgrade_test()
  {
    group web("web");
    web.workers(1).program("/bin/sleep", {"1000"}).ready_when(readiness::started);
    web.listen(where).listen(tcp::endpoint(where.address(), more.number()));
    master->add(web);
    master->run(ended.handler());
    CHECK(attempt(call::any, 1'000'000, EIO).status == exit_status::exited(7));
    before = count_descriptors();
  }
  ~upgrade_test()
  {
    master.reset();
    CHECK(cohort_test::run_until(context, [] { return cohort_test::has_no_child(); }));
  }

  // How an upgrade ends whose new program ends, with that call of its start failing.
  upgrade_result attempt(call kind, unsigned nth, int code)
  {
    completion<upgrade_result> result;
    {
      faults faults;
      faults.fail(kind, nth, code);
      upgrade(*master, new_program("exit 7"), result.handler());
      reached = faults.count(kind) >= nth;
    }
    // If it was this call that failed: the kernel never refuses it.
    ::prctl(PR_SET_DUMPABLE, 1);
    CHECK(cohort_test::run_until(context, [&] { return result.done(); }));
    CHECK(result.times == 1);
    code_told = result.error;
    return result.value;
  }
  void serves()
  {
    cohort_test::run_ready(context);
    CHECK_FALSE(ended.done());
    CHECK(master->workers("web").size() == 1);
    {
      tcp::socket client(context);
      std::error_code error;
      client.connect(where, error);
      CHECK_MESSAGE(!error, error.message());
    }
    CHECK(count_descriptors() == before);
  }

  cohort_test::kept_port port, more;
  tcp::endpoint where{asio::ip::address_v4::loopback(), port.number()};
  asio::io_context context{1};
  std::optional<supervisor<>> master{
      std::in_place, context, supervisor_options().handle_signals(false)};
  completion<> ended;
  std::size_t before = 0;
  bool reached = false;
  std::error_code code_told;
};

} // namespace

TEST_CASE("whichever call of an upgrade's start fails, this program serves on, and nothing is left")
{
  for (const int code : {EMFILE, EPERM}) {
    upgrade_test test;
    unsigned failed = 0;
    test.reached = true;
    for (unsigned n = 1; test.reached; ++n) {
      CAPTURE(n);
      const upgrade_result result = test.attempt(call::any, n, code);
      test.serves();
      CHECK(test.code_told);
      if (test.code_told == error::upgrade_failed && result.outcome == upgrade_outcome::exited) {
        CHECK(result.status == exit_status::exited(7));
        continue;
      }
      // What it listens on is copied before anything is started.
      const std::error_code expected(code, std::system_category());
      CHECK((result.error == expected || test.code_told == expected));
      CHECK(result.pid == 0);
      ++failed;
    }
    // Two copies, the channel, four packets, the process, and what it does before its exec.
    CHECK(failed >= 2 + 1 + 4 + 2);
    CHECK(test.attempt(call::any, 1'000'000, EIO).status == exit_status::exited(7));
  }
}

TEST_CASE("each kind of call by which a new program is started can be what fails")
{
  struct {
    call kind;
    unsigned nth;
    int code;
  } const cases[] = {
      {call::socketpair, 1, EMFILE},
      {call::sendmsg, 1, ENOBUFS},
      {call::sendmsg, 2, ETOOMANYREFS},
      {call::sendmsg, 3, EMSGSIZE},
      {call::sendmsg, 4, EPIPE},
      {call::clone, 1, EAGAIN},
      {call::child_execve, 1, ENOEXEC},
  };
  upgrade_test test;
  for (const auto& each : cases) {
    CAPTURE(static_cast<int>(each.kind));
    CAPTURE(each.nth);
    const upgrade_result result = test.attempt(each.kind, each.nth, each.code);
    CHECK(test.reached);
    CHECK(test.code_told == error::upgrade_failed);
    CHECK(result.outcome == upgrade_outcome::start_failed);
    CHECK(result.error == std::error_code(each.code, std::system_category()));
    test.serves();
  }
}

TEST_CASE("a channel that takes no more is an error of the upgrade, which is not waited for")
{
  upgrade_test test;
  const upgrade_result result = test.attempt(call::sendmsg, 2, EAGAIN);
  CHECK(result.outcome == upgrade_outcome::start_failed);
  CHECK(result.error == std::errc::no_buffer_space);
  test.serves();
}

} // namespace upgrade_faults
