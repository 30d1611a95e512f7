// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include "support/life_model.hpp"

#include <doctest/doctest.h>

namespace life_model_test {

using cohort::exit_status;
using cohort_test::life_model;
using enum cohort_test::life_command;

namespace {

const exit_status well = exit_status::exited(0);
const exit_status killed_itself = exit_status::exited(life_model::kill_status);
const exit_status left_the_program = exit_status::exited(life_model::exit_status_told);

life_model online()
{
  life_model model;
  CHECK(model.saw_fork().empty());
  CHECK(model.saw_online().empty());
  return model;
}

} // namespace

TEST_CASE("events come in their order, and each of them once")
{
  life_model model;
  CHECK(model.saw_fork().empty());
  CHECK_FALSE(model.saw_fork().empty());
  CHECK_FALSE(model.saw_listening().empty());
  CHECK(model.saw_online().empty());
  model.told({listen});
  CHECK(model.saw_listening().empty());
  CHECK_FALSE(model.saw_listening().empty());
  model.signalled(SIGTERM);
  CHECK(model.saw_disconnect().empty());
  CHECK_FALSE(model.saw_disconnect().empty());
  CHECK_FALSE(model.is_over());
  CHECK(model.saw_exit(exit_status::signalled(SIGTERM), false).empty());
  CHECK_FALSE(model.saw_exit(exit_status::signalled(SIGTERM), false).empty());
  CHECK(model.is_over());
}

TEST_CASE("both ends may come in any order, and nothing follows")
{
  life_model model = online();
  model.told({listen, exit});
  CHECK(model.saw_exit(left_the_program, false).empty());
  CHECK_FALSE(model.saw_listening().empty());
  CHECK(model.saw_disconnect().empty());
  CHECK(model.is_over());
}

TEST_CASE("nobody is online, or listens, after the channel was cut or a drain has begun")
{
  life_model cut;
  CHECK(cut.saw_fork().empty());
  cut.cut();
  CHECK_FALSE(cut.saw_online().empty());
  life_model drained = online();
  drained.told({listen});
  drained.disconnected();
  CHECK_FALSE(drained.saw_listening().empty());
}

TEST_CASE("a worker does not end for no reason")
{
  life_model model = online();
  model.told({listen, load});
  for (const bool voluntary : {false, true}) {
    CHECK_FALSE(model.may_end(well, voluntary));
    CHECK_FALSE(model.may_end(killed_itself, voluntary));
    CHECK_FALSE(model.may_end(left_the_program, voluntary));
    CHECK_FALSE(model.may_end(exit_status::signalled(SIGKILL), voluntary));
  }
}

TEST_CASE("each reason has its status, and tells whether the end was announced")
{
  const auto only = [](const life_model& model, exit_status status, bool voluntary) {
    for (const exit_status each : {well, killed_itself, left_the_program,
             exit_status::signalled(SIGTERM), exit_status::signalled(SIGKILL)})
      for (const bool announced : {false, true})
        CHECK(model.may_end(each, announced) == (each == status && announced == voluntary));
  };
  life_model disconnected = online();
  disconnected.disconnected();
  only(disconnected, well, true);
  life_model cut = online();
  cut.cut();
  only(cut, well, false);
  life_model terminated = online();
  terminated.signalled(SIGTERM);
  only(terminated, exit_status::signalled(SIGTERM), false);
}

TEST_CASE("what a worker was told it does in its order, as far as it comes")
{
  life_model model = online();
  model.told({disconnect});
  CHECK(model.may_end(well, true));
  CHECK_FALSE(model.may_end(well, false));
  model.told({kill});
  CHECK(model.may_end(well, true));
  CHECK(model.may_end(killed_itself, true));
  model.told({exit});
  CHECK(model.may_end(left_the_program, true));
  CHECK_FALSE(model.may_end(left_the_program, false));
  // In one go.
  life_model at_once = online();
  at_once.told({close_channel, kill});
  CHECK(at_once.may_end(killed_itself, false));
  CHECK_FALSE(at_once.may_end(killed_itself, true));
  CHECK_FALSE(at_once.may_end(well, false));
  life_model last = online();
  last.told({exit});
  last.told({kill});
  CHECK_FALSE(last.may_end(killed_itself, true));
}

TEST_CASE("the announcement of a worker may cross the cut of its channel, that of the primary not")
{
  life_model model = online();
  model.told({kill});
  model.cut();
  CHECK(model.may_end(killed_itself, true));
  CHECK(model.may_end(killed_itself, false));
  model.disconnected();
  CHECK_FALSE(model.may_end(killed_itself, false));
}

} // namespace life_model_test
