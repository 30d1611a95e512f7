// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/kernel_source.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/noted_port.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace kernel_source_test {

using namespace cohort::detail;
using cohort_test::noted_port;
using cohort_test::silent_owner;
using lines = std::vector<std::string>;

namespace {

struct source_test {
  explicit source_test(std::uint32_t credit = 16)
  {
    const auto any = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    primary = posix::listen_stream(any, posix::listen_settings(), error);
    REQUIRE_FALSE(error);
    bound = posix::local_address(primary.get(), error);
    source = std::make_shared<kernel_source>(context.get_executor(), owner, port, bound, 7, credit,
        posix::duplicate(primary.get(), error), error);
    REQUIRE_FALSE(error);
  }
  ~source_test() { source->close(cohort::error::draining); }

  void wait(int times = 1)
  {
    for (; times != 0; --times)
      source->add([this](std::error_code failure, accepted result) {
        if (failure) errors.push_back(failure);
        else taken.push_back(std::move(result));
      });
  }
  void run()
  {
    context.restart();
    context.poll();
  }
  // What it does next, once.
  void step()
  {
    context.restart();
    CHECK(context.run_one_for(std::chrono::seconds(10) * cohort_test::time_factor()) == 1);
  }
  bool takes(std::size_t count)
  {
    return cohort_test::run_bounded(context, [&] { return taken.size() == count; });
  }
  void offer(std::uint64_t first)
  {
    std::vector<posix::unique_fd> sockets;
    sockets.push_back(posix::stream_pair(error).first);
    source->offered(first, 1, sockets, false);
  }
  // Who waits on the primary's copy.
  bool someone_waits()
  {
    return static_cast<bool>(posix::accept_stream(primary.get(), nullptr, error));
  }

  std::error_code error;
  asio::io_context context{1};
  cohort_test::test_clients clients{context};
  posix::unique_fd primary;
  posix::socket_address bound;
  noted_port port;
  std::shared_ptr<silent_owner> owner = std::make_shared<silent_owner>();
  std::shared_ptr<kernel_source> source;
  std::vector<accepted> taken;
  std::vector<std::error_code> errors;
};

} // namespace

TEST_CASE("a worker accepts for itself when its program asks, and its credit says that it does")
{
  source_test test;
  test.clients.connect(test.bound, 2);
  test.run();
  CHECK(test.taken.empty());
  CHECK(test.port.take().empty());
  test.wait(3);
  CHECK(test.takes(2));
  CHECK(test.port.take() == lines{"credit 16"});
  test.clients.connect(test.bound, 1);
  CHECK(test.takes(3));
}

TEST_CASE("what was accepted is told with the first end, and before it")
{
  source_test test;
  test.clients.connect(test.bound, 2);
  test.wait(2);
  CHECK(test.takes(2));
  test.port.take();
  test.taken.clear();
  test.run();
  CHECK(test.port.take() == lines{"accepted 2", "released 2"});
  CHECK(test.owner->ended == 2);
}

TEST_CASE("many that live are told in groups")
{
  source_test test;
  test.wait(9);
  test.clients.connect(test.bound, 9);
  CHECK(test.takes(9));
  CHECK(test.port.take() == lines{"credit 16", "accepted 8"});
  test.source->close(cohort::error::draining);
  CHECK(test.port.take() == lines{"accepted 1"});
}

TEST_CASE("what is offered as well is taken first")
{
  source_test test;
  test.wait();
  test.run();
  test.clients.connect(test.bound, 1);
  test.offer(5);
  test.run();
  CHECK(test.taken.size() == 1);
  CHECK(test.port.take() == lines{"credit 16", "taken 5"});
  CHECK(test.someone_waits());
}

TEST_CASE("a program that asks no more leaves those who wait to others")
{
  source_test test;
  test.wait();
  test.run();
  test.source->cancel();
  test.run();
  CHECK(test.errors.size() == 1);
  CHECK(test.port.take() == lines{"credit 16", "credit 0"});
  test.clients.connect(test.bound, 1);
  test.run();
  CHECK(test.taken.empty());
  CHECK(test.someone_waits());
}

