// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A program that is to be replaced, when memory runs out as it starts the new one.

#include "support/failing_allocations.hpp"

#include <cohort/upgrade.hpp>

#include <cohort/message/json.hpp>

#include "support/event_loop.hpp"
#include "support/kept_port.hpp"
#include "support/new_program.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <new>
#include <optional>
#include <system_error>

namespace upgrade_memory {

using namespace cohort;
using asio::ip::tcp;
using cohort_test::completion;
using cohort_test::new_program;

TEST_CASE(
    "whatever has no memory when an upgrade begins, this program serves on and can be upgraded")
{
  const cohort_test::kept_port port;
  const tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
  asio::io_context context{1};
  std::optional<supervisor<>> master(
      std::in_place, context, supervisor_options().handle_signals(false));
  completion<> ended;
  group web("web");
  web.workers(1).program("/bin/sleep", {"1000"}).ready_when(readiness::started).listen(where);
  master->add(web);
  master->run(ended.handler());
  cohort_test::run_ready(context);
  const auto finish = [&](completion<upgrade_result>& result) {
    CHECK(cohort_test::run_until(context, [&] { return result.done(); }));
    return result.value;
  };
  const auto succeed_to_start = [&] {
    completion<upgrade_result> result;
    upgrade(*master, new_program("exit 7"), result.handler());
    CHECK(finish(result).status == exit_status::exited(7));
  };
  succeed_to_start();
  const std::size_t before = cohort_test::count_descriptors();
  unsigned refused = 0, thrown = 0;
  bool reached = true;
  for (unsigned n = 1; reached; ++n) {
    CAPTURE(n);
    completion<upgrade_result> result;
    bool has_thrown = false;
    const upgrade_options how = new_program("exit 7");
    auto handler = result.handler();
    reached = cohort_test::with_failing(n, [&] {
      try {
        upgrade(*master, how, handler);
      } catch (const std::bad_alloc&) {
        has_thrown = true;
      }
    });
    thrown += has_thrown;
    if (!has_thrown && finish(result).outcome == upgrade_outcome::start_failed) {
      CHECK(result.value.error == std::errc::not_enough_memory);
      CHECK(result.value.pid == 0);
      ++refused;
    }
    cohort_test::run_ready(context);
    CHECK_FALSE(ended.done());
    CHECK(cohort_test::count_descriptors() == before);
    // Nothing of it is under way any more.
    succeed_to_start();
  }
  // What nobody can be told of is thrown, before anything has begun.
  CHECK(thrown >= 1);
  CHECK(refused >= 10);
  master.reset();
  CHECK(cohort_test::run_until(context, [] { return cohort_test::has_no_child(); }));
}

} // namespace upgrade_memory
