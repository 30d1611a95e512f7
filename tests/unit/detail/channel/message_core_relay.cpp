// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_core.hpp>

#include <doctest/doctest.h>

#include "support/core_pair.hpp"

#include <cstdint>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace message_core_relay_test {

using namespace cohort_test;
using cohort::channel_options;
using cohort::send_status;
using received = core_type::received;
using numbers = std::vector<std::uint32_t>;
namespace wire = cohort::detail::wire;

namespace {

const std::string text(1'000, 'x');

// What two workers have with their primary: that of the one who sends, and that of the other one.
struct two_channels {
  explicit two_channels(const channel_options& options = {}) : sender(options), receiver(options)
  {
    receiver.left->take_relayed();
    sender.right->on_relay = [this](const wire::message_view& message) {
      groups.emplace_back(message.group);
      status = receiver.right->pass_on(message, 7);
    };
  }
  ~two_channels() { sender.right->on_relay = nullptr; }

  send_status send(std::uint32_t number, const std::string& body = std::string())
  {
    return sender.left->send_relay(make_note(number, body), 0, "web");
  }
  std::size_t passed_on(std::size_t count)
  {
    sender.until([&] { return groups.size() >= count; });
    sender.run();
    return groups.size();
  }

  core_pair sender, receiver;
  std::vector<std::string> groups;
  send_status status = send_status::not_connected;
};

} // namespace

TEST_CASE("what one worker sends to another goes through, and says whose it is")
{
  two_channels test;
  test.sender.right->read_relays();
  CHECK(test.send(5) == send_status::accepted);
  REQUIRE(test.passed_on(1) == 1);
  CHECK(test.groups.front() == "web");
  CHECK(test.status == send_status::accepted);
  test.receiver.right.send(make_note(6));
  completion<received> got, other;
  test.receiver.left->receive(got.handler());
  CHECK(test.receiver.until([&] { return got.done(); }));
  CHECK(got.value.worker == 7);
  CHECK(std::get<note>(got.value.message).number == 5);
  test.receiver.left->receive(other.handler());
  CHECK(test.receiver.until([&] { return other.done(); }));
  CHECK(other.value.worker == 0);
}

TEST_CASE("messages for others are read before anybody receives, while there is room for the rest")
{
  two_channels test(channel_options().high_water(2'500));
  const auto send_both = [&](std::uint32_t number) {
    test.sender.left.send(make_note(number, text));
    CHECK(is_sent(test.send(number)));
  };
  send_both(0);
  test.sender.run();
  CHECK(test.groups.empty());
  test.sender.right->read_relays();
  CHECK(test.passed_on(1) == 1);
  for (std::uint32_t i = 1; i != 4; ++i) send_both(i);
  // The third note is more than the mark.
  CHECK(test.passed_on(2) == 2);
  received got;
  CHECK(test.sender.right->try_receive(got));
  CHECK(test.passed_on(3) == 3);
  CHECK(test.sender.right.take_notes() == numbers{1, 2, 3});
  CHECK(test.passed_on(4) == 4);
}

TEST_CASE("to one that does not read no more is passed on than to the mark")
{
  two_channels test(channel_options().high_water(50'000));
  const std::string large(10'000, 'x');
  test.sender.right->read_relays();
  std::size_t sent = 0;
  do {
    REQUIRE(is_sent(test.send(0, large)));
    ++sent;
    REQUIRE(test.passed_on(sent) == sent);
    REQUIRE(sent < 1'000);
  } while (is_sent(test.status));
  CHECK(test.status == send_status::queue_full);
  CHECK(test.receiver.right->queued_bytes() > 50'000);
  CHECK(test.receiver.right->queued_bytes() < 61'000);
  // What the program in the primary says goes on.
  CHECK(test.receiver.right.send(make_note(1)) == send_status::congested);
}

TEST_CASE("who is no primary passes nothing on, and who is no worker takes nothing of the kind")
{
  core_pair pair;
  std::error_code violation;
  pair.right->on_violation = [&](std::error_code error) { violation = error; };
  pair.right->read_ahead();
  SUBCASE("to others") { CHECK(is_sent(pair.left->send_relay(make_note(1), 0, "web"))); }
  SUBCASE("of others") { CHECK(is_sent(pair.left->pass_on(wire::message_view(), 3))); }
  CHECK(pair.until([&] { return violation == cohort::error::protocol_violation; }));
  CHECK(pair.right->input_ended());
  pair.right->on_violation = nullptr;
}

TEST_CASE("nothing is passed on to one that is gone")
{
  core_pair pair;
  pair.left->close();
  CHECK(pair.left->pass_on(wire::message_view(), 3) == send_status::not_connected);
  CHECK(pair.left->send_relay(make_note(1), 3, "") == send_status::not_connected);
}

} // namespace message_core_relay_test
