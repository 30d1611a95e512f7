// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/predecessor.hpp>

#include "support/upgrade_channel.hpp"

#include <asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace predecessor_test {

using namespace cohort::detail;
using cohort_test::count_descriptors;
using cohort_test::inode_of;
using cohort_test::listener_at;
using cohort_test::loopback_key;
using cohort_test::upgrade_channel;

namespace {

listen_key named(const std::string& name) { return listen_key::of(cohort::inherited_socket(name)); }

std::vector<passed_listener> two_listeners()
{
  std::vector<passed_listener> both;
  both.push_back(listener_at(loopback_key()));
  both.push_back(listener_at(named("http"), 2));
  return both;
}

// What is made of what a program says, and that nothing of it stays but for the channel.
template <class Say>
std::error_code error_of(Say say)
{
  const std::size_t before = count_descriptors();
  std::error_code error;
  {
    upgrade_channel channel;
    say(channel);
    const std::size_t said = count_descriptors();
    const predecessor before_us(channel.take_other());
    // What is on its way has no number.
    CHECK(count_descriptors() == said);
    CHECK(before_us.waits());
    CHECK_FALSE(before_us.has(loopback_key()));
    error = before_us.error();
  }
  CHECK(count_descriptors() == before);
  return error;
}

} // namespace

TEST_CASE("what the program before this one has is found by what was asked for, and taken once")
{
  const auto both = two_listeners();
  upgrade_channel channel;
  channel.pass_all(both);
  predecessor before_us(channel.take_other());
  CHECK_FALSE(before_us.error());
  CHECK(before_us.waits());
  CHECK(before_us.has(loopback_key()));
  CHECK(before_us.has(named("http")));
  const passed_listener first = before_us.take(loopback_key());
  REQUIRE(first.sockets.size() == 1);
  CHECK(inode_of(first.sockets[0].get()) == inode_of(both[0].sockets[0].get()));
  CHECK_FALSE(before_us.has(loopback_key()));
  CHECK(before_us.take(loopback_key()).sockets.empty());
  const passed_listener second = before_us.take(named("http"));
  REQUIRE(second.sockets.size() == 2);
  CHECK(inode_of(second.sockets[1].get()) == inode_of(both[1].sockets[1].get()));
}

TEST_CASE("what was on any port is found by the port it has, and nothing by another name")
{
  const auto both = two_listeners();
  const std::uint16_t port = both[0].bound.port();
  upgrade_channel channel;
  channel.pass_all(both);
  predecessor before_us(channel.take_other());
  CHECK_FALSE(before_us.has(named("https")));
  CHECK_FALSE(before_us.has(listen_key::of(cohort::inherited_socket("http", 1))));
  CHECK_FALSE(before_us.has(loopback_key(port == 1 ? 2 : 1)));
  CHECK(before_us.has(loopback_key(port)));
  CHECK(before_us.take(loopback_key(port)).sockets.size() == 1);
}

TEST_CASE("of several on any port each has its own index")
{
  std::vector<passed_listener> both;
  for (std::uint16_t index = 0; index != 2; ++index) {
    listen_key asked = loopback_key();
    asked.index = index;
    both.push_back(listener_at(asked));
  }
  upgrade_channel channel;
  channel.pass_all(both);
  predecessor before_us(channel.take_other());
  listen_key second = loopback_key();
  second.index = 1;
  const passed_listener taken = before_us.take(second);
  REQUIRE(taken.sockets.size() == 1);
  CHECK(taken.bound.port() == both[1].bound.port());
  CHECK(before_us.has(loopback_key()));
  CHECK_FALSE(before_us.has(second));
}

TEST_CASE("the other program hears that this one is ready; what nobody has taken is closed later")
{
  const std::size_t before = count_descriptors();
  {
    upgrade_channel channel;
    channel.pass_all(two_listeners());
    predecessor before_us(channel.take_other());
    const passed_listener taken = before_us.take(loopback_key());
    // The channel, what was taken, and what was not.
    CHECK(count_descriptors() == before + 2 + 1 + 2);
    std::error_code error;
    const posix::unique_fd rest = before_us.say_ready(error);
    CHECK_FALSE(error);
    CHECK_FALSE(before_us.waits());
    CHECK(before_us.has(named("http")));
    before_us.close_unclaimed();
    CHECK(count_descriptors() == before + 2 + 1);
    CHECK_FALSE(before_us.has(named("http")));
    CHECK(channel.heard_ready());
    channel.say(wire::leaving());
    CHECK(receive_packet(rest.get(), error).type == wire::message_type::leaving);
  }
  CHECK(count_descriptors() == before);
}

