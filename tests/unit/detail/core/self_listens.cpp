// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/self_listens.hpp>

#include "support/event_loop.hpp"
#include "support/noted_port.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace self_listens_test {

using namespace cohort::detail;
using strings = std::vector<std::string>;

namespace {

struct listens_test {
  // What has to be told before this goes away.
  ~listens_test()
  {
    listens.close(asio::error::operation_aborted);
    source.reset();
    cohort_test::run_ready(context);
  }

  auto note()
  {
    return [this](std::error_code error, std::shared_ptr<accept_source> made) {
      result = error;
      source = std::move(made);
    };
  }
  void ask()
  {
    listens.ask(note(), listen_key(wire::listen_kind::tcp, loopback()), cohort::listen_options());
  }
  // The primary has answered the n-th question.
  void answer(std::uint32_t request, std::uint32_t listener)
  {
    wire::listen_reply reply;
    reply.request = request;
    reply.listener = listener;
    reply.address = wire::address_bytes(loopback().bytes());
    reply_with(reply);
  }
  void reply_with(const wire::listen_reply& reply)
  {
    io::received_descriptors none;
    listens.received(reply, none, owner);
    cohort_test::run_ready(context);
  }

  static posix::socket_address loopback()
  {
    std::error_code error;
    return posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  }

  asio::io_context context{1};
  cohort_test::noted_port port;
  std::shared_ptr<cohort_test::silent_owner> owner = std::make_shared<cohort_test::silent_owner>();
  self_listens listens{context.get_executor(), port};
  std::optional<std::error_code> result;
  std::shared_ptr<accept_source> source;
};

} // namespace

TEST_CASE("who asks gets the listener, and then the primary is told that it listens")
{
  listens_test test;
  test.ask();
  CHECK(test.port.take() == strings{"listen"});
  test.answer(1, 7);
  CHECK(test.result == std::error_code());
  CHECK(test.source != nullptr);
  CHECK(test.port.take() == strings{"listening"});
}

TEST_CASE("a long path is asked for, and is where the listener is")
{
  listens_test test;
  const std::string path = '/' + std::string(200, 'x');
  std::error_code error;
  test.listens.ask(
      test.note(), listen_key::of(cohort::unix_path(path), error), cohort::listen_options());
  CHECK_FALSE(error);
  CHECK(test.port.take() == strings{"listen"});
  const sa_family_t family = AF_UNIX;
  wire::listen_reply reply;
  reply.request = 1;
  reply.listener = 7;
  reply.address = wire::address_bytes(std::as_bytes(std::span(&family, 1)));
  reply.path = wire::path_text(path);
  test.reply_with(reply);
  REQUIRE(test.source);
  CHECK(test.source->path() == path);
  CHECK(test.source->local_address().family() == AF_UNIX);
}

TEST_CASE("an answer that nobody waits for any more leaves the listener, and nobody listens")
{
  listens_test test;
  asio::cancellation_signal signal;
  test.listens.ask(asio::bind_cancellation_slot(signal.slot(), test.note()),
      listen_key(wire::listen_kind::tcp, listens_test::loopback()), cohort::listen_options());
  test.port.take();
  signal.emit(asio::cancellation_type::total);
  test.answer(1, 7);
  CHECK(test.result == asio::error::operation_aborted);
  CHECK(test.port.take() == strings{"close"});
  // Nor when it answers what was never asked.
  test.answer(99, 8);
  CHECK(test.port.take() == strings{"close"});
}

TEST_CASE("a socket that did not come is an error, and leaves the listener")
{
  listens_test test;
  test.ask();
  test.port.take();
  wire::listen_reply reply;
  reply.request = 1;
  reply.listener = 7;
  reply.how = wire::sharing::one_socket;
  reply.address = wire::address_bytes(listens_test::loopback().bytes());
  test.reply_with(reply);
  CHECK(test.result == std::errc::too_many_files_open);
  CHECK(test.port.take() == strings{"close"});
}

