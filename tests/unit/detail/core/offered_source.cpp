// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/offered_source.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include "support/noted_port.hpp"
#include "support/time_factor.hpp"

#include <chrono>
#include <string>
#include <unistd.h>
#include <vector>

namespace offered_source_test {

using namespace cohort::detail;
using cohort_test::noted_port;
using cohort_test::silent_owner;
using lines = std::vector<std::string>;

namespace {

struct source_test {
  explicit source_test(std::uint32_t credit = 16)
      : source(std::make_shared<offered_source>(
            context.get_executor(), owner, port, posix::socket_address(), 7, credit))
  {
  }

  auto note()
  {
    return [this](std::error_code error, accepted result) {
      if (error) errors.push_back(error);
      else taken.push_back(std::move(result));
    };
  }

  void wait(int times = 1)
  {
    for (; times != 0; --times) source->add(note());
  }

  void offer(std::uint64_t first, std::uint16_t count, std::size_t arrived, bool truncated)
  {
    std::vector<posix::unique_fd> sockets;
    std::error_code error;
    for (std::size_t i = 0; i != arrived; ++i) sockets.push_back(posix::stream_pair(error).first);
    source->offered(first, count, sockets, truncated);
  }
  void offer(std::uint64_t first, std::uint16_t count) { offer(first, count, count, false); }

  // The program has asked and was served; it will ask again.
  void serve_one()
  {
    wait();
    offer(1, 1);
    run();
    port.take();
  }

  void run()
  {
    context.restart();
    context.poll();
  }

  // One that lives ends, as a connection's destructor would do it.
  void end_one()
  {
    taken.pop_back();
    run();
  }

  template <class Done>
  bool run_until(Done done)
  {
    const auto limit = std::chrono::seconds(10) * cohort_test::time_factor();
    const auto deadline = std::chrono::steady_clock::now() + limit;
    context.restart();
    while (!done() && context.run_one_until(deadline) != 0) {
    }
    return done();
  }

