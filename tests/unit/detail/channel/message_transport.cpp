// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_transport.hpp>

#include <doctest/doctest.h>

#include "support/transport_peer.hpp"

#include <cohort/error.hpp>

#include <asio/error.hpp>
#include <asio/post.hpp>

#include <cstddef>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace message_transport_test {

using namespace cohort_test;
using strings = std::vector<std::string>;
using errors = std::vector<std::error_code>;

TEST_CASE("only what is wanted is read, and the rest stays for later")
{
  transport_pair pair;
  pair.peer->wanted = 0;
  for (const char* text : {"one", "two", "three"}) pair.write(message_bytes(text));
  pair.transport().read();
  pair.run();
  CHECK(pair.peer->messages.empty());
  pair.peer->wanted = 2;
  pair.transport().read();
  CHECK(pair.texts() == strings{"one", "two"});
  pair.peer->wanted = -1;
  pair.write(message_bytes("four"));
  pair.transport().read();
  CHECK(pair.until([&] { return pair.peer->messages.size() == 4; }));
  CHECK(pair.texts() == strings{"one", "two", "three", "four"});
}

TEST_CASE("who wants messages gets what is there at once, and what comes later")
{
  transport_pair pair;
  pair.write(message_bytes("now", 7));
  pair.transport().read();
  CHECK(pair.texts() == strings{"now"});
  CHECK(pair.peer->messages[0].number == 7);
  pair.transport().read();
  pair.write(message_bytes("later"));
  pair.transport().read();
  CHECK(pair.until([&] { return pair.peer->messages.size() == 2; }));
  CHECK(pair.peer->ends.empty());
}

TEST_CASE("a message that arrives byte by byte is one message")
{
  transport_pair pair;
  pair.transport().read();
  const auto whole = message_bytes("text");
  for (const std::byte each : whole) {
    CHECK(pair.peer->messages.empty());
    pair.write({each});
    pair.run();
  }
  CHECK(pair.texts() == strings{"text"});
}