TEST_CASE("datagrams come from a socket that the primary sends, and the end of it is told")
{
  listens_test test;
  std::error_code error;
  const auto key =
      listen_key::of(asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  std::shared_ptr<datagram_source> bound;
  const auto note = [&](std::error_code result, std::shared_ptr<datagram_source> made) {
    test.result = result;
    bound = std::move(made);
  };
  test.listens.ask<datagram_source>(note, key, cohort::listen_options());
  test.port.take();
  wire::listen_reply reply;
  reply.request = 1;
  reply.listener = 7;
  reply.how = wire::sharing::one_socket;
  std::array<posix::unique_fd, 1> sent = {
      posix::bind_datagram(key.address, posix::listen_settings(), error)};
  io::received_descriptors one;
  one.fds = sent;
  reply.address = wire::address_bytes(posix::local_address(sent.front().get(), error).bytes());
  test.listens.received(reply, one, test.owner);
  cohort_test::run_ready(test.context);
  CHECK(test.result == std::error_code());
  REQUIRE(bound);
  CHECK(bound->is_open());
  CHECK_FALSE(test.listens.any_live());
  CHECK(test.port.take() == strings{"listening"});
  // The address is in use here.
  test.listens.ask<datagram_source>(note, key, cohort::listen_options());
  test.listens.close(cohort::error::draining);
  cohort_test::run_ready(test.context);
  CHECK(test.result == cohort::error::draining);
  test.port.take();

  // One that does not come, or that nobody waits for any more, is left.
  test.listens.ask<datagram_source>(note, key, cohort::listen_options());
  reply.request = 3;
  io::received_descriptors none;
  test.listens.received(reply, none, test.owner);
  cohort_test::run_ready(test.context);
  CHECK(test.result == std::errc::too_many_files_open);
  CHECK(test.port.take() == strings{"listen", "close"});
  asio::cancellation_signal signal;
  test.listens.ask<datagram_source>(
      asio::bind_cancellation_slot(signal.slot(), note), key, cohort::listen_options());
  signal.emit(asio::cancellation_type::total);
  reply.request = 4;
  sent.front() = posix::bind_datagram(key.address, posix::listen_settings(), error);
  test.listens.received(reply, one, test.owner);
  cohort_test::run_ready(test.context);
  CHECK(test.result == asio::error::operation_aborted);
  CHECK(test.port.take() == strings{"listen", "close"});
}

TEST_CASE("datagrams may come from a socket that is bound here")
{
  listens_test test;
  std::error_code error;
  const auto key =
      listen_key::of(asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  std::shared_ptr<datagram_source> bound;
  test.listens.bind<datagram_source>(
      [&](std::error_code result, std::shared_ptr<datagram_source> made) {
        test.result = result;
        bound = std::move(made);
      },
      test.owner, key, cohort::listen_options());
  cohort_test::run_ready(test.context);
  CHECK(test.result == std::error_code());
  REQUIRE(bound);
  test.listens.close(cohort::error::draining);
  CHECK_FALSE(bound->is_open());
  CHECK(test.port.take().empty());
}

TEST_CASE("an offer for a listener that was never joined goes back")
{
  listens_test test;
  wire::offer offer;
  offer.listener = 3;
  offer.first = 10;
  offer.count = 2;
  io::received_descriptors none;
  test.listens.received(offer, none);
  CHECK(test.port.take() == strings{"refused 10+2 draining"});
}

TEST_CASE("whose turn it is concerns who has joined, and crosses a close without harm")
{
  listens_test test;
  test.ask();
  test.answer(1, 7);
  test.port.take();
  wire::turn turn;
  for (const std::uint32_t listener : {7U, 8U}) {
    turn.listener = listener;
    turn.go = 0;
    test.listens.received(turn);
  }
  test.listens.left(7);
  turn.listener = 7;
  test.listens.received(turn);
  CHECK(test.port.take().empty());
}

TEST_CASE("what is bound here is between this process and the kernel")
{
  listens_test test;
  test.listens.bind(test.note(), test.owner,
      listen_key(wire::listen_kind::tcp, listens_test::loopback()), cohort::listen_options());
  cohort_test::run_ready(test.context);
  CHECK(test.result == std::error_code());
  REQUIRE(test.source != nullptr);
  CHECK(test.source->local_address().port() != 0);
  CHECK_FALSE(test.listens.any_live());
  CHECK(test.port.take().empty());
}

TEST_CASE("the end fails what was asked, and later answers are for nobody")
{
  listens_test test;
  test.ask();
  test.port.take();
  test.listens.close(cohort::error::draining);
  cohort_test::run_ready(test.context);
  CHECK(test.result == cohort::error::draining);
  test.answer(1, 7);
  CHECK(test.port.take() == strings{"close"});
  test.listens.fail(test.note(), cohort::error::disconnected);
  cohort_test::run_ready(test.context);
  CHECK(test.result == cohort::error::disconnected);
}

} // namespace self_listens_test
