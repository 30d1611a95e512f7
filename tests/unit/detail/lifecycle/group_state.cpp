// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/group_state.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace group_state_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using cohort::exit_meaning;
using cohort::old_workers;
using cohort::reload_options;
using cohort::reload_outcome;
using cohort::restart;
using cohort::restart_policy;
using cohort::worker_id;
using strings = std::vector<std::string>;

namespace {

const char* name_of(cohort::give_up_reason reason)
{
  switch (reason) {
  case cohort::give_up_reason::never_ready: return "never ready";
  case cohort::give_up_reason::died_too_often: return "died too often";
  case cohort::give_up_reason::permanent_failure: return "permanent failure";
  }
  return "";
}

const char* name_of(reload_outcome end)
{
  static const char* const names[] = {
      "succeeded", "unknown", "start failed", "not ready", "died", "aborted", "stopped"};
  return names[static_cast<int>(end)];
}

// Without jitter, so that pauses can be told.
restart_policy steady() { return restart_policy().jitter(0); }

// A group whose workers are numbered as they are started, and do what the test says.
struct group_test {
  explicit group_test(unsigned count, const restart_policy& policy = steady(), bool serial = false)
      : state(policy, count, serial, 1)
  {
    state.begin(now);
    run();
  }

  // Carries out what is demanded.
  void run()
  {
    while (const auto action = state.next()) {
      const std::string worker = std::to_string(action->worker);
      switch (action->what) {
      case group_action::kind::start: start(*action); break;
      case group_action::kind::drain: said.push_back("drain " + worker); break;
      case group_action::kind::kill: said.push_back("kill " + worker); break;
      case group_action::kind::give_up:
        said.push_back(std::string("give up: ") + name_of(action->reason));
        rests_until = action->until;
        break;
      case group_action::kind::resume: said.push_back("resume"); break;
      case group_action::kind::reload_over:
        said.push_back(std::string("reload ") + name_of(action->outcome) +
                       (action->worker == 0 ? "" : ' ' + worker));
        break;
      case group_action::kind::over: said.push_back("over"); break;
      }
    }
  }
  void start(const group_action& order)
  {
    if (failing_starts != 0) {
      --failing_starts;
      said.push_back("fail");
      return state.start_failed(order.place, now);
    }
    ++last;
    generations[last] = order.generation;
    said.push_back("start " + std::to_string(last) + " at " + std::to_string(order.place));
    state.started(order.place, last, now);
  }

  void ready(worker_id worker)
  {
    state.ready(worker, now);
    run();
  }
  void exit(worker_id worker, worker_end how = worker_end::died)
  {
    state.exited(worker, how, now);
    run();
  }
  // Those who were told to leave do.
  void leave(std::initializer_list<worker_id> workers)
  {
    for (const worker_id each : workers) exit(each, worker_end::announced);
  }
  void retire(worker_id worker)
  {
    state.retire(worker, now);
    run();
  }
  void resize(unsigned count)
  {
    state.resize(count, now);
    run();
  }
  bool reload(std::uint32_t generation, const reload_options& how = reload_options())
  {
    const bool begun = state.reload(generation, how, now);
    run();
    return begun;
  }
  void abort()
  {
    state.abort_reload(now);
    run();
  }
  void stop()
  {
    state.stop(now);
    run();
  }
  // Time passes, and the group is woken whenever it wants to be.
  void pass(std::chrono::milliseconds time)
  {
    const group_time until = now + time;
    for (auto at = state.wake_at(); at && *at <= until; at = state.wake_at()) {
      CHECK(*at > now);
      now = *at;
      state.tick(now);
      run();
    }
    now = until;
    state.tick(now);
    run();
  }

  // All that was demanded since it was asked last.
  void expect(const strings& lines) { CHECK(joined(std::exchange(said, {})) == joined(lines)); }
  static std::string joined(const strings& lines)
  {
    std::string all;
    for (const std::string& each : lines) all += (all.empty() ? "" : ", ") + each;
    return all;
  }
  // The group runs with workers 1, 2 and so on, which are ready.
  group_test& settled()
  {
    for (worker_id each = 1; each <= last; ++each) ready(each);
    said.clear();
    return *this;
  }

  group_state state;
  group_time now{1h};
  worker_id last = 0;
  unsigned failing_starts = 0;
  std::optional<group_time> rests_until;
  std::map<worker_id, std::uint32_t> generations;
  strings said;
};

} // namespace

