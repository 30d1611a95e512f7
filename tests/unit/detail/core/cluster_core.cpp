// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/cluster_core.hpp>

#include <cohort/scheduling/round_robin.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include "support/captured_errors.hpp"
#include "support/no_messages.hpp"
#include "support/noted_host.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cluster_core_test {

using namespace cohort;
using namespace std::chrono_literals;

namespace {

using core_type = detail::cluster_core<round_robin>;

// Programs that know nothing of clusters are workers that never come online.
settings sleeping()
{
  return settings().exec("/bin/sleep").args(std::vector<std::string>(1, "100"));
}

struct cluster_test {
  explicit cluster_test(const settings& how = sleeping())
      : core(std::make_shared<core_type>(
            context.get_executor(), how, round_robin(), cohort_test::no_messages()))
  {
  }
  ~cluster_test()
  {
    core->kill(SIGKILL);
    CHECK(run_until([&] { return core->idle(); }));
    core->close();
  }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  std::shared_ptr<detail::worker_core> fork(const environment& variables = environment())
  {
    std::error_code error;
    auto worker = core->fork(variables, error);
    REQUIRE_MESSAGE(!error, error.message());
    return worker;
  }

  asio::io_context context{1};
  std::shared_ptr<core_type> core;
};

// What the subscriber has been sent so far.
template <class Event, class Subscriber>
std::vector<Event> events_of(cluster_test& test, Subscriber& subscriber)
{
  std::vector<Event> seen;
  asio::cancellation_signal enough;
  for (bool more = true; std::exchange(more, false); test.run()) {
    auto note = [&](std::error_code error, const Event& event) {
      if (error) return;
      seen.push_back(event);
      more = true;
    };
    subscriber.events().add(asio::bind_cancellation_slot(enough.slot(), note));
    test.run();
    enough.emit(asio::cancellation_type::total);
  }
  return seen;
}

} // namespace

TEST_CASE("workers are numbered from 1, and none gets a number that was used")
{
  cluster_test test;
  CHECK(test.fork()->id() == 1);
  const auto second = test.fork();
  CHECK(second->id() == 2);
  std::error_code ignored;
  second->kill(SIGKILL, ignored);
  CHECK(test.run_until([&] { return test.core->workers().size() == 1; }));
  CHECK(test.fork()->id() == 3);
}

TEST_CASE("after its last end a cluster never forks again")
{
  cluster_test test;
  test.fork();
  int ended = 0;
  const auto count_it = [&](std::error_code, const std::vector<exit_event>&) { ++ended; };
  test.core->disconnect(1ms, cohort::detail::last_end(count_it));
  CHECK(test.run_until([&] { return ended == 1; }));
  std::error_code error;
  CHECK_FALSE(test.core->fork(environment(), error));
  CHECK(error == cohort::error::shutting_down);
  test.core->disconnect(1ms, count_it);
  CHECK(test.run_until([&] { return ended == 2; }));
  CHECK_FALSE(test.core->fork(environment(), error));
}

TEST_CASE("workers are found until they are reaped")
{
  cluster_test test;
  const auto worker = test.fork();
  CHECK(test.core->find(1) == worker);
  CHECK_FALSE(test.core->find(2));
  CHECK(test.core->workers().size() == 1);
  CHECK_FALSE(test.core->idle());
  std::error_code ignored;
  worker->kill(SIGKILL, ignored);
  CHECK(test.run_until([&] { return test.core->idle(); }));
  CHECK_FALSE(test.core->find(1));
  CHECK(worker->state().is_dead());
}

TEST_CASE("a program that cannot be started gives its error, no event and no number")
{
  cluster_test test(settings().exec("/nowhere/to/be/found").args(std::vector<std::string>()));
  const auto events = test.core->events().subscribe<fork_event>(test.context.get_executor());
  std::error_code error;
  CHECK_FALSE(test.core->fork(environment(), error));
  CHECK(error == std::errc::no_such_file_or_directory);
  CHECK(events_of<fork_event>(test, *events).empty());
  CHECK(test.core->idle());
  test.core->setup(sleeping());
  CHECK(test.fork()->id() == 1);
}

TEST_CASE("settings are laid over one another and published")
{
  cluster_test test;
  const auto events = test.core->events().subscribe<setup_event>(test.context.get_executor());
  test.core->setup(settings().cwd("/tmp"));
  CHECK(test.core->current_settings().cwd() == "/tmp");
  CHECK(test.core->current_settings().exec() == "/bin/sleep");
  const auto seen = events_of<setup_event>(test, *events);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].settings.cwd() == "/tmp");
}

TEST_CASE("what the settings leave open is shown from the first setup or fork on")
{
  cluster_test one{settings()};
  CHECK_FALSE(one.core->current_settings().exec());
  CHECK_FALSE(one.core->current_settings().args());
  const auto events = one.core->events().subscribe<setup_event>(one.context.get_executor());
  one.core->setup(settings().silent(true));
  CHECK(one.core->current_settings().exec());
  CHECK(one.core->current_settings().args());
  const auto seen = events_of<setup_event>(one, *events);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].settings.args() == one.core->current_settings().args());

  cluster_test other(settings().exec("/bin/true"));
  CHECK_FALSE(other.core->current_settings().args());
  other.fork();
  CHECK(other.core->current_settings().args());
  CHECK(other.core->current_settings().exec() == "/bin/true");
}

