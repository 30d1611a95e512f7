// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/supervised_group.hpp>

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"
#include "support/sleeping_process.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace supervised_group_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::reload_options;
using cohort::reload_result;
using cohort::worker_id;
using strings = std::vector<std::string>;

namespace {

// A worker with a process that waits for its end, and whose channel is nobody's.
struct idle_worker final : worker_core {
  idle_worker(asio::io_context& context, worker_id id, posix::unique_fd messages, bool is_online)
      : worker_core(context.get_executor(), cohort::candidate(id),
            cohort_test::no_messages().open(
                context.get_executor(), std::move(messages), cohort::channel_options(), id))
  {
    process_ = cohort_test::start_sleeping(
        executor_, [this](cohort::exit_status status) { ended = status; });
    if (is_online) state_.hello();
  }
  ~idle_worker() { messages_->close(); }

  void disconnect(duration deadline) override { deadlines.push_back(deadline); }
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}
  void serves() override { said_to_serve = true; }

  bool said_to_serve = false;
  std::vector<duration> deadlines;
  std::optional<cohort::exit_status> ended;
};

struct noted_host final : group_host {
  explicit noted_host(asio::io_context& on) : context(on) {}

  worker_pointer fork(const cohort::settings& how, std::error_code& error) override
  {
    error = failure;
    if (error) return nullptr;
    auto sockets = posix::stream_pair(error);
    REQUIRE(!error);
    peers.push_back(std::move(sockets.second));
    const auto id = static_cast<worker_id>(peers.size());
    workers[id] = std::make_shared<idle_worker>(context, id, std::move(sockets.first), are_online);
    generations[id] = how.generation();
    CHECK(how.group() == "web");
    directories[id] = how.cwd();
    return workers[id];
  }
  worker_pointer find(worker_id worker) override
  {
    const auto found = workers.find(worker);
    return found == workers.end() ? nullptr : found->second;
  }
  void publish(const any_event& event) override
  {
    if (const auto* gave_up = std::get_if<cohort::gave_up_event>(&event))
      said.push_back("gave up " + gave_up->group);
    else if (const auto* resumed = std::get_if<cohort::resumed_event>(&event))
      said.push_back("resumed " + resumed->group);
    else if (const auto* count = std::get_if<cohort::ready_count_event>(&event)) {
      CHECK(count->group == "web");
      counts.push_back(std::to_string(count->before) + " to " + std::to_string(count->ready) +
                       " of " + std::to_string(count->workers));
    } else if (const auto* reload = std::get_if<cohort::reload_event>(&event))
      said.push_back("reload of " + reload->group + ": " + reload->result.to_string());
  }
  void group_over() override { said.push_back("over"); }
  void group_gave_up() override { said.push_back("noted"); }
  std::map<worker_id, std::uint64_t> live_connections() const override { return connections; }
  cohort::group_metrics measure(const supervised_group& group) const override
  {
    cohort::group_metrics metrics;
    metrics.workers = group.state().count();
    return metrics;
  }

  asio::io_context& context;
  std::error_code failure;
  bool are_online = true;
  std::vector<posix::unique_fd> peers;
  std::map<worker_id, std::shared_ptr<idle_worker>> workers;
  std::map<worker_id, std::uint32_t> generations;
  std::map<worker_id, std::string> directories;
  std::map<worker_id, std::uint64_t> connections;
  strings said, counts;
};

struct group_test {
  explicit group_test(unsigned workers, cohort::group description = cohort::group("web"))
      : host(context),
        group(std::make_shared<supervised_group>(
            context.get_executor(), description, workers, host, 1))
  {
  }
  ~group_test()
  {
    group->close();
    std::error_code ignored;
    for (const auto& [id, worker] : host.workers) worker->kill(SIGKILL, ignored);
    for (const auto& [id, worker] : host.workers) wait_for(id);
    context.restart();
    CHECK(context.run_for(0s) == 0);
  }

  const cohort::exit_status& wait_for(worker_id worker)
  {
    const auto& ended = host.workers[worker]->ended;
    REQUIRE(cohort_test::run_until(context, [&] { return ended.has_value(); }));
    return *ended;
  }
  void exit(worker_id worker, cohort::exit_status how = cohort::exit_status::exited(1))
  {
    cohort::exit_event event;
    event.worker = worker;
    event.status = how;
    group->exited(event);
  }
  void serve()
  {
    group->begin();
    for (worker_id each = 1; each <= group->state().count(); ++each) group->ready(each);
  }

