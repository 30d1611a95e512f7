// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Whole programs from outside: a primary that dies, and how cohort::run ends.

#include "support/client.hpp"
#include "support/role_program.hpp"

#include <doctest/doctest.h>

namespace programs_test {

using namespace cohort_test;

namespace {

role_program running(const std::string& what)
{
  return role_program("run", "COHORT_TEST_RUN=" + what);
}

} // namespace

TEST_CASE("workers are gone when their primary was killed")
{
  role_program primary("primary");
  const address where = primary.listening();
  client live(where);
  CHECK(live.ask("keep").result == outcome::ok);
  primary.signal(SIGKILL);
  primary.wait_for_all();
  CHECK(live.receive_end() == outcome::ok);
  CHECK(ask(where).result == outcome::refused);
  CHECK(primary.wait() == 128 + SIGKILL);
}

TEST_CASE("workers that drain when their primary was killed serve who is connected")
{
  role_program primary("primary", "COHORT_TEST_LOST=drain");
  const address where = primary.listening();
  client live(where);
  CHECK(live.ask("keep").result == outcome::ok);
  primary.signal(SIGKILL);
  wait_for_refusal(where);
  CHECK(live.ask("keep").result == outcome::ok);
  live.close();
  primary.wait_for_all();
  CHECK(primary.wait() == 128 + SIGKILL);
}

TEST_CASE("run: SIGTERM and SIGINT drain the workers and give 0")
{
  for (const int signal : {SIGTERM, SIGINT}) {
    CAPTURE(signal);
    role_program one = running("restart");
    const address where = one.listening();
    client live(where);
    CHECK(echoes(live));
    one.signal(signal);
    wait_for_refusal(where);
    CHECK(echoes(live));
    live.close();
    CHECK(one.line() == "worker exited with code 0");
    CHECK(one.wait() == 0);
    CHECK(one.errors().empty());
  }
}

TEST_CASE("run: a second signal ends at once, with 128 and its number")
{
  role_program one = running("restart");
  const address where = one.listening();
  client live(where);
  CHECK(echoes(live));
  one.signal(SIGTERM);
  wait_for_refusal(where);
  one.signal(SIGTERM);
  CHECK(one.wait() == 128 + SIGTERM);
  CHECK(live.receive_end() != outcome::timeout);
}

TEST_CASE("run: an exception out of supervise is one line and status 1, and ends the workers")
{
  role_program one = running("supervise throws");
  one.listening();
  CHECK(one.wait() == 1);
  CHECK(one.errors() == "cohort: supervise: supervise failed\n");
}

TEST_CASE("run: an exception out of serve is one line and the worker's status 1")
{
  role_program one = running("serve throws");
  CHECK(one.line() == "worker exited with code 1");
  CHECK(one.wait() == 0);
  CHECK(one.errors() == "cohort: serve: serve failed\n");
}

TEST_CASE("run: when supervise returns the workers go on, and the program ends with the last")
{
  role_program one = running("supervise returns");
  const address where = one.listening();
  for (int i = 0; i != 3; ++i) {
    client live(where);
    CHECK(echoes(live));
  }
  one.signal(SIGTERM);
  CHECK(one.wait() == 0);
}

TEST_CASE("run: when serve returns the worker lives until it is drained")
{
  role_program one = running("serve returns");
  CHECK(one.line() == "online");
  one.signal(SIGTERM);
  CHECK(one.line() == "worker exited with code 0");
  CHECK(one.wait() == 0);
}

} // namespace programs_test