TEST_CASE("a group starts its workers at once, or one after another when each is ready")
{
  group_test at_once(3);
  at_once.expect({"start 1 at 0", "start 2 at 1", "start 3 at 2"});
  group_test serial(3, steady(), true);
  serial.expect({"start 1 at 0"});
  serial.ready(1);
  serial.expect({"start 2 at 1"});
  serial.ready(2);
  serial.ready(3);
  serial.expect({"start 3 at 2"});
  CHECK_FALSE(serial.state.wake_at());
}

TEST_CASE("a worker that dies is replaced at once, then after pauses that double")
{
  group_test test(1);
  test.settled();
  for (const auto pause : {0ms, 100ms, 200ms, 400ms}) {
    test.exit(test.last);
    if (pause != 0ms) {
      test.pass(pause - 1ms);
      test.expect({});
      test.pass(1ms);
    }
    test.expect({"start " + std::to_string(test.last) + " at 0"});
    test.ready(test.last);
  }
}

TEST_CASE("pauses have a bound, and begin anew behind a worker that was healthy")
{
  group_test test(1, steady().backoff(1s, 3s).intensity(100, 60s));
  test.settled();
  for (const auto pause : {0s, 1s, 2s, 3s, 3s}) {
    test.exit(test.last);
    test.pass(pause);
    test.expect({"start " + std::to_string(test.last) + " at 0"});
    test.ready(test.last);
  }
  test.pass(30s);
  test.exit(test.last);
  test.expect({"start " + std::to_string(test.last) + " at 0"});
}

TEST_CASE("one that was never ready makes the next one wait from the first time on")
{
  group_test test(1);
  test.said.clear();
  test.exit(1);
  test.expect({});
  test.pass(99ms);
  test.expect({});
  test.pass(1ms);
  test.expect({"start 2 at 0"});
}