  asio::io_context context{1};
  noted_host host;
  std::shared_ptr<supervised_group> group;
};

} // namespace

TEST_CASE("a group starts its workers with its settings and fills their places again")
{
  cohort::group description("web");
  group_test test(2, description.settings(cohort::settings().cwd("/tmp")));
  test.serve();
  CHECK(test.host.workers.size() == 2);
  CHECK(test.host.directories[2] == "/tmp");
  test.exit(1);
  CHECK(test.host.workers.size() == 3);
  CHECK(test.group->state().count() == 2);
}

TEST_CASE("the workers of a group are of that group, whatever settings it is given")
{
  // The host looks.
  const auto of_others = cohort::settings().group("mail");
  cohort::group description("web");
  group_test test(1, description.settings(of_others));
  test.serve();
  cohort_test::completion<reload_result> result;
  test.group->reload(result.handler(), reload_options().settings(of_others));
  CHECK(test.host.workers.size() == 2);
}

TEST_CASE("generations are counted from that of a group's settings on")
{
  cohort::group description("web");
  group_test test(1, description.settings(cohort::settings().generation(7)));
  test.serve();
  CHECK(test.host.generations[1] == 7);
  cohort_test::completion<reload_result> result;
  test.group->reload(result.handler(), reload_options());
  CHECK(test.host.generations[2] == 8);
  test.group->ready(2);
  test.exit(1);
  cohort_test::run_ready(test.context);
  CHECK(result.value.generation == 8);
}

TEST_CASE("a start that fails is tried again when its pause is over")
{
  cohort::group description("web");
  group_test test(1, description.restarts(cohort::restart_policy().backoff(1ms, 1ms)));
  test.host.failure = std::make_error_code(std::errc::no_such_file_or_directory);
  test.group->begin();
  CHECK(test.host.workers.empty());
  test.host.failure.clear();
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.workers.size() == 1; }));
}

TEST_CASE("a group that gave up says so and resumes when it is told to")
{
  cohort::group description("web");
  group_test test(1, description.restarts(cohort::restart_policy().boot_failures(1)));
  test.group->begin();
  test.exit(1);
  CHECK(test.host.said == strings{"gave up web", "noted"});
  test.group->resume();
  CHECK(test.host.said.back() == "resumed web");
  CHECK(test.host.workers.size() == 2);
}

TEST_CASE("workers count as ready when their group says so")
{
  for (const auto when :
      {cohort::readiness::said, cohort::readiness::online, cohort::readiness::started}) {
    cohort::group description("web");
    group_test test(1, description.ready_when(when));
    const auto ready = [&] { return test.group->state().roster().places()[0].current.ready; };
    test.group->begin();
    CHECK(ready() == (when == cohort::readiness::started));
    test.group->online(1);
    CHECK(ready() == (when != cohort::readiness::said));
    // Of the others the worker knows it first.
    CHECK(test.host.workers[1]->said_to_serve == (when != cohort::readiness::said));
    test.group->ready(1);
    CHECK(ready());
  }
}

TEST_CASE(
    "a worker that is to leave drains within its deadline, or gets SIGTERM if it would not hear")
{
  group_test test(1);
  test.serve();
  test.group->stop(7s);
  REQUIRE(test.host.workers[1]->deadlines.size() == 1);
  CHECK(test.host.workers[1]->deadlines[0] == 7s);
  CHECK_FALSE(test.host.workers[1]->ended);
  test.exit(1);
  CHECK(test.host.said == strings{"over"});

  group_test other(1);
  other.host.are_online = false;
  other.group->begin();
  other.group->stop(7s);
  CHECK(other.wait_for(1) == cohort::exit_status::signalled(SIGTERM));
}

TEST_CASE("the deadline of the end is that of all workers, also in a reload")
{
  group_test test(1);
  test.serve();
  cohort_test::completion<reload_result> result;
  const auto how = reload_options().drain_deadline(1h);
  SUBCASE("before a new worker is ready") { test.group->reload(result.handler(), how); }
  SUBCASE("when the old one is on its way out")
  {
    test.group->reload(result.handler(), how);
    test.group->ready(2);
  }
  test.group->stop(7s);
  for (const auto& [id, worker] : test.host.workers) {
    REQUIRE_FALSE(worker->deadlines.empty());
    CHECK(worker->deadlines.back() == 7s);
  }
  CHECK(test.host.workers.size() == 2);
}

