// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_transport.hpp>

#include <doctest/doctest.h>

#include "support/transport_peer.hpp"

#include <cohort/detail/posix/channel_registry.hpp>
#include <cohort/error.hpp>

#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace message_transport_ends_test {

using namespace cohort_test;
using strings = std::vector<std::string>;
using errors = std::vector<std::error_code>;

TEST_CASE("what is sent within one turn leaves together, before the next one")
{
  transport_pair pair;
  bytes expected;
  for (const char* text : {"one", "two", "three"}) {
    pair.send(text);
    const auto frame = message_bytes(text);
    expected.insert(expected.end(), frame.begin(), frame.end());
  }
  CHECK(pair.drain().empty());
  CHECK(pair.transport().output().queued_bytes() == expected.size());
  pair.run();
  CHECK(pair.drain() == expected);
  CHECK(pair.peer->written == 1);
  CHECK(pair.transport().output().queued_bytes() == 0);
}

TEST_CASE("the first answer to what has come leaves at once, more of them together")
{
  transport_pair pair;
  pair.transport().read();
  pair.run();
  pair.peer->when_message = [&] {
    for (const char* text : {"first", "second", "third"}) pair.send(text);
  };
  pair.write(message_bytes("question"));
  pair.context.restart();
  CHECK(pair.context.run_one() == 1);
  CHECK(pair.drain() == message_bytes("first"));
  pair.run();
  bytes rest = message_bytes("second");
  for (const std::byte each : message_bytes("third")) rest.push_back(each);
  CHECK(pair.drain() == rest);
}

