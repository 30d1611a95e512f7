// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listen_answers.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace listen_answers_test {

using namespace cohort::detail;

namespace {

// A control channel with room for so many frames.
struct noted_channel {
  bool try_send(
      std::span<const std::byte> frame, std::span<const int> descriptors, std::error_code& error)
  {
    if (failure) {
      error = failure;
      return false;
    }
    if (room == 0) return false;
    --room;
    note(frame, descriptors.size());
    return true;
  }
  void send(std::span<const std::byte> frame) { note(frame, 0); }

  void note(std::span<const std::byte> frame, std::size_t descriptors)
  {
    std::error_code error;
    const auto reply = wire::decode<wire::listen_reply>(frame.subspan(wire::header_size), error);
    CHECK_FALSE(error);
    sent.push_back(std::to_string(reply.request) + ' ' + std::to_string(reply.value) + ' ' +
                   std::to_string(descriptors));
  }

  int room = 100;
  std::error_code failure;
  std::vector<std::string> sent;
};

posix::socket_address at_port(std::uint16_t port)
{
  std::error_code error;
  return posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
}

listen_answer answer_to(std::uint32_t request, bool with_socket)
{
  listen_answer made;
  made.request = request;
  made.listener = 10 * request;
  made.place.bound = at_port(static_cast<std::uint16_t>(request));
  if (with_socket) {
    std::error_code error;
    made.how = wire::sharing::own_socket;
    made.socket = posix::stream_pair(error).first;
  }
  return made;
}

} // namespace

TEST_CASE("answers wait for room, in order, and keep their sockets")
{
  noted_channel channel;
  listen_answers answers;
  const auto nobody = [](std::uint32_t) { FAIL("nothing was refused"); };
  channel.room = 1;
  answers.add(answer_to(1, true));
  answers.add(answer_to(2, false));
  answers.add(answer_to(3, true));
  answers.send(channel, nobody);
  CHECK(channel.sent == std::vector<std::string>{"1 0 1"});
  channel.room = 100;
  answers.send(channel, nobody);
  answers.send(channel, nobody);
  CHECK(channel.sent == std::vector<std::string>{"1 0 1", "2 0 0", "3 0 1"});
}

TEST_CASE("what a worker was told it confirms once, and not before it was told")
{
  noted_channel channel;
  listen_answers answers;
  const auto ignore = [](std::uint32_t) {};
  channel.room = 1;
  answers.add(answer_to(1, false));
  answers.add(answer_to(2, false));
  answers.add(listen_answer::draining(3));
  answers.send(channel, ignore);
  CHECK_FALSE(answers.confirmed(20));
  const auto first = answers.confirmed(10);
  REQUIRE(first);
  CHECK(first->bound.port() == 1);
  CHECK_FALSE(answers.confirmed(10));
  channel.room = 100;
  answers.send(channel, ignore);
  CHECK(answers.confirmed(20));
  // A failed listen has no listener.
  CHECK_FALSE(answers.confirmed(0));
}

TEST_CASE("what the kernel does not pass on is an error for the worker, and a listener less")
{
  noted_channel channel;
  listen_answers answers;
  std::vector<std::uint32_t> refused;
  channel.failure = std::make_error_code(std::errc::operation_not_permitted);
  answers.add(answer_to(4, true));
  answers.send(channel, [&](std::uint32_t listener) { refused.push_back(listener); });
  CHECK_FALSE(answers.confirmed(40));
  CHECK(refused == std::vector<std::uint32_t>{40});
  CHECK(channel.sent == std::vector<std::string>{"4 1 0"});
}

TEST_CASE("there is an end to how many answers wait")
{
  noted_channel channel;
  listen_answers answers;
  channel.room = 0;
  std::uint32_t count = 0;
  for (; count != 1000 && !answers.too_many(); ++count) answers.add(answer_to(count, false));
  CHECK(count == 257);
  channel.room = 1;
  const auto ignore = [](std::uint32_t) {};
  answers.send(channel, ignore);
  CHECK_FALSE(answers.too_many());
}

TEST_CASE("a worker that is to leave is told so")
{
  const auto answer = listen_answer::draining(7);
  CHECK(answer.valid());
  CHECK(answer.request == 7);
  CHECK(answer.category == wire::error_kind::cohort);
  CHECK(answer.value == static_cast<int>(cohort::error::draining));
}

} // namespace listen_answers_test