  asio::io_context context;
  std::shared_ptr<silent_owner> owner = std::make_shared<silent_owner>();
  noted_port port;
  std::vector<accepted> taken;
  std::vector<std::error_code> errors;
  std::shared_ptr<offered_source> source;
};

} // namespace

TEST_CASE("credit is granted when the program first asks for a connection, and once")
{
  source_test test(16);
  CHECK(test.port.take() == lines{});
  test.wait();
  CHECK(test.port.take() == lines{"credit 16"});
  test.wait();
  CHECK(test.port.take() == lines{});
}

TEST_CASE("the acknowledgement is written before the program has the connection")
{
  source_test test;
  test.wait();
  test.offer(10, 1);
  CHECK(test.port.take() == lines{"credit 16", "taken 10"});
  CHECK(test.taken.empty());
  test.run();
  REQUIRE(test.taken.size() == 1);
  CHECK(test.taken[0].socket);
  CHECK(test.source->live() == 1);
}

TEST_CASE("an offer stays unanswered until the program asks")
{
  source_test test;
  test.serve_one();
  test.offer(10, 2);
  CHECK(test.port.take() == lines{});
  test.wait();
  CHECK(test.port.take() == lines{"taken 10"});
  test.wait();
  CHECK(test.port.take() == lines{"taken 11"});
  test.run();
  CHECK(test.taken.size() == 3);
}

TEST_CASE("when nobody waits any more, because of a cancellation, all goes back")
{
  source_test test;
  asio::cancellation_signal signal;
  test.serve_one();
  test.offer(10, 2);
  SUBCASE("of the acceptor, between two accepts") { test.source->cancel(); }
  SUBCASE("of the only accept")
  {
    test.port.has_room = false;
    test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
    signal.emit(asio::cancellation_type::total);
    test.port.has_room = true;
    test.run();
    CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  }
  // A refusal takes the credit with it.
  CHECK(test.port.take() == lines{"refused 10+2 no_room"});
  // This one crossed it.
  test.offer(12, 1);
  CHECK(test.port.take() == lines{"refused 12+1 no_room"});
  test.source->set_max_connections(20);
  test.source->cancel();
  CHECK(test.port.take() == lines{});
  test.wait();
  CHECK(test.port.take() == lines{"credit 16"});
  test.offer(13, 1);
  CHECK(test.port.take() == lines{"taken 13"});
}

TEST_CASE("a cancellation with nothing on offer withdraws the credit, once")
{
  source_test test;
  test.source->cancel();
  CHECK(test.port.take() == lines{});
  test.serve_one();
  test.source->cancel();
  test.source->cancel();
  CHECK(test.port.take() == lines{"credit 0"});
}

TEST_CASE("one cancelled wait of several takes nothing back")
{
  source_test test;
  asio::cancellation_signal signal;
  test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
  test.wait();
  signal.emit(asio::cancellation_type::total);
  CHECK(test.port.take() == lines{"credit 16"});
  test.offer(10, 1);
  CHECK(test.port.take() == lines{"taken 10"});
}

TEST_CASE("a connection of no use pauses the offers, and one is tried first")
{
  source_test test;
  test.serve_one();
  test.wait();
  test.offer(10, 3);
  CHECK(test.port.take() == lines{"taken 10"});
  test.source->pause();
  CHECK(test.port.take() == lines{"refused 11+2 no_room"});
  test.wait();
  test.offer(13, 1);
  CHECK(test.port.take() == lines{"refused 13+1 no_room"});
  CHECK(test.run_until([&] { return !test.port.sent.empty(); }));
  CHECK(test.port.take() == lines{"credit 1"});
  test.offer(14, 1);
  CHECK(test.port.take() == lines{"taken 14", "credit 16"});
}

TEST_CASE("when the channel has no room, connection and acknowledgement wait")
{
  source_test test;
  test.wait();
  test.port.take();
  test.port.has_room = false;
  test.offer(10, 1);
  test.run();
  CHECK(test.port.take() == lines{});
  CHECK(test.taken.empty());
  CHECK(test.source->live() == 0);
  test.port.has_room = true;
  test.source->writable();
  CHECK(test.port.take() == lines{"taken 10"});
  test.run();
  CHECK(test.taken.size() == 1);
}

TEST_CASE("credit is withdrawn at max_connections and granted again when there is room")
{
  source_test test;
  test.source->set_max_connections(2);
  test.wait(3);
  CHECK(test.port.take() == lines{"credit 2"});
  test.offer(10, 1);
  CHECK(test.port.take() == lines{"taken 10", "credit 1"});
  test.offer(11, 1);
  CHECK(test.port.take() == lines{"taken 11", "credit 0"});
  test.run();
  test.end_one();
  CHECK(test.port.take() == lines{"credit 1"});
}

TEST_CASE("offers that crossed the loss of room are refused, those that fit stay")
{
  source_test test;
  test.serve_one();
  test.offer(10, 4);
  test.source->set_max_connections(3);
  // The refusal takes all credit away, and what there is room for is granted anew.
  CHECK(test.port.take() == lines{"refused 12+2 no_room", "credit 2"});
  test.wait(2);
  CHECK(test.port.take() == lines{"taken 10", "credit 1", "taken 11", "credit 0"});
}

TEST_CASE("no room at all withdraws the credit")
{
  source_test test;
  test.wait();
  test.source->set_max_connections(0);
  CHECK(test.port.take() == lines{"credit 16", "credit 0"});
  test.offer(10, 2);
  CHECK(test.port.take() == lines{"refused 10+2 no_room"});
  test.source->set_max_connections(5);
  CHECK(test.port.take() == lines{"credit 5"});
}

TEST_CASE("a truncated offer is refused as a whole, and after a pause one is tried first")
{
  source_test test;
  test.wait(2);
  test.port.take();
  test.offer(10, 3, 1, true);
  CHECK(test.port.take() == lines{"refused 10+3 no_room"});
  test.run();
  CHECK(test.taken.empty());
  CHECK(test.run_until([&] { return !test.port.sent.empty(); }));
  CHECK(test.port.take() == lines{"credit 1"});
  test.offer(20, 1);
  CHECK(test.port.take() == lines{"taken 20", "credit 16"});
}

TEST_CASE("offers that are truncated again are tried again")
{
  source_test test;
  test.wait();
  test.port.take();
  for (int i = 0; i != 3; ++i) {
    test.offer(10, 1, 0, true);
    CHECK(test.port.take() == lines{"refused 10+1 no_room"});
    CHECK(test.run_until([&] { return !test.port.sent.empty(); }));
    CHECK(test.port.take() == lines{"credit 1"});
  }
}

TEST_CASE("fewer descriptors than announced are a truncated offer, whatever the kernel says")
{
  source_test test;
  test.wait();
  test.port.take();
  test.offer(10, 2, 1, false);
  CHECK(test.port.take() == lines{"refused 10+2 no_room"});
}

TEST_CASE("nobody is asked again after a truncated offer when the source closes meanwhile")
{
  source_test test;
  test.wait();
  test.offer(10, 1, 0, true);
  test.port.take();
  test.source->close(cohort::error::draining);
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.port.take() == lines{});
}