TEST_CASE("a message far larger than the socket's buffer is written as the peer reads")
{
  transport_pair pair;
  const int least = 1;
  CHECK(::setsockopt(pair.number, SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
  std::string text(1'000'000, ' ');
  for (std::size_t i = 0; i != text.size(); ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  pair.send(text);
  pair.transport().finish();
  bytes received;
  CHECK(pair.until([&] {
    const auto some = pair.drain(700);
    received.insert(received.end(), some.begin(), some.end());
    return pair.peer_ended;
  }));
  CHECK((received == message_bytes(text)));
  CHECK(pair.peer->written > 10);
  CHECK(pair.transport().output().finished());
}

TEST_CASE("the stream ends behind what is queued, and takes nothing more")
{
  transport_pair pair;
  pair.send("last");
  pair.transport().finish();
  pair.transport().finish();
  CHECK_FALSE(pair.transport().output().accepts());
  CHECK(pair.drain().empty());
  pair.run();
  CHECK(pair.drain() == message_bytes("last"));
  CHECK(pair.peer_ended);
  CHECK(pair.transport().output().finished());
  // The other direction goes on.
  pair.write(message_bytes("answer"));
  pair.transport().read();
  CHECK(pair.until([&] { return pair.peer->messages.size() == 1; }));
}

TEST_CASE("messages may be sent, and the channel closed, out of the call that says what is written")
{
  transport_pair pair;
  pair.peer->when_written = [&] {
    if (pair.peer->written < 3) pair.send("more");
    else pair.transport().close();
  };
  pair.send("first");
  pair.run();
  CHECK(pair.peer->written == 3);
  auto expected = message_bytes("first");
  for (int i = 0; i != 2; ++i) {
    const auto more = message_bytes("more");
    expected.insert(expected.end(), more.begin(), more.end());
  }
  CHECK(pair.drain() == expected);
  CHECK(pair.peer_ended);
}

TEST_CASE("a peer that is gone fails what is written, and its descriptors are closed")
{
  transport_pair pair;
  distinct_files files;
  files.add(1);
  pair.second.reset();
  pair.send("text", std::move(files.reading[0]));
  pair.run();
  CHECK(pair.peer->written == 1);
  CHECK(pair.transport().output().failed());
  CHECK(pair.transport().output().failure() == std::errc::broken_pipe);
  CHECK(pair.transport().output().queued_bytes() == 0);
  // What it had sent before can still be read.
  CHECK_FALSE(pair.transport().input_ended());
  pair.transport().read();
  pair.run();
  CHECK(pair.peer->ends == errors{asio::error::eof});
}

TEST_CASE("reading to the end takes everything that is there, wanted or not, and closes")
{
  transport_pair pair;
  pair.peer->wanted = 1;
  strings sent;
  // More than one call reads.
  for (int i = 0; i != 8; ++i) {
    sent.push_back(std::to_string(i) + std::string(15'000, 'x'));
    pair.write(message_bytes(sent.back()));
  }
  pair.transport().read();
  CHECK(pair.texts().size() == 1);
  pair.second.reset();
  pair.transport().read_to_end();
  CHECK(pair.texts() == sent);
  CHECK(pair.peer->ends == errors{asio::error::eof});
  CHECK(pair.transport().input_ended());
  CHECK_FALSE(pair.transport().is_open());
  CHECK(pair.transport().output().failed());
  pair.transport().read_to_end();
  pair.run();
  CHECK(pair.peer->ends.size() == 1);
}

TEST_CASE("reading to the end does not wait for somebody who holds the peer's socket still")
{
  for (const bool broken : {false, true}) {
    transport_pair pair;
    pair.write(message_bytes("sent"));
    if (broken) pair.write(bytes(5));
    pair.transport().read_to_end();
    CHECK(pair.texts() == strings{"sent"});
    const std::error_code eof = asio::error::eof;
    CHECK(pair.peer->ends == errors{broken ? make_error_code(cohort::error::truncated) : eof});
    CHECK_FALSE(pair.transport().is_open());
  }
}

TEST_CASE("reading to the end has an end although somebody writes and writes")
{
  transport_pair pair;
  const bytes frame = message_bytes(std::string(60'000, 'x'));
  std::size_t written = 0;
  pair.peer->when_message = [&] {
    pair.peer->messages.clear();
    if (written > 64'000'000) return;
    pair.write(frame);
    written += frame.size();
  };
  pair.write(frame);
  pair.transport().read_to_end();
  CHECK(written >= 8'000'000);
  CHECK(written < 10'000'000);
  CHECK(pair.peer->ends.size() == 1);
  CHECK_FALSE(pair.transport().is_open());
}

TEST_CASE("reading to the end goes on where a read had stopped, also out of its own call")
{
  transport_pair pair;
  pair.peer->wanted = 1;
  for (const char* text : {"one", "two", "three"}) pair.write(message_bytes(text));
  pair.second.reset();
  pair.peer->when_message = [&] { pair.transport().read_to_end(); };
  pair.transport().read();
  CHECK(pair.texts() == strings{"one", "two", "three"});
  CHECK(pair.peer->ends == errors{asio::error::eof});
  CHECK_FALSE(pair.transport().is_open());
}

TEST_CASE(
    "reading to the end after the end closes nothing that is written, and tells nothing again")
{
  transport_pair pair;
  CHECK(::shutdown(pair.second.get(), SHUT_WR) == 0);
  pair.transport().read();
  pair.run();
  CHECK(pair.peer->ends.size() == 1);
  pair.transport().read_to_end();
  pair.run();
  CHECK(pair.peer->ends.size() == 1);
}

TEST_CASE("a close in the middle of everything calls nobody, and ends the peer's stream")
{
  transport_pair pair;
  pair.transport().read();
  pair.send(std::string(2'000'000, 'x'));
  pair.run(); // both directions wait
  pair.send("never written");
  pair.transport().finish();
  const int written = pair.peer->written;
  pair.transport().close();
  pair.transport().close();
  CHECK(pair.transport().input_ended());
  CHECK_FALSE(pair.transport().is_open());
  CHECK(pair.transport().output().queued_bytes() == 0);
  pair.context.restart();
  pair.context.run(); // nothing waits any more
  CHECK(pair.peer->ends.empty());
  CHECK(pair.peer->messages.empty());
  CHECK(pair.peer->written <= written + 1);
  pair.drain();
  CHECK(pair.peer_ended);
  CHECK_FALSE(pair.transport().output().finished());
}

TEST_CASE("who gives the peer up is told the reason, once")
{
  transport_pair pair;
  pair.transport().read();
  pair.send("dropped");
  pair.transport().end(cohort::error::queue_full);
  pair.transport().end(cohort::error::disconnected);
  CHECK(pair.peer->ends == errors{cohort::error::queue_full});
  CHECK_FALSE(pair.transport().is_open());
  pair.run();
  CHECK(pair.drain().empty());
  CHECK(pair.peer_ended);
  CHECK(pair.peer->ends.size() == 1);
}

TEST_CASE("a transport keeps its owner while it waits, and is silent when that is gone")
{
  transport_pair pair;
  const std::weak_ptr<transport_peer> watched = pair.peer;
  auto owner = std::make_shared<transport_peer>(pair.context, posix::unique_fd(), 1'000);
  // Nobody owns this one yet.
  owner->transport.read();
  owner->transport.read_to_end();
  CHECK(owner->ends.empty());
  pair.transport().read();
  transport_peer* const peer = pair.peer.get();
  pair.peer = owner;
  CHECK_FALSE(watched.expired());
  pair.write(message_bytes("text"));
  pair.second.reset();
  CHECK(pair.until([&] { return !peer->ends.empty() || watched.expired(); }));
  pair.run();
  CHECK(watched.expired());
}

TEST_CASE("a descriptor that is none makes a transport that has ended already")
{
  asio::io_context context(1);
  const auto peer = std::make_shared<transport_peer>(context, posix::unique_fd(), 1'000);
  peer->transport.set_owner(peer);
  CHECK_FALSE(peer->transport.is_open());
  CHECK(peer->transport.input_ended());
  CHECK_FALSE(peer->transport.output().accepts());
  peer->transport.read();
  peer->transport.read_to_end();
  peer->transport.finish();
  peer->transport.close();
  context.run();
  CHECK(peer->messages.empty());
  CHECK(peer->ends.empty());
}

TEST_CASE("the socket is known as a channel's as long as it is open")
{
  transport_pair pair;
  std::error_code error;
  const posix::unique_fd duplicate(::dup(pair.number));
  CHECK(posix::is_channel(duplicate.get(), error));
  pair.transport().close();
  CHECK_FALSE(posix::is_channel(duplicate.get(), error));
}

} // namespace message_transport_ends_test