TEST_CASE("one that is late is killed")
{
  cohort::group description("web");
  group_test test(1, description.restarts(cohort::restart_policy().boot_deadline(1ms)));
  test.group->begin();
  CHECK(test.wait_for(1) == cohort::exit_status::signalled(SIGKILL));
}

TEST_CASE("a reload tells its result, and keeps its settings when it succeeds")
{
  group_test test(1);
  test.serve();
  cohort_test::completion<reload_result> first, second, joined;
  const auto how = reload_options().settings(cohort::settings().cwd("/var")).drain_deadline(3s);
  test.group->reload(first.handler(), how);
  test.group->reload(second.handler(), how);
  test.group->reload(joined.handler(), reload_options().when_running(cohort::second_reload::joins));
  CHECK(test.host.directories[2] == "/var");
  test.group->ready(2);
  CHECK(test.host.workers[1]->deadlines[0] == 3s);
  test.exit(1);
  cohort_test::run_ready(test.context);
  CHECK(first.good());
  CHECK(first.value.succeeded());
  CHECK(first.value.generation == 1);
  CHECK(joined.good());
  CHECK(second.error == cohort::error::busy);
  CHECK(test.host.said == strings{"reload of web: generation 1 runs"});
  test.exit(2);
  CHECK(test.host.directories[3] == "/var");
  CHECK(test.host.generations[3] == 1);
}

TEST_CASE("a reload that fails says why, and leaves the settings as they were")
{
  group_test test(1);
  test.serve();
  cohort_test::completion<reload_result> died, not_started;
  const auto how = reload_options().settings(cohort::settings().cwd("/var"));
  test.group->reload(died.handler(), how);
  test.exit(2, cohort::exit_status::signalled(SIGSEGV));
  test.host.failure = std::make_error_code(std::errc::permission_denied);
  test.group->reload(not_started.handler(), how);
  test.host.failure.clear();
  cohort_test::run_ready(test.context);
  CHECK(died.error == cohort::error::reload_failed);
  CHECK(died.value.outcome == cohort::reload_outcome::died);
  CHECK(died.value.worker == 2);
  CHECK(died.value.status == cohort::exit_status::signalled(SIGSEGV));
  CHECK(not_started.error == cohort::error::reload_failed);
  CHECK(not_started.value.error == std::errc::permission_denied);
  test.exit(1);
  CHECK(test.host.directories[3].empty());
  CHECK(test.host.generations[3] == 0);
}

TEST_CASE("a reload for which nobody waits any more is rolled back")
{
  group_test test(1);
  test.serve();
  asio::cancellation_signal cancel, other;
  cohort_test::completion<reload_result> first, second;
  test.group->reload(
      asio::bind_cancellation_slot(cancel.slot(), first.handler()), reload_options());
  test.group->reload(asio::bind_cancellation_slot(other.slot(), second.handler()),
      reload_options().when_running(cohort::second_reload::joins));
  cancel.emit(asio::cancellation_type::total);
  CHECK(test.host.workers[2]->deadlines.empty());
  other.emit(asio::cancellation_type::total);
  CHECK(test.host.workers[2]->deadlines.size() == 1);
  cohort_test::run_ready(test.context);
  CHECK(first.error == asio::error::operation_aborted);
  CHECK(second.error == asio::error::operation_aborted);
  test.exit(2);
  CHECK(test.host.said == strings{"reload of web: aborted"});
}

TEST_CASE("without its host a group does nothing, and who waits is told")
{
  group_test test(2);
  test.serve();
  cohort_test::completion<reload_result> result, late;
  test.group->reload(result.handler(), reload_options());
  test.group->close();
  const std::size_t before = test.host.workers.size();
  test.exit(1);
  test.group->resize(5);
  test.group->reload(late.handler(), reload_options());
  cohort_test::run_ready(test.context);
  CHECK(test.host.workers.size() == before);
  CHECK(result.error == asio::error::operation_aborted);
  CHECK(late.error == cohort::error::shutting_down);
}

