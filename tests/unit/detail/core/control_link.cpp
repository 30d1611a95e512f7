// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/control_link.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace control_link_test {

using namespace cohort::detail;

namespace {

struct silent_owner {
  void on_frame(const wire::frame_view&, io::received_descriptors&) {}
  void on_channel_end(std::error_code) {}
  void on_channel_writable() {}
};

// A link whose other end nobody reads.
struct link_test {
  link_test()
  {
    std::error_code error;
    auto pair = posix::stream_pair(error);
    REQUIRE(!error);
    peer = std::move(pair.second);
    link.emplace(context.get_executor(), std::move(pair.first));
  }

  bool offer(std::uint16_t count, std::error_code& error)
  {
    wire::offer message;
    message.count = count;
    const std::vector<int> descriptors(count, peer.get());
    return link->send_offer(message, descriptors, error);
  }

  asio::io_context context{1};
  posix::unique_fd peer;
  std::optional<control_link<silent_owner>> link;
};

} // namespace

TEST_CASE("no more is offered than may be unanswered, and an answer makes room")
{
  link_test test;
  std::error_code error;
  CHECK(test.offer(64, error));
  CHECK(test.offer(64, error));
  CHECK_FALSE(test.link->answered(0));
  CHECK_FALSE(test.offer(1, error));
  CHECK_FALSE(error);
  CHECK(test.link->answered(1));
  CHECK(test.offer(1, error));
  CHECK_FALSE(test.link->answered(1));
}

TEST_CASE("an offer that cannot be sent is an error, and counts for nothing")
{
  link_test test;
  test.peer.reset();
  std::error_code error;
  wire::offer message;
  message.count = 1;
  const std::array<int, 1> descriptor = {0};
  CHECK_FALSE(test.link->send_offer(message, descriptor, error));
  CHECK(error == cohort::condition::peer_gone);
}

TEST_CASE("whose turn it is is told now or not at all")
{
  link_test test;
  std::size_t sent = 0;
  while (sent != 1000000 && test.link->try_send(wire::turn())) ++sent;
  CHECK(sent > 1);
  CHECK(sent < 1000000);
  test.peer.reset();
  CHECK_FALSE(test.link->try_send(wire::turn()));
}

TEST_CASE("what waits for a worker that does not read has a bound")
{
  link_test test;
  std::size_t sent = 0;
  while (sent != 1000000 && test.link->send(wire::drain())) ++sent;
  CHECK(sent > 1000);
  CHECK(sent < 1000000);
}

TEST_CASE("so have the answers it has asked for")
{
  link_test test;
  const auto nobody = [](std::uint32_t) { FAIL("nothing was refused"); };
  // Fills the socket.
  while (test.link->send(wire::drain())) {
  }
  int asked = 0;
  while (asked != 1000 && test.link->send_answer(listen_answer::draining(1), nobody)) ++asked;
  CHECK(asked == 256);
}

TEST_CASE("a listener is confirmed once, and not after it was closed")
{
  link_test test;
  const auto nobody = [](std::uint32_t) { FAIL("nothing was refused"); };
  for (const std::uint32_t number : {1U, 2U}) {
    listen_answer answer;
    answer.listener = number;
    CHECK(test.link->send_answer(std::move(answer), nobody));
  }
  CHECK(test.link->confirmed(1));
  CHECK_FALSE(test.link->confirmed(1));
  test.link->closed(2);
  CHECK_FALSE(test.link->confirmed(2));
}

} // namespace control_link_test
