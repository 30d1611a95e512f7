// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/upgrade_state.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace upgrade_state_test {

using namespace cohort::detail;
using cohort::upgrade_outcome;

namespace {

using action = upgrade_action;

// `ready` with what follows it; `unheard`: that could not be told as yet.
enum class input {
  start_failed,
  ready,
  not_announced,
  unheard,
  violated,
  late,
  abort,
  stop,
  exited,
};
constexpr std::array all_inputs = {input::start_failed, input::ready, input::not_announced,
    input::unheard, input::violated, input::late, input::abort, input::stop, input::exited};

action give(upgrade_state& state, input what)
{
  switch (what) {
  case input::start_failed: return state.start_failed();
  case input::ready:
  case input::not_announced:
  case input::unheard: break;
  case input::violated: return state.violated();
  case input::late: return state.late();
  case input::abort: return state.abort();
  case input::stop: return state.stop();
  case input::exited: return state.exited();
  }
  const action next = state.ready();
  if (next != action::hand_over || what == input::unheard) return next;
  if (what == input::not_announced) return state.not_announced();
  state.handed_over();
  return next;
}

// What follows when the new process is killed for this.
std::optional<upgrade_outcome> reason(input what)
{
  switch (what) {
  case input::not_announced: return upgrade_outcome::not_announced;
  case input::violated: return upgrade_outcome::refused;
  case input::late: return upgrade_outcome::not_ready;
  case input::abort: return upgrade_outcome::aborted;
  case input::stop: return upgrade_outcome::stopped;
  default: return std::nullopt;
  }
}

// What the order of inputs up to here demands, said without a state machine.
struct expectation {
  explicit expectation(const std::vector<input>& order)
  {
    for (const input each : order) add(each);
  }
  void add(input what)
  {
    last = action::none;
    if (over) return;
    if (what == input::start_failed) finish(upgrade_outcome::start_failed);
    else if (what == input::exited) finish(killed_for.value_or(upgrade_outcome::exited));
    else if (killed_for) return;
    else if (what == input::ready || what == input::unheard) {
      is_unheard = what == input::unheard;
      over = !is_unheard;
      last = action::hand_over;
    } else {
      killed_for = reason(what == input::late && is_unheard ? input::not_announced : what);
      last = action::end;
    }
  }
  void finish(upgrade_outcome how)
  {
    over = true;
    outcome = how;
    last = action::report;
  }

  action last = action::none;
  bool over = false;
  bool is_unheard = false;
  std::optional<upgrade_outcome> killed_for;
  upgrade_outcome outcome = upgrade_outcome::succeeded;
};

// All orders of up to so many more inputs, after these.
std::size_t walk(const std::vector<input>& before, std::size_t more)
{
  upgrade_state state;
  action last = action::none;
  std::size_t kills = 0, ends = 0;
  for (const input each : before) {
    last = give(state, each);
    kills += last == action::end;
    const bool hands_over = last == action::hand_over && each != input::unheard;
    ends += hands_over || last == action::report;
  }
  const expectation expected(before);
  CHECK(last == expected.last);
  CHECK(state.over() == expected.over);
  CHECK(ends == (expected.over ? 1 : 0));
  CHECK(kills <= 1);
  if (expected.over) CHECK(state.outcome() == expected.outcome);
  std::size_t walked = 1;
  if (more == 0) return walked;
  for (const input each : all_inputs) {
    std::vector<input> next = before;
    next.push_back(each);
    walked += walk(next, more - 1);
  }
  return walked;
}

} // namespace

TEST_CASE("in whatever order things happen, an upgrade ends once, and kills once at most")
{
  CHECK(walk({}, 5) == 1 + 9 + 81 + 729 + 6561 + 59049);
}

TEST_CASE("a new process that is ready has everything handed over, and nothing changes that")
{
  upgrade_state state;
  CHECK_FALSE(state.over());
  CHECK(state.ready() == action::hand_over);
  CHECK_FALSE(state.over());
  state.handed_over();
  CHECK(state.over());
  CHECK(state.outcome() == upgrade_outcome::succeeded);
  CHECK(state.late() == action::none);
  CHECK(state.stop() == action::none);
  CHECK(state.exited() == action::none);
  CHECK(state.outcome() == upgrade_outcome::succeeded);
}

TEST_CASE("the first reason to kill is the outcome, when the process has been reaped")
{
  upgrade_state state;
  CHECK(state.late() == action::end);
  CHECK_FALSE(state.over());
  CHECK(state.ready() == action::none);
  CHECK(state.stop() == action::none);
  CHECK(state.exited() == action::report);
  CHECK(state.outcome() == upgrade_outcome::not_ready);
}

TEST_CASE("a process that ends by itself, or never began, is told as what it is")
{
  upgrade_state ended, never;
  CHECK(ended.exited() == action::report);
  CHECK(ended.outcome() == upgrade_outcome::exited);
  CHECK(never.start_failed() == action::report);
  CHECK(never.outcome() == upgrade_outcome::start_failed);
  CHECK(never.abort() == action::none);
}

} // namespace upgrade_state_test
