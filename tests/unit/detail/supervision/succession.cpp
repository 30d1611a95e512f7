// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/succession.hpp>

#include "support/event_loop.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace succession_test {

using namespace cohort;
using namespace cohort::detail;
using cohort_test::run_ready;

namespace {

struct noting_host final : succession_host {
  bool all_ready() const override
  {
    ++looks;
    return ready;
  }
  void take_over() override { ++taken; }
  void adopt(passed_listener connections) override { adopted += connections.sockets.size(); }
  void await_end(posix::unique_fd channel) override
  {
    ++awaited;
    kept = std::move(channel);
  }

  mutable int looks = 0;
  bool ready = false;
  int taken = 0;
  std::size_t adopted = 0;
  int awaited = 0;
  posix::unique_fd kept;
};

struct fixture {
  ~fixture()
  {
    made->end();
    run_ready(context);
    CHECK(context.stopped());
    CHECK(made.use_count() == 1);
  }

  cohort_test::replaced_program before{std::vector<passed_listener>()};
  asio::io_context context{1};
  noting_host host;
  std::shared_ptr<succession> made = std::make_shared<succession>(context.get_executor(), host);
};

} // namespace

TEST_CASE("the program before this one hears when all is ready, and this one when it may go on")
{
  fixture test;
  test.made->begin();
  std::error_code error;
  test.before.heard(error);
  CHECK(posix::would_block(error));
  test.host.ready = true;
  test.made->deliver(ready_event());
  // Not in the middle of what happens.
  CHECK(predecessor::of_this_process().waits());
  run_ready(test.context);
  CHECK(test.before.heard_ready());
  CHECK_FALSE(predecessor::of_this_process().waits());
  CHECK(test.host.taken == 0);
  test.before.say(wire::leaving());
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.taken == 1; }));
}

TEST_CASE("a program that is gone has nothing to say: this one goes on, whenever that was")
{
  SUBCASE("before this one is ready")
  {
    fixture test;
    test.before.close();
    test.host.ready = true;
    test.made->begin();
    CHECK(test.host.taken == 1);
    CHECK(test.host.awaited == 1);
    CHECK_FALSE(test.host.kept);
  }
  SUBCASE("after it")
  {
    fixture test;
    test.host.ready = true;
    test.made->begin();
    CHECK(test.before.heard_ready());
    CHECK(test.host.taken == 0);
    test.before.close();
    CHECK(cohort_test::run_until(test.context, [&] { return test.host.taken == 1; }));
  }
}

TEST_CASE(
    "what the other program cannot serve comes first, what it leaves in the end is for others")
{
  fixture test;
  test.host.ready = true;
  test.made->begin();
  CHECK(test.before.heard_ready());
  test.before.strand(cohort_test::listener_at(cohort_test::loopback_key()));
  test.before.strand(cohort_test::listener_at(cohort_test::loopback_key(), 2));
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.adopted == 3; }));
  CHECK(test.host.taken == 0);
  test.before.say(wire::leaving());
  test.before.say_text("all");
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.taken == 1; }));
  REQUIRE(test.host.kept);
  std::error_code error;
  CHECK(receive_packet(test.host.kept.get(), error).type == upgrade_text);
}

TEST_CASE("of many things that happen at once it looks once, and never again when it has said it")
{
  fixture test;
  test.made->deliver(ready_event());
  run_ready(test.context);
  CHECK(test.host.looks == 0);
  test.made->begin();
  for (int each = 0; each != 5; ++each) test.made->deliver(ready_event());
  run_ready(test.context);
  CHECK(test.host.looks == 2);
  test.host.ready = true;
  test.made->deliver(ready_event());
  run_ready(test.context);
  CHECK(test.host.looks == 3);
  test.made->deliver(ready_event());
  run_ready(test.context);
  CHECK(test.host.looks == 3);
}

TEST_CASE("when this program ends it says nothing more, and takes nothing over")
{
  SUBCASE("before it is ready")
  {
    fixture test;
    test.made->begin();
    test.host.ready = true;
    test.made->deliver(ready_event());
    test.made->end();
    run_ready(test.context);
    std::error_code error;
    test.before.heard(error);
    CHECK(posix::would_block(error));
  }
  SUBCASE("after it")
  {
    fixture test;
    test.host.ready = true;
    test.made->begin();
    test.made->close();
    test.before.close();
    run_ready(test.context);
    CHECK(test.host.taken == 0);
  }
}

} // namespace succession_test