TEST_CASE("a worker that is not ready in time is killed, once")
{
  group_test test(1);
  test.said.clear();
  test.pass(29'999ms);
  test.expect({});
  test.pass(1ms);
  test.expect({"kill 1"});
  test.pass(60s);
  test.expect({});
  test.exit(1);
  test.pass(100ms);
  test.expect({"start 2 at 0"});
}

TEST_CASE("starts that fail one after another end in giving up, and in another try after a rest")
{
  group_test test(1, steady().boot_failures(3).pause(10s));
  test.said.clear();
  test.exit(1);
  test.pass(1s);
  test.failing_starts = 1;
  test.exit(2);
  test.pass(1s);
  test.expect({"start 2 at 0", "fail", "give up: never ready"});
  CHECK(test.state.gave_up());
  CHECK(test.rests_until == test.now - 800ms + 10s);
  test.pass(9'199ms);
  test.expect({});
  test.pass(1ms);
  test.expect({"resume", "start 3 at 0"});
  // One that is ready between them interrupts the row.
  test.exit(3);
  test.pass(1s);
  test.ready(4);
  test.exit(4);
  test.pass(1s);
  test.exit(5);
  test.pass(1s);
  test.exit(6);
  test.pass(1s);
  test.expect({"start 4 at 0", "start 5 at 0", "start 6 at 0", "start 7 at 0"});
}

TEST_CASE("a group gives up when its workers die too often for their number")
{
  for (const unsigned count : {1U, 3U}) {
    CAPTURE(count);
    group_test test(count, steady().intensity(2, 60s).backoff(1ms, 1ms));
    test.settled();
    for (unsigned deaths = 0; deaths != 2 * count; ++deaths) {
      test.exit(test.last);
      test.pass(10ms);
      test.ready(test.last);
      CHECK_FALSE(test.state.gave_up());
    }
    test.said.clear();
    test.exit(test.last);
    test.expect({"give up: died too often"});
    test.pass(59s);
    test.expect({});
    test.pass(1s);
    CHECK(test.said.front() == "resume");
  }
}

TEST_CASE("spans without an end are no short ones")
{
  constexpr auto never = restart_policy::duration::max();
  group_test test(1, steady().boot_deadline(never).pause(never).boot_failures(1));
  CHECK(test.state.wake_at() == group_time::max());
  test.exit(1);
  test.expect({"start 1 at 0", "give up: never ready"});
  test.pass(24h);
  test.expect({});
  group_test other(1);
  other.settled();
  other.reload(1, reload_options().probation(never));
  other.ready(2);
  other.pass(24h);
  other.expect({"start 2 at 0"});
}

TEST_CASE("deaths that lie apart are forgotten")
{
  group_test test(1, steady().intensity(1, 10s));
  test.settled();
  for (int i = 0; i != 20; ++i) {
    test.exit(test.last);
    test.pass(10s);
    test.ready(test.last);
  }
  CHECK_FALSE(test.state.gave_up());
}

TEST_CASE("ends that are no deaths are not counted as such")
{
  group_test test(1, steady().intensity(0, 60s).backoff(1ms, 1ms));
  test.settled();
  for (const worker_end how : {worker_end::announced, worker_end::normal, worker_end::announced}) {
    test.exit(test.last, how);
    test.pass(10ms);
    test.ready(test.last);
  }
  test.expect({"start 2 at 0", "start 3 at 0", "start 4 at 0"});
  test.exit(4, worker_end::restart_at_once);
  test.expect({"give up: died too often"});
}

TEST_CASE("one that wants to be followed at once is")
{
  group_test test(1);
  test.settled();
  for (int i = 0; i != 3; ++i) {
    test.exit(test.last, worker_end::restart_at_once);
    test.expect({"start " + std::to_string(test.last) + " at 0"});
    test.ready(test.last);
  }
}

TEST_CASE("nobody follows one that has retired, nor one of a temporary group")
{
  group_test test(2);
  test.settled();
  test.exit(1, worker_end::retired);
  test.exit(2, worker_end::retired);
  test.expect({"over"});
  group_test temporary(1, steady().kind(restart::temporary));
  temporary.settled();
  temporary.exit(1);
  temporary.expect({"over"});
  group_test transient(2, steady().kind(restart::transient));
  transient.settled();
  transient.exit(1);
  transient.exit(2, worker_end::normal);
  transient.expect({"start 3 at 0"});
  transient.ready(3);
  transient.exit(3, worker_end::announced);
  transient.expect({"over"});
}

TEST_CASE("a group that is over is over no more when it is given more places")
{
  group_test test(1, steady().kind(restart::temporary));
  test.settled();
  test.exit(1);
  test.expect({"over"});
  test.resize(2);
  test.expect({"start 2 at 1"});
  CHECK_FALSE(test.state.over());
  test.ready(2);
  test.exit(2);
  test.expect({"over"});
  CHECK(test.state.over());
}

TEST_CASE("after a permanent failure only the program makes a group try again")
{
  group_test test(1);
  test.settled();
  test.exit(1, worker_end::permanent_failure);
  test.expect({"give up: permanent failure"});
  CHECK_FALSE(test.rests_until);
  test.pass(24h);
  test.expect({});
  test.state.resume(test.now);
  test.run();
  test.expect({"resume", "start 2 at 0"});
}

TEST_CASE("a permanent failure ends the rest of a group that has given up")
{
  group_test test(2, steady().intensity(0, 60s));
  test.settled();
  test.exit(1);
  test.expect({"give up: died too often"});
  CHECK(test.rests_until);
  test.exit(2, worker_end::permanent_failure);
  test.expect({"give up: permanent failure"});
  CHECK_FALSE(test.rests_until);
  test.pass(24h);
  test.expect({});
}

TEST_CASE("a worker that is to be replaced leaves when the next one is ready, one at a time")
{
  group_test test(3);
  test.settled();
  for (const worker_id each : {1U, 2U, 3U}) test.retire(each);
  test.expect({"start 4 at 0"});
  test.ready(4);
  test.expect({"drain 1", "start 5 at 1"});
  // Its successor is there already, and takes its place as it is.
  test.exit(2);
  test.expect({"start 6 at 2"});
  test.ready(5);
  test.ready(6);
  test.expect({"drain 3"});
  test.leave({1, 3});
  test.expect({});
}

TEST_CASE("workers that want to be replaced as soon as they are ready do not fork without a pause")
{
  group_test test(1);
  test.settled();
  test.retire(1);
  test.expect({"start 2 at 0"});
  test.ready(2);
  test.retire(2);
  test.retire(2);
  test.leave({1});
  test.expect({"drain 1"});
  test.pass(99ms);
  test.expect({});
  test.pass(1ms);
  test.expect({"start 3 at 0"});
}

TEST_CASE("a successor that fails is tried again while the old one goes on")
{
  group_test test(1);
  test.settled();
  test.retire(1);
  test.exit(2);
  test.expect({"start 2 at 0"});
  test.pass(100ms);
  test.ready(3);
  test.expect({"start 3 at 0", "drain 1"});
}

TEST_CASE("a successor that fails is followed after a pause where nobody follows the last one")
{
  for (const auto kind : {restart::temporary, restart::transient}) {
    group_test test(1, steady().kind(kind).boot_failures(3));
    test.settled();
    test.retire(1);
    test.exit(2, worker_end::normal);
    test.expect({"start 2 at 0"});
    CHECK(test.state.wake_at() == test.now + 100ms);
    test.failing_starts = 100;
    test.pass(100ms);
    test.pass(200ms);
    test.expect({"fail", "fail", "give up: never ready"});
  }
  group_test test(1, steady());
  test.settled();
  test.retire(1);
  test.exit(2, worker_end::retired);
  test.expect({"start 2 at 0"});
  CHECK(test.state.wake_at() == test.now + 100ms);
}

TEST_CASE("a group grows and shrinks; those in the last places leave")
{
  group_test test(1);
  test.settled();
  test.resize(3);
  test.expect({"start 2 at 1", "start 3 at 2"});
  test.ready(2);
  test.resize(1);
  test.expect({"drain 3", "drain 2"});
  test.exit(3);
  test.exit(2);
  test.expect({});
  test.resize(0);
  test.exit(1);
  test.expect({"drain 1"});
}

TEST_CASE("of a group that shrinks those leave who are not ready, then who have fewest connections")
{
  group_test test(4);
  for (worker_id each = 1; each != 4; ++each) test.ready(each);
  test.expect({"start 1 at 0", "start 2 at 1", "start 3 at 2", "start 4 at 3"});
  test.state.weigh([](worker_id worker) { return worker_burden{false, worker == 2 ? 0U : 5U}; });
  test.resize(3);
  test.expect({"drain 4"});
  test.resize(2);
  test.expect({"drain 2"});
  test.leave({4, 2});
  // Those who stay are where they were, as far as the places go.
  test.exit(3);
  test.expect({"start 5 at 1"});
}

TEST_CASE("a reload starts new workers one by one, and the old ones leave when all are ready")
{
  group_test test(3);
  test.settled();
  CHECK(test.reload(1));
  CHECK_FALSE(test.reload(2));
  test.expect({"start 4 at 0"});
  test.ready(4);
  test.ready(5);
  test.expect({"start 5 at 1", "start 6 at 2"});
  CHECK(test.state.generation() == 0);
  test.ready(6);
  test.expect({"drain 1", "drain 2", "drain 3"});
  CHECK(test.state.generation() == 1);
  test.leave({1, 2});
  test.expect({});
  test.leave({3});
  test.expect({"reload succeeded"});
  for (const worker_id each : {4U, 5U, 6U}) CHECK(test.generations[each] == 1);
  // Later starts are of the new generation.
  test.exit(5);
  CHECK(test.generations[7] == 1);
}

TEST_CASE("workers that run already are kept up and replaced as the others")
{
  group_state state(steady(), 2, false, 1);
  const group_time now(1h);
  state.adopt(7, true, now);
  state.adopt(8, false, now);
  state.begin(now);
  CHECK_FALSE(state.next());
  // One that nobody has started here is not killed for what it may never say.
  CHECK_FALSE(state.wake_at());
  state.tick(now + 31s);
  CHECK_FALSE(state.next());
  state.ready(8, now);
  state.exited(7, worker_end::died, now);
  const auto order = state.next();
  REQUIRE(order);
  CHECK((order->what == group_action::kind::start && order->place == 0));
}

TEST_CASE("a reload goes on with more at once, and with a part of them")
{
  for (const auto& how : {reload_options().at_once(2), reload_options().ratio(0.4)}) {
    group_test test(4);
    test.settled();
    test.reload(1, how);
    test.expect({"start 5 at 0", "start 6 at 1"});
    test.ready(6);
    test.expect({"start 7 at 2"});
  }
}

TEST_CASE("a new worker counts when it has lived through its probation")
{
  group_test test(2);
  test.settled();
  test.reload(1, reload_options().probation(1s));
  test.ready(3);
  test.pass(999ms);
  test.expect({"start 3 at 0"});
  test.pass(1ms);
  test.expect({"start 4 at 1"});
  test.ready(4);
  test.pass(1s);
  test.expect({"drain 1", "drain 2"});
}

TEST_CASE("old workers may leave one by one")
{
  group_test test(2);
  test.settled();
  test.reload(1, reload_options().old(old_workers::leave_one_by_one));
  test.ready(3);
  test.expect({"start 3 at 0", "drain 1", "start 4 at 1"});
  test.ready(4);
  test.leave({1, 2});
  test.expect({"drain 2", "reload succeeded"});
}

TEST_CASE("a reload is through although new workers have had enough and are replaced in turn")
{
  group_test test(2);
  test.settled();
  test.reload(1, reload_options().at_once(2).old(old_workers::leave_one_by_one));
  test.ready(3);
  test.retire(3);
  test.expect({"start 3 at 0", "start 4 at 1", "drain 1", "start 5 at 0"});
  test.ready(4);
  test.expect({"drain 2"});
  test.leave({1, 2});
  test.expect({"reload succeeded"});
}

TEST_CASE("a reload that fails changes nothing, and the next one works")
{
  struct failure {
    const char* what;
    strings said;
  };
  const failure failures[] = {
      {"no start", {"start 3 at 0", "fail", "drain 3"}},
      {"death while it starts", {"start 3 at 0", "start 4 at 1", "drain 3"}},
      {"death on probation", {"start 3 at 0", "start 4 at 1", "drain 3"}},
      {"late", {"start 3 at 0", "start 4 at 1", "kill 4", "drain 3"}},
  };
  for (const failure& each : failures) {
    const std::string what = each.what;
    CAPTURE(what);
    group_test test(2);
    test.settled();
    test.reload(1, reload_options().probation(1s));
    if (what == "no start") test.failing_starts = 1;
    test.ready(3);
    test.pass(1s);
    if (what == "death on probation") test.ready(4);
    if (what == "late") test.pass(30s);
    if (what != "no start") test.exit(4);
    test.expect(each.said);
    CHECK(test.state.reload_state().runs());
    test.leave({3});
    test.expect({what == "no start" ? "reload start failed"
                 : what == "late"   ? "reload not ready 4"
                                    : "reload died 4"});
    CHECK(test.state.generation() == 0);
    CHECK_FALSE(test.state.wake_at());

    CHECK(test.reload(2));
    test.ready(test.last);
    test.ready(test.last);
    test.leave({1, 2});
    CHECK(test.said.back() == "reload succeeded");
    CHECK(test.state.generation() == 2);
  }
}

TEST_CASE("what a failed reload has taken over already is taken back, one ready first")
{
  group_test test(3);
  test.settled();
  test.reload(1, reload_options().old(old_workers::leave_one_by_one));
  test.ready(4);
  test.exit(5);
  test.expect({"start 4 at 0", "drain 1", "start 5 at 1", "start 6 at 0"});
  CHECK(test.generations[6] == 0);
  test.ready(6);
  test.expect({"drain 4"});
  test.leave({1});
  test.leave({4});
  test.expect({"reload died 5"});
}

TEST_CASE("a reload that is given up rolls back, unless it is through")
{
  group_test test(2);
  test.settled();
  test.reload(1);
  test.ready(3);
  test.abort();
  test.expect({"start 3 at 0", "start 4 at 1", "drain 3", "drain 4"});
  test.leave({3, 4});
  test.expect({"reload aborted"});
  test.reload(2);
  test.ready(5);
  test.ready(6);
  test.abort();
  test.leave({1, 2});
  CHECK(test.said.back() == "reload succeeded");
}

TEST_CASE("in the place of an old worker that dies in a reload comes a new one")
{
  group_test test(2);
  test.settled();
  test.reload(1);
  test.exit(2);
  test.expect({"start 3 at 0"});
  test.ready(3);
  test.expect({"start 4 at 1"});
  SUBCASE("which is good")
  {
    test.ready(4);
    test.leave({1});
    test.expect({"drain 1", "reload succeeded"});
  }
  SUBCASE("or not: then the place is filled as before")
  {
    test.exit(4);
    test.expect({"drain 3", "start 5 at 1"});
    CHECK(test.generations[5] == 0);
    test.leave({3});
    test.expect({"reload died 4"});
  }
}

TEST_CASE("the end of a group stops its reload, and all leave")
{
  group_test test(2);
  test.settled();
  test.reload(1);
  test.ready(3);
  test.said.clear();
  test.stop();
  CHECK(test.said.front() == "reload stopped");
  CHECK(std::set<std::string>(test.said.begin(), test.said.end()) ==
        std::set<std::string>{"reload stopped", "drain 1", "drain 2", "drain 3", "drain 4"});
  test.said.clear();
  CHECK_FALSE(test.reload(2));
  test.leave({1, 2, 3});
  test.expect({});
  test.leave({4});
  test.expect({"over"});
  test.stop();
  test.expect({});
}

TEST_CASE("a group that gave up is tried again by a reload")
{
  group_test test(1, steady().boot_failures(1));
  test.exit(1);
  test.said.clear();
  test.reload(1);
  test.expect({"resume", "start 2 at 0"});
  test.ready(2);
  test.expect({"reload succeeded"});
}

TEST_CASE("a group that rests ends at once, and does not wake any more")
{
  group_test test(1, steady().boot_failures(1));
  test.exit(1);
  CHECK(test.state.wake_at());
  test.stop();
  CHECK(test.said.back() == "over");
  CHECK_FALSE(test.state.wake_at());
}

TEST_CASE("who waits for a reload is told when the group gives up meanwhile")
{
  group_test test(2, steady().boot_failures(1));
  test.settled();
  test.reload(1, reload_options().old(old_workers::leave_one_by_one));
  test.ready(3);
  test.exit(4);
  test.said.clear();
  // The one that is to take the place of 3 again fails.
  test.exit(5);
  test.expect({"give up: never ready", "reload died 4"});
}

// Worlds in which anything happens at any time; what has to be true of all of them.
TEST_CASE("whatever happens, a group stays within its bounds and comes to rest")
{
  for (unsigned seed = 0; seed != 400; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
    group_test test(below(4), restart_policy().intensity(3, 10s).pause(5s), below(2) == 0);
    std::uint32_t generation = 0;
    std::size_t begun = 0, over = 0;
    std::set<worker_id> drained;
    // Alive: those who were started and have not ended.
    std::set<worker_id> alive;
    worker_id seen = 0;
    const auto note = [&] {
      for (; seen != test.last; alive.insert(++seen)) {
      }
      for (const std::string& each : std::exchange(test.said, {})) {
        over += each.starts_with("reload ") ? 1 : 0;
        if (!each.starts_with("drain ")) continue;
        CHECK(drained.insert(static_cast<worker_id>(std::stoul(each.substr(6)))).second);
      }
      for (const group_place& place : test.state.roster().places()) {
        for (const placed_worker* member : {&place.current, &place.next}) {
          if (!member->present) continue;
          REQUIRE(member->runs());
          CHECK(alive.contains(member->id));
          CHECK_FALSE(drained.contains(member->id));
        }
      }
      CHECK(test.state.roster().generations() <= 3);
      CHECK(test.state.roster().places().size() == test.state.count());
    };
    const auto any = [&]() -> worker_id {
      if (alive.empty()) return 0;
      return *std::next(alive.begin(), below(static_cast<unsigned>(alive.size())));
    };
    for (int step = 0; step != 200; ++step) {
      const worker_id one = any();
      switch (below(12)) {
      case 0:
      case 1:
      case 2: test.ready(one); break;
      case 3:
        alive.erase(one);
        test.exit(one);
        break;
      case 4:
      case 5:
        if (!drained.contains(one)) break;
        alive.erase(one);
        test.exit(one, worker_end::announced);
        break;
      case 6: test.retire(one); break;
      case 7: test.resize(below(5)); break;
      case 8: {
        reload_options how;
        how.at_once(1 + below(3)).probation(below(3) * 100ms);
        if (below(2) == 0) how.old(old_workers::leave_one_by_one);
        begun += test.reload(++generation, how) ? 1 : 0;
        break;
      }
      case 9: test.abort(); break;
      case 10: test.failing_starts = below(3); break;
      case 11: test.pass(std::chrono::milliseconds(below(3000))); break;
      }
      note();
    }
    // Everybody behaves from now on.
    test.failing_starts = 0;
    for (int round = 0; round != 100; ++round) {
      for (const worker_id each : std::set<worker_id>(alive)) {
        if (drained.contains(each)) {
          alive.erase(each);
          test.exit(each, worker_end::announced);
        } else {
          test.ready(each);
        }
      }
      test.pass(1s);
      note();
    }
    CHECK(begun == over);
    CHECK(alive.size() == test.state.count());
    for (const group_place& place : test.state.roster().places()) {
      CHECK((place.current.ready && !place.next.present));
      CHECK(place.current.generation == test.state.generation());
    }
    CHECK_FALSE(test.state.wake_at());
    test.stop();
    for (const worker_id each : alive) {
      CHECK(std::ranges::count(test.said, "drain " + std::to_string(each)) == 1);
      CHECK(test.said.size() == alive.size());
    }
    for (const worker_id each : alive) test.exit(each, worker_end::announced);
    CHECK(test.said.size() == alive.size() + 1);
    CHECK(test.said.back() == "over");
  }
}

} // namespace group_state_test