TEST_CASE("no more than it may have live at a time, and told so")
{
  source_test test;
  test.source->set_max_connections(1);
  test.clients.connect(test.bound, 2);
  test.wait(2);
  CHECK(test.takes(1));
  test.run();
  CHECK(test.taken.size() == 1);
  CHECK(test.port.take() == lines{"credit 1", "credit 0"});
  test.taken.clear();
  CHECK(test.takes(1));
  CHECK(test.port.take() == lines{"accepted 1", "released 1", "credit 1", "credit 0"});
}

TEST_CASE("closing says so and leaves those who wait to the primary")
{
  source_test test;
  test.wait();
  test.run();
  test.port.take();
  test.source->close(asio::error::operation_aborted);
  CHECK(test.port.take() == lines{"close"});
  test.clients.connect(test.bound, 1);
  CHECK(test.someone_waits());
}

TEST_CASE("a worker whose turn it is not lets others go first, and then takes whom they left")
{
  source_test test;
  test.wait();
  test.source->set_turn(false);
  test.clients.connect(test.bound, 3);
  test.step(); // it sees that somebody is there
  CHECK(test.someone_waits());
  CHECK(test.takes(1));
  // Who is left is not left to wait once more.
  test.wait();
  CHECK(test.takes(2));
  test.source->close(cohort::error::draining);
  CHECK(test.port.take() == lines{"credit 16", "accepted 2, left 2"});
}

TEST_CASE("when others took all it waits, and lets them go first the next time as well")
{
  source_test test;
  test.wait();
  test.source->set_turn(false);
  test.clients.connect(test.bound, 1);
  test.step();
  CHECK(test.someone_waits());
  test.step(); // nobody is left
  test.clients.connect(test.bound, 1);
  CHECK(test.takes(1));
  test.source->close(cohort::error::draining);
  CHECK(test.port.take() == lines{"credit 16", "accepted 1, left 1"});
}

TEST_CASE("a worker that may go again does, and nobody was left to it")
{
  source_test test;
  test.wait(2);
  test.source->set_turn(false);
  SUBCASE("before anybody comes") { test.source->set_turn(true); }
  SUBCASE("while it lets others go first")
  {
    test.clients.connect(test.bound, 1);
    test.step();
    test.source->set_turn(true);
    CHECK(test.takes(1));
  }
  SUBCASE("when it has")
  {
    // Its program asks for nobody then.
    test.source->cancel();
    test.wait();
    test.clients.connect(test.bound, 1);
    test.step();
    test.source->cancel();
    test.run();
    test.source->set_turn(true);
    test.wait(2);
    CHECK(test.takes(1));
  }
  test.clients.connect(test.bound, 2 - static_cast<int>(test.taken.size()));
  CHECK(test.takes(2));
  test.source->close(cohort::error::draining);
  CHECK(test.port.take().back() == "accepted 2");
}

TEST_CASE("a worker that lets others go first can be closed, and goes without a word")
{
  source_test test;
  test.wait();
  test.source->set_turn(false);
  test.clients.connect(test.bound, 1);
  test.step();
  test.source->close(cohort::error::draining);
  test.run();
  CHECK(test.taken.empty());
  CHECK(test.someone_waits());
}

TEST_CASE("a source is made of what the primary answers")
{
  source_test test;
  wire::listen_reply reply;
  reply.listener = 3;
  std::vector<posix::unique_fd> sockets;
  io::received_descriptors descriptors{sockets, false};
  const auto make = [&] {
    return make_source(reply, descriptors, test.context.get_executor(), test.owner, test.port,
        test.bound, 16, test.error);
  };
  const auto offered = make();
  CHECK(offered);
  CHECK_FALSE(std::dynamic_pointer_cast<kernel_source>(offered));
  reply.how = wire::sharing::one_socket;
  CHECK_FALSE(make());
  CHECK(test.error == std::errc::too_many_files_open);
  test.error.clear();
  sockets.push_back(posix::duplicate(test.primary.get(), test.error));
  descriptors = {sockets, false};
  const auto own = make();
  CHECK(std::dynamic_pointer_cast<kernel_source>(own));
  offered->close(cohort::error::draining);
  own->close(cohort::error::draining);
}

} // namespace kernel_source_test
