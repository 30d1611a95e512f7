// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_port.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"

#include <cohort/detail/posix/socket.hpp>
#include <cohort/error.hpp>

#include <asio/io_context.hpp>

#include <memory>
#include <sys/socket.h>
#include <system_error>
#include <type_traits>
#include <utility>

namespace message_port_test {

using namespace cohort_test;
using cohort::detail::message_port;

namespace {

// Two ports that talk to each other, as the life cycles of two processes have them.
struct fixture {
  asio::io_context context{1};
  std::shared_ptr<message_port> left, right;

  fixture()
  {
    std::error_code error;
    auto sockets = cohort::detail::posix::stream_pair(error);
    REQUIRE_FALSE(error);
    left = open(std::move(sockets.first));
    right = open(std::move(sockets.second));
  }
  ~fixture()
  {
    for (const auto& each : {left, right})
      if (each) each->close();
    run_ready(context);
  }

  std::shared_ptr<message_port> open(cohort::detail::posix::unique_fd socket)
  {
    return no_messages().open(
        context.get_executor(), std::move(socket), cohort::channel_options(), 5);
  }
  template <class Done>
  bool until(Done done)
  {
    return run_until(context, done);
  }
};

} // namespace

static_assert(std::has_virtual_destructor_v<message_port>);
static_assert(!std::is_copy_constructible_v<message_port>);

TEST_CASE("a new port has neither ended nor anything to do")
{
  fixture f;
  CHECK_FALSE(f.left->input_ended());
  CHECK_FALSE(f.left->settled());
  CHECK_FALSE(f.left->serving());
  CHECK(f.left->handed_out() == 0);
  CHECK_FALSE(f.left->on_progress);
  CHECK_FALSE(f.left->on_problem);
}

TEST_CASE("two ports whose streams both end are settled, and both are told of progress")
{
  fixture f;
  int left = 0, right = 0;
  f.left->on_progress = [&] { ++left; };
  f.right->on_progress = [&] { ++right; };
  f.left->read_ahead();
  f.right->read_ahead();
  f.left->finish();
  // Each has seen one of the two ends.
  CHECK(f.until([&] { return f.right->input_ended() && right != 0 && left != 0; }));
  CHECK((f.left->written() && !f.left->input_ended()));
  CHECK_FALSE(f.right->written());
  CHECK_FALSE(f.right->settled());
  CHECK_FALSE(f.left->settled());
  left = 0;
  f.right->finish();
  CHECK(f.until([&] { return f.left->settled() && f.right->settled() && left != 0; }));
}

TEST_CASE("a port reads nothing of itself: an end shows to who reads ahead, or to the end")
{
  for (const bool to_end : {false, true}) {
    fixture f;
    f.right.reset();
    run_ready(f.context);
    CHECK_FALSE(f.left->input_ended());
    if (to_end) f.left->read_to_end();
    else f.left->read_ahead();
    CHECK(f.until([&] { return f.left->input_ended(); }));
    CHECK(f.left->settled() == to_end);
  }
}

TEST_CASE("a port that is held reads nothing, not even ahead, until it is opened or to the end")
{
  for (const bool to_end : {false, true}) {
    fixture f;
    f.left->hold();
    f.left->read_ahead();
    f.right.reset();
    run_ready(f.context);
    CHECK_FALSE(f.left->input_ended());
    if (to_end) f.left->read_to_end();
    else f.left->open();
    CHECK(f.until([&] { return f.left->input_ended(); }));
  }
}

TEST_CASE("a closed port is settled at once, and tells the other side")
{
  fixture f;
  int problems = 0;
  f.left->on_problem = f.right->on_problem = [&](const cohort::channel_problem&) { ++problems; };
  f.right->read_ahead();
  f.left->close();
  f.left->close();
  f.left->finish();
  f.left->read_ahead();
  f.left->read_to_end();
  CHECK(f.left->input_ended());
  CHECK(f.left->settled());
  CHECK(f.until([&] { return f.right->input_ended(); }));
  f.right->finish();
  CHECK(f.until([&] { return f.right->settled(); }));
  CHECK(problems == 0);
}

TEST_CASE("a peer that breaks the rules is a problem for who knows no types as well")
{
  fixture f;
  std::error_code error;
  auto sockets = cohort::detail::posix::stream_pair(error);
  const auto port = f.open(std::move(sockets.first));
  std::error_code problem;
  port->on_problem = [&](const cohort::channel_problem& found) { problem = found.code; };
  port->read_ahead();
  const char bytes[24] = "no frame at all: a text";
  REQUIRE(::send(sockets.second.get(), bytes, sizeof bytes, 0) == sizeof bytes);
  CHECK(f.until([&] { return port->settled(); }));
  CHECK(problem.category() == cohort::error_category());
}

TEST_CASE("sides of one protocol have one fingerprint, another list of messages has another")
{
  using nothing = cohort::messages<>;
  using something = cohort::untyped<int>;
  const auto fingerprint = []<class Up, class Down>(Up, Down) {
    return cohort::detail::fingerprint<cohort::protocol<Up, Down, cohort::binary_codec>>();
  };
  const auto empty = fingerprint(nothing(), nothing());
  CHECK(no_messages().fingerprint == empty);
  CHECK(no_messages().fingerprint == no_messages().fingerprint);
  CHECK(fingerprint(something(), nothing()) != empty);
  CHECK(fingerprint(nothing(), something()) != empty);
  CHECK(fingerprint(something(), nothing()) != fingerprint(nothing(), something()));
}

} // namespace message_port_test