TEST_CASE("the largest message is taken, a larger one ends the channel when its head is there")
{
  transport_pair pair(1'000);
  pair.transport().read();
  pair.write(message_bytes(std::string(1'000, 'x')));
  CHECK(pair.until([&] { return pair.peer->messages.size() == 1; }));
  auto larger = message_bytes(std::string(1'001, 'x'));
  larger.resize(wire::header_size);
  pair.write(larger);
  CHECK(pair.until([&] { return !pair.peer->ends.empty(); }));
  CHECK(pair.peer->ends == errors{cohort::error::message_too_large});
}

TEST_CASE("who breaks the rules is read no further, and gets nothing more")
{
  auto unknown = message_bytes("x");
  unknown[4] = std::byte(99); // the kind
  const auto short_payload = make_frame(1, 7);
  auto failure = message_bytes("x");
  failure[4] = std::byte(4); // carries nothing
  for (const auto& wrong : {unknown, short_payload, failure}) {
    transport_pair pair;
    pair.send("never read");
    auto all = message_bytes("good");
    const auto behind = message_bytes("behind");
    all.insert(all.end(), wrong.begin(), wrong.end());
    all.insert(all.end(), behind.begin(), behind.end());
    pair.write(all);
    pair.transport().read();
    CHECK(pair.texts() == strings{"good"});
    CHECK(pair.peer->ends == errors{cohort::error::protocol_violation});
    CHECK(pair.transport().input_ended());
    CHECK_FALSE(pair.transport().is_open());
    CHECK(pair.transport().output().failed());
    pair.run();
    CHECK(pair.drain().empty());
    CHECK(pair.peer_ended);
    CHECK(pair.peer->ends.size() == 1);
  }
}

TEST_CASE("the end of the peer's stream is told once; the other direction goes on")
{
  transport_pair pair;
  pair.write(message_bytes("last"));
  CHECK(::shutdown(pair.second.get(), SHUT_WR) == 0);
  pair.transport().read();
  CHECK(pair.until([&] { return !pair.peer->ends.empty(); }));
  CHECK(pair.texts() == strings{"last"});
  CHECK(pair.peer->ends == errors{asio::error::eof});
  CHECK(pair.transport().input_ended());
  CHECK(pair.transport().is_open());
  pair.send("answer");
  pair.run();
  CHECK(pair.drain() == message_bytes("answer"));
  CHECK_FALSE(pair.peer_ended);
  pair.transport().finish();
  pair.transport().read();
  pair.run();
  pair.drain();
  CHECK(pair.peer_ended);
  CHECK(pair.peer->ends.size() == 1);
}

TEST_CASE("the end is found behind what is not wanted yet only when that is wanted")
{
  transport_pair pair;
  pair.peer->wanted = 1;
  for (const char* text : {"one", "two"}) pair.write(message_bytes(text));
  pair.second.reset();
  pair.transport().read();
  pair.run();
  CHECK(pair.texts() == strings{"one"});
  CHECK_FALSE(pair.transport().input_ended());
  pair.peer->wanted = -1;
  pair.transport().read();
  CHECK(pair.until([&] { return !pair.peer->ends.empty(); }));
  CHECK(pair.texts() == strings{"one", "two"});
}

TEST_CASE("a stream that breaks off in a message ends the channel")
{
  transport_pair pair;
  auto half = message_bytes("half a message");
  half.resize(half.size() - 3);
  pair.write(message_bytes("whole"));
  pair.write(half);
  pair.second.reset();
  pair.transport().read();
  CHECK(pair.until([&] { return !pair.peer->ends.empty(); }));
  CHECK(pair.texts() == strings{"whole"});
  CHECK(pair.peer->ends == errors{cohort::error::truncated});
  CHECK_FALSE(pair.transport().is_open());
}

TEST_CASE("what a peer had sent before it broke the connection off still arrives")
{
  transport_pair pair;
  pair.send("nobody reads this");
  pair.run();
  pair.write(message_bytes("sent"));
  pair.second.reset();
  pair.transport().read();
  CHECK(pair.until([&] { return !pair.peer->ends.empty(); }));
  CHECK(pair.texts() == strings{"sent"});
  CHECK(pair.peer->ends == errors{asio::error::eof});
}

TEST_CASE("descriptors come with their message; who does not take them need not close them")
{
  transport_pair pair;
  distinct_files files;
  files.add(3);
  const auto identities = files.identities(0, 3);
  const auto part = [&](std::size_t first, std::size_t count) {
    return std::vector<ino_t>(identities.begin() + static_cast<std::ptrdiff_t>(first),
        identities.begin() + static_cast<std::ptrdiff_t>(first + count));
  };
  pair.write(message_bytes("plain"));
  pair.write(message_bytes("two", 0, 2), files.numbers(0, 2));
  pair.write(message_bytes("one", 0, 1), files.numbers(2, 1));
  pair.transport().read();
  CHECK(pair.until([&] { return pair.peer->messages.size() == 3; }));
  CHECK(pair.peer->messages[0].files.empty());
  CHECK(pair.peer->messages[1].files == part(0, 2));
  CHECK(pair.peer->messages[2].files == part(2, 1));
  for (const auto& each : pair.peer->messages) CHECK_FALSE(each.truncated);
}

TEST_CASE("descriptors of half a message are closed with the channel")
{
  for (const bool by_peer : {false, true}) {
    transport_pair pair;
    distinct_files files;
    files.add(1);
    auto half = message_bytes("text", 0, 1);
    half.pop_back();
    pair.write(half, files.numbers(0, 1));
    pair.transport().read();
    pair.run();
    if (by_peer) pair.second.reset();
    else pair.transport().close();
    pair.run();
    files.reading.clear();
    pollfd unread{files.writing[0].get(), 0, 0};
    CHECK(::poll(&unread, 1, 0) == 1);
    CHECK(pair.peer->messages.empty());
    CHECK(pair.peer->ends.size() == (by_peer ? 1 : 0));
  }
}

TEST_CASE("descriptors that no message asks for, or fewer than it asks for, break the rules")
{
  for (const std::size_t announced : {0u, 2u}) {
    transport_pair pair;
    distinct_files files;
    files.add(1);
    pair.write(message_bytes("text", 0, announced), files.numbers(0, 1));
    pair.transport().read();
    pair.run();
    CHECK(pair.peer->ends == errors{cohort::error::protocol_violation});
  }
}

TEST_CASE("reading, stopping and closing out of a message's call are all one loop")
{
  transport_pair pair;
  for (const char* text : {"one", "two", "three", "four"}) pair.write(message_bytes(text));
  int depth = 0;
  pair.peer->when_message = [&] {
    CHECK(++depth == 1);
    pair.transport().read();
    if (pair.peer->messages.size() == 2) pair.peer->wanted = 0;
    if (pair.peer->messages.size() == 3) pair.transport().close();
    --depth;
  };
  pair.transport().read();
  CHECK(pair.texts() == strings{"one", "two"});
  pair.peer->wanted = -1;
  pair.transport().read();
  CHECK(pair.texts() == strings{"one", "two", "three"});
  pair.transport().read();
  pair.transport().read_to_end();
  pair.run();
  // Nothing is called after `close`.
  CHECK(pair.peer->messages.size() == 3);
  CHECK(pair.peer->ends.empty());
}

TEST_CASE("a peer that never stops leaves others their turn")
{
  transport_pair pair;
  const auto message = message_bytes(std::string(16'000, 'x'));
  constexpr std::size_t count = 500;
  bool others = false;
  // More is there than one call reads, and another one whenever one has been taken.
  pair.peer->when_message = [&] {
    if (pair.peer->messages.size() < count) pair.write(message);
  };
  for (int i = 0; i != 8; ++i) pair.write(message);
  asio::post(pair.context, [&] { others = true; });
  pair.transport().read();
  pair.context.restart();
  while (!others) REQUIRE(pair.context.poll_one() == 1);
  CHECK(pair.peer->messages.size() < count);
  CHECK(pair.until([&] { return pair.peer->messages.size() >= count; }));
}

} // namespace message_transport_test