TEST_CASE("a program that is gone cannot hear that this one is ready")
{
  upgrade_channel channel;
  channel.pass_all({});
  predecessor before_us(channel.take_other());
  channel.close();
  std::error_code error;
  before_us.say_ready(error);
  CHECK(error == std::errc::broken_pipe);
  CHECK_FALSE(before_us.waits());
}

TEST_CASE("without one there is nothing to take, and nothing to say")
{
  predecessor nobody;
  CHECK_FALSE(nobody.waits());
  CHECK_FALSE(nobody.error());
  CHECK_FALSE(nobody.has(loopback_key()));
  CHECK(nobody.take(loopback_key()).sockets.empty());
  std::error_code error;
  CHECK_FALSE(nobody.say_ready(error));
  CHECK_FALSE(error);
}

TEST_CASE("whatever makes no sense is an error, and no descriptor of it stays")
{
  using cohort::error;
  const auto pass_one = [](upgrade_channel& to) { to.pass(listener_at(loopback_key())); };
  CHECK(error_of([](upgrade_channel&) {}) == error::truncated);
  CHECK(error_of([](upgrade_channel& to) { to.close(); }) == error::truncated);
  CHECK(error_of([](upgrade_channel& to) { to.say_bytes(""); }) == error::truncated);
  // It has to greet first.
  CHECK(error_of([](upgrade_channel& to) { to.say(wire::ready()); }) == error::protocol_violation);
  CHECK(error_of(pass_one) == error::protocol_violation);
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet(upgrade_protocol + 1);
    pass_one(to);
    to.say(wire::ready());
  }) == error::version_mismatch);
  // No end.
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet();
    pass_one(to);
    pass_one(to);
  }) == error::truncated);
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet();
    pass_one(to);
    to.close();
  }) == error::truncated);
  // A listener without its socket, after one that has it.
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet();
    pass_one(to);
    passed_listener bare;
    bare.asked = loopback_key();
    to.pass(bare);
    to.say(wire::ready());
  }) == error::protocol_violation);
  // Descriptors that belong to nothing.
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet();
    pass_one(to);
    const passed_listener other = listener_at(loopback_key());
    to.say(wire::leaving(), {other.sockets.front().get(), other.sockets.front().get()});
    to.say(wire::ready());
  }) == error::protocol_violation);
  // Something else altogether, alone and in the middle.
  CHECK(error_of([](upgrade_channel& to) { to.say_bytes("GET / HTTP/1.1\r\n\r\n"); }) ==
        error::protocol_violation);
  CHECK(error_of([&](upgrade_channel& to) {
    to.greet();
    pass_one(to);
    to.say_bytes(std::string(wire::max_control_payload + 100, '\xff'));
    to.say(wire::ready());
  }) == error::protocol_violation);
}

TEST_CASE("a packet that was cut off anywhere is an error")
{
  std::vector<std::byte> bytes{static_cast<std::byte>(wire::hello::type)};
  wire::hello greeting;
  greeting.schema = upgrade_protocol;
  wire::encode(greeting, bytes);
  const std::string whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (std::size_t size = 1; size != whole.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of([&](upgrade_channel& to) {
      to.say_bytes(whole.substr(0, size));
      to.pass(listener_at(loopback_key()));
      to.say(wire::ready());
    }));
  }
  CHECK_FALSE(error_of([&](upgrade_channel& to) {
    to.say_bytes(whole);
    to.say(wire::ready());
  }));
}

TEST_CASE("a new one is begun in the place of an old one, of which nothing stays")
{
  const std::size_t before = count_descriptors();
  {
    predecessor before_us;
    upgrade_channel first, second;
    first.say_bytes("garbage");
    before_us.begin(first.take_other());
    CHECK(before_us.error());
    second.pass_all(two_listeners());
    before_us.begin(second.take_other());
    CHECK_FALSE(before_us.error());
    CHECK(before_us.has(loopback_key()));
    before_us.begin(posix::unique_fd());
    CHECK_FALSE(before_us.has(loopback_key()));
    CHECK_FALSE(before_us.waits());
    CHECK_FALSE(before_us.error());
  }
  CHECK(count_descriptors() == before);
}

} // namespace predecessor_test