TEST_CASE("a close gives back what is untaken, in runs, and leaves the listener")
{
  source_test test;
  test.serve_one();
  test.offer(10, 2);
  test.offer(20, 1);
  test.offer(21, 2);
  test.source->close(asio::error::operation_aborted);
  CHECK(test.port.take() == lines{"refused 10+2 draining", "refused 20+3 draining", "close"});
  test.source->close(asio::error::operation_aborted);
  CHECK(test.port.take() == lines{});
}

TEST_CASE("a drain gives back what is untaken without leaving each listener")
{
  source_test test;
  test.serve_one();
  test.offer(10, 2);
  test.source->close(cohort::error::draining);
  CHECK(test.port.take() == lines{"refused 10+2 draining"});
}

TEST_CASE("an offer that crossed the close goes back")
{
  source_test test;
  test.source->close(asio::error::operation_aborted);
  test.port.take();
  test.offer(10, 3);
  CHECK(test.port.take() == lines{"refused 10+3 draining"});
}

TEST_CASE("waits fail with the reason of the close, those in flight and later ones")
{
  source_test test;
  test.wait();
  test.source->close(cohort::error::draining);
  test.wait();
  CHECK(test.errors.empty());
  test.run();
  CHECK(test.errors == std::vector<std::error_code>(2, cohort::error::draining));
  CHECK_FALSE(test.source->is_open());
}

TEST_CASE("the end of a connection is reported with the next acknowledgement")
{
  source_test test;
  test.wait(3);
  test.offer(10, 2);
  test.run();
  test.port.take();
  test.end_one();
  CHECK(test.port.take() == lines{});
  test.offer(12, 1);
  CHECK(test.port.take() == lines{"taken 12, released 1"});
}

TEST_CASE("the end of the last connection is reported at once")
{
  source_test test;
  test.wait(3);
  test.offer(10, 3);
  test.run();
  test.port.take();
  test.end_one();
  test.end_one();
  CHECK(test.port.take() == lines{});
  test.end_one();
  CHECK(test.port.take() == lines{"released 3"});
  CHECK(test.owner->ended == 3);
  CHECK(test.source->live() == 0);
}

TEST_CASE("many ends are reported in groups, though others live")
{
  source_test test;
  test.wait(12);
  test.offer(10, 12);
  test.run();
  test.port.take();
  for (int i = 0; i != 11; ++i) test.end_one();
  CHECK(test.port.take() == lines{"released 8"});
  test.end_one();
  CHECK(test.port.take() == lines{"released 4"});
}

TEST_CASE(
    "an injected connection is not the primary's: its end is not told, nor others' ends kept back")
{
  source_test test;
  test.wait(2);
  test.source->inject(posix::unique_fd(::dup(STDERR_FILENO)));
  test.run();
  CHECK(test.port.take() == lines{"credit 16"});
  test.offer(10, 1);
  test.run();
  CHECK(test.port.take() == lines{"taken 10"});
  // The offered one ends first, while the injected one lives.
  test.end_one();
  CHECK(test.port.take() == lines{"released 1"});
  test.end_one();
  CHECK(test.port.take().empty());
  CHECK(test.source->live() == 0);
}

TEST_CASE("an injected connection takes room, which the primary is told")
{
  source_test test;
  test.source->set_max_connections(2);
  test.wait();
  CHECK(test.port.take() == lines{"credit 2"});
  test.source->inject(posix::unique_fd(::dup(STDERR_FILENO)));
  CHECK(test.port.take() == lines{"credit 1"});
  test.run();
  test.end_one();
  CHECK(test.port.take() == lines{"credit 2"});
}

TEST_CASE("connections that outlive the close are still reported")
{
  source_test test;
  test.wait();
  test.offer(10, 1);
  test.run();
  test.source->close(asio::error::operation_aborted);
  test.port.take();
  CHECK(test.source->live() == 1);
  test.end_one();
  CHECK(test.port.take() == lines{"released 1"});
}

} // namespace offered_source_test
