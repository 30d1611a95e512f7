// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/reload.hpp>

#include <cohort/message/json.hpp>

#include "support/event_loop.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace reload_unit_test {

using namespace cohort;
using cohort_test::completion;

namespace {

// Programs that know nothing of clusters, and so never are ready.
settings sleeping()
{
  return settings().exec("/bin/sleep").args(std::vector<std::string>(1, "1000"));
}

struct reload_test {
  reload_test()
  {
    const auto note = [this](std::error_code error, const worker& forked) {
      CHECK(!error);
      first = forked;
    };
    primary.co_fork(note);
    CHECK(cohort_test::run_until(context, [this] { return static_cast<bool>(first); }));
  }
  ~reload_test()
  {
    primary.kill(SIGKILL);
    CHECK(cohort_test::run_until(context, [this] { return primary.workers().empty(); }));
  }

  asio::io_context context{1};
  cluster<> primary{context, sleeping()};
  worker first;
};

} // namespace

TEST_CASE("a cluster whose new program cannot be started keeps its workers")
{
  reload_test test;
  completion<reload_result> result;
  const auto how = reload_options().settings(settings().exec("/nowhere"));
  reload(test.primary, how, result.handler());
  CHECK(cohort_test::run_until(test.context, [&] { return result.done(); }));
  CHECK(result.error == error::reload_failed);
  CHECK(result.value.outcome == reload_outcome::start_failed);
  CHECK(result.value.error == std::errc::no_such_file_or_directory);
  CHECK(test.primary.workers() == std::vector<worker>(1, test.first));
  CHECK(test.primary.current_settings().exec() == "/bin/sleep");
}

TEST_CASE("a cluster has one reload at a time, which others join, and which goes when nobody waits")
{
  reload_test test;
  asio::cancellation_signal cancel, other;
  completion<reload_result> running, joined, refused;
  reload(test.primary, reload_options(),
      asio::bind_cancellation_slot(cancel.slot(), running.handler()));
  reload(test.primary, reload_options().when_running(second_reload::joins),
      asio::bind_cancellation_slot(other.slot(), joined.handler()));
  reload(test.primary, reload_options(), refused.handler());
  CHECK(test.primary.workers().size() == 2);
  cancel.emit(asio::cancellation_type::total);
  other.emit(asio::cancellation_type::total);
  // The new one has not said hello, and is told to leave by a signal.
  CHECK(cohort_test::run_until(test.context, [&] { return test.primary.workers().size() == 1; }));
  CHECK(running.error == asio::error::operation_aborted);
  CHECK(joined.error == asio::error::operation_aborted);
  CHECK(refused.error == error::busy);
  CHECK(test.primary.workers() == std::vector<worker>(1, test.first));
}

TEST_CASE("a cluster of no workers is reloaded at once, and has the settings then")
{
  asio::io_context context(1);
  cluster<> primary(context, sleeping());
  completion<reload_result> result;
  reload(primary, reload_options().settings(settings().cwd("/tmp")), result.handler());
  CHECK(cohort_test::run_until(context, [&] { return result.done(); }));
  CHECK(result.good());
  CHECK(result.value.generation == 1);
  CHECK(primary.current_settings().cwd() == "/tmp");
  CHECK(primary.current_settings().generation() == 1);
}

TEST_CASE("groups are reloaded by their supervisor")
{
  asio::io_context context(1);
  supervisor<> master(context);
  completion<std::vector<reload_event>> all;
  reload(master, reload_options(), all.handler());
  cohort_test::run_ready(context);
  CHECK(all.good());
  completion<reload_result> one;
  CHECK_THROWS_AS(reload(master, "web", reload_options(), one.handler()), std::out_of_range);
}

} // namespace reload_unit_test