TEST_CASE("a cluster that ends ends its groups")
{
  group_test test(2);
  test.serve();
  test.host.failure = cohort::error::shutting_down;
  test.exit(1);
  CHECK(test.group->state().stopping());
  test.exit(2);
  CHECK(test.host.said == strings{"over"});
}

TEST_CASE("a group tells how many of its workers are ready when that changes")
{
  group_test test(2);
  test.serve();
  CHECK(test.host.counts == strings{"0 to 1 of 2", "1 to 2 of 2"});
  test.host.counts.clear();
  test.exit(1);
  CHECK(test.host.counts == strings{"2 to 1 of 2"});
  test.group->ready(3);
  test.group->ready(3);
  test.group->resize(1);
  CHECK(test.host.counts == strings{"2 to 1 of 2", "1 to 2 of 2", "2 to 1 of 1"});
  test.host.counts.clear();
  SUBCASE("one that takes the place of another is no change")
  {
    test.group->retire(2, cohort::retire_reason::asked);
    test.group->ready(4);
    CHECK(test.host.counts.empty());
    CHECK(test.group->state().roster().leaving().contains(2));
  }
  SUBCASE("new ones of a reload that wait for others are ready too")
  {
    test.group->resize(2);
    test.group->ready(4);
    test.group->reload([](std::error_code, const reload_result&) {}, reload_options().at_once(2));
    test.host.counts.clear();
    test.group->ready(5);
    CHECK(test.host.counts == strings{"2 to 3 of 2"});
    test.group->ready(6);
    CHECK(test.host.counts == strings{"2 to 3 of 2", "3 to 2 of 2"});
  }
  SUBCASE("at the end there are none")
  {
    test.group->stop(1s);
    CHECK(test.host.counts == strings{"1 to 0 of 0"});
  }
}

TEST_CASE("of a group that shrinks those leave who have fewest connections")
{
  group_test test(3);
  test.serve();
  test.host.connections = {{1, 5}, {3, 7}};
  test.group->resize(2);
  CHECK(test.host.workers[2]->deadlines.size() == 1);
  test.group->resize(1);
  CHECK(test.host.workers[1]->deadlines.size() == 1);
  CHECK(test.host.workers[3]->deadlines.empty());
}

TEST_CASE("a group grows and shrinks by one within its bounds, and not while it rests")
{
  group_test test(2, cohort::group("web").scalable(1, 3));
  test.serve();
  test.group->grow();
  test.group->grow();
  CHECK(test.group->state().count() == 3);
  for (int times = 0; times != 4; ++times) test.group->shrink();
  CHECK(test.group->state().count() == 1);
  test.group->resize(2);
  test.group->rest();
  CHECK((test.group->rests() && test.group->state().count() == 0));
  test.group->grow();
  test.group->shrink();
  CHECK(test.group->state().count() == 0);
  CHECK(test.group->wake());
  CHECK((!test.group->rests() && test.group->state().count() == 2));
  CHECK_FALSE(test.group->wake());
  test.group->rest();
  // Whoever gives it a number has it begin again.
  test.group->resize(1);
  CHECK_FALSE(test.group->wake());
  CHECK(test.group->state().count() == 1);
}

TEST_CASE("a group has as many workers as its rule says, from its begin to its end")
{
  unsigned wanted = 3, asked = 0;
  const auto rule = [&](const cohort::group_metrics&) {
    ++asked;
    return wanted;
  };
  const auto how = cohort::autoscale(1, 3, rule).interval(1ms).cooldown(0s);
  group_test test(1, cohort::group("web").autoscale(how));
  const auto has = [&](unsigned count) {
    const auto so = [&] { return test.group->state().count() == count; };
    return cohort_test::run_until(test.context, so);
  };
  test.serve();
  CHECK(asked == 0);
  CHECK(has(3));
  // Signals change nothing.
  test.group->shrink();
  CHECK(test.group->state().count() == 3);
  wanted = 2;
  CHECK(has(2));
  // While it rests nobody is asked.
  test.group->rest();
  asked = 0;
  test.context.restart();
  test.context.run_for(20ms);
  CHECK((asked == 0 && test.group->state().count() == 0));
  CHECK(test.group->wake());
  CHECK(cohort_test::run_until(test.context, [&] { return asked != 0; }));
  test.group->stop(1s);
  asked = 0;
  test.context.restart();
  test.context.run_for(20ms);
  CHECK(asked == 0);
}

} // namespace supervised_group_test