TEST_CASE("the settings of a worker are published before it is, and not for none")
{
  using either = std::variant<setup_event, fork_event>;
  cluster_test test;
  const auto events =
      test.core->events().subscribe<setup_event, fork_event>(test.context.get_executor());
  test.fork();
  const auto seen = events_of<either>(test, *events);
  REQUIRE(seen.size() == 2);
  CHECK(std::get<setup_event>(seen[0]).settings.exec() == "/bin/sleep");
  CHECK(std::holds_alternative<fork_event>(seen[1]));
  test.core->setup(settings().exec("/does/not/exist"));
  std::error_code error;
  CHECK_FALSE(test.core->fork(environment(), error));
  CHECK(error);
  CHECK(events_of<either>(test, *events).size() == 1);
}

TEST_CASE("a cluster that is asked to writes down what happens, also a fork that fails")
{
  ::setenv("COHORT_DEBUG", "cluster", 1);
  const cohort_test::captured_errors errors;
  cluster_test test(settings().exec("/nowhere").args(std::vector<std::string>()));
  ::unsetenv("COHORT_DEBUG");
  std::error_code error;
  CHECK_FALSE(test.core->fork(environment(), error));
  test.core->setup(sleeping());
  const auto worker = test.fork();
  const std::string begin = std::to_string(::getpid()) + ",Primary ";
  CHECK(errors.text() == begin + "fork failed at execute: " + error.message() + '\n' + begin +
                             "setup\n" + begin + "setup\n" + begin + "Worker " +
                             std::to_string(worker->pid()) + " forked\n");
}

TEST_CASE("a fork is published before the worker is handed out")
{
  cluster_test test;
  const auto events = test.core->events().subscribe<fork_event>(test.context.get_executor());
  const auto worker = test.fork();
  const auto seen = events_of<fork_event>(test, *events);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].worker == worker->id());
  CHECK(seen[0].pid == worker->pid());
}

TEST_CASE("a disconnect ends all workers and tells how each ended; nothing is forked meanwhile")
{
  cluster_test test;
  test.fork();
  test.fork();
  std::optional<std::vector<exit_event>> exits;
  const auto note = [&](std::error_code error, std::vector<exit_event> all) {
    if (!error) exits = std::move(all);
  };
  test.core->disconnect(1ms, note);
  CHECK(test.core->ending());
  std::error_code error;
  CHECK_FALSE(test.core->fork(environment(), error));
  CHECK(error == error::shutting_down);
  CHECK(test.run_until([&] { return exits.has_value(); }));
  REQUIRE(exits->size() == 2);
  for (const exit_event& each : *exits) {
    CHECK(each.status == exit_status::signalled(SIGTERM));
    CHECK(each.voluntary);
  }
  CHECK_FALSE(test.core->ending());
  test.fork();
}

TEST_CASE("a cluster without workers has ended at once, but not inside the call")
{
  cluster_test test;
  bool ended = false;
  bool idle = false;
  test.core->disconnect(
      1s, [&](std::error_code error, const auto& exits) { ended = !error && exits.empty(); });
  test.core->wait_idle([&](std::error_code error) { idle = !error; });
  CHECK_FALSE(ended);
  CHECK_FALSE(idle);
  test.run();
  CHECK(ended);
  CHECK(idle);
}

TEST_CASE("idle waits for the last process")
{
  cluster_test test;
  const auto worker = test.fork();
  bool idle = false;
  test.core->wait_idle([&](std::error_code error) { idle = !error; });
  test.run();
  CHECK_FALSE(idle);
  test.core->kill(SIGKILL);
  CHECK(test.run_until([&] { return idle; }));
  CHECK(worker->state().is_dead());
}

TEST_CASE("a cluster that goes ends its channels, its subscriptions and its waits")
{
  cluster_test test;
  test.core->setup(settings().fence_grace(1ms));
  const auto worker = test.fork();
  const auto events = test.core->events().subscribe<exit_event>(test.context.get_executor());
  std::error_code subscribed, idle, ended;
  events->events().add([&](std::error_code error, const exit_event&) { subscribed = error; });
  test.core->wait_idle([&](std::error_code error) { idle = error; });
  test.core->disconnect(30s, [&](std::error_code error, const auto&) { ended = error; });
  test.core->close();
  test.run();
  CHECK(subscribed == asio::error::operation_aborted);
  CHECK(idle == asio::error::operation_aborted);
  CHECK(ended == asio::error::operation_aborted);
  // The worker sees its channel's end; one that does not heed it is killed.
  bool exited = false;
  worker->exited().add([&](std::error_code error, exit_status) { exited = !error; });
  CHECK(test.run_until([&] { return exited; }));
}

TEST_CASE("accept errors are reported at most once a second")
{
  cluster_test test;
  const auto events = test.core->events().subscribe<error_event>(test.context.get_executor());
  const auto full = std::make_error_code(std::errc::too_many_files_open);
  test.core->accept_failed(full);
  test.core->accept_failed(full);
  const auto seen = events_of<error_event>(test, *events);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].code == full);
  CHECK(seen[0].what == "accept");
}

TEST_CASE("an offer to a worker that is no more is not sent, nor whose turn it is")
{
  cluster_test test;
  CHECK_FALSE(test.core->send_turn(9, detail::wire::turn()));
  CHECK_FALSE(test.core->send_offer(9, detail::wire::offer(), {}));
  test.core->last_call_done(9);
}

} // namespace cluster_core_test
