// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_output.hpp>

#include <doctest/doctest.h>

#include "support/channel_peer.hpp"

#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <random>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace message_output_test {

using namespace cohort_test;
using output_type = cohort::detail::message_output;
using state = output_type::state;

namespace {

// What one call of the peer received.
struct piece {
  std::string text;
  std::vector<ino_t> files;
};

struct writing_pair : channel_pair {
  output_type output;
  distinct_files files;

  void push(std::string_view text, output_type::descriptors riders = {})
  {
    cohort::byte_sink sink;
    sink.append(text);
    output.push(sink, std::move(riders));
  }
  // With a descriptor of a file of its own.
  ino_t push_with_file(std::string_view text)
  {
    files.add(1);
    const ino_t file = identity(files.reading.back().get());
    output_type::descriptors riders;
    riders.push_back(std::move(files.reading.back()));
    push(text, std::move(riders));
    return file;
  }

  state flush() { return output.flush(first.get()); }

  // What is there, call by call; `ended` tells whether the stream is at its end.
  std::vector<piece> drain(std::size_t most = 100'000)
  {
    std::vector<piece> pieces;
    bytes buffer(most);
    posix::fd_sink fds;
    std::error_code error;
    for (;;) {
      const auto got = posix::receive_with_fds(second.get(), buffer, fds, error);
      ended = !error && got.bytes == 0;
      if (error || ended) return pieces;
      piece added;
      added.text.assign(reinterpret_cast<const char*>(buffer.data()), got.bytes);
      for (auto& each : fds) added.files.push_back(identity(each.get()));
      fds.clear();
      pieces.push_back(std::move(added));
    }
  }
  std::string drained_text(std::size_t most = 100'000)
  {
    std::string all;
    for (const piece& each : drain(most)) all += each.text;
    return all;
  }

  bool ended = false;
};

// Random, so that a part that is lost, repeated or in another place shows.
std::string random_text(std::size_t size)
{
  std::mt19937 random(7);
  std::string text(size, ' ');
  for (char& each : text) each = static_cast<char>('a' + random() % 26);
  return text;
}

} // namespace

TEST_CASE("messages that wait leave together, and positions tell how far")
{
  writing_pair pair;
  CHECK(pair.flush() == state::done);
  for (const char* text : {"one", "two", "three"}) pair.push(text);
  CHECK(pair.output.queued_bytes() == 11);
  CHECK(pair.output.queued_until() == 11);
  CHECK(pair.output.written_until() == 0);
  CHECK(pair.drain().empty());
  CHECK(pair.flush() == state::done);
  CHECK(pair.output.queued_bytes() == 0);
  CHECK(pair.output.written_until() == 11);
  const auto pieces = pair.drain();
  REQUIRE(pieces.size() == 1);
  CHECK(pieces[0].text == "onetwothree");
  pair.push("four");
  CHECK(pair.output.queued_until() == 15);
}

TEST_CASE("what finds no room is written in parts, whole and in order")
{
  writing_pair pair;
  const std::string large = random_text(3'000'000);
  pair.push("head");
  pair.push(large);
  pair.push("tail");
  std::string received;
  state now = pair.flush();
  CHECK(now == state::no_room);
  CHECK(pair.flush() == state::no_room);
  std::uint64_t written = pair.output.written_until();
  CHECK(written > 0);
  while (now == state::no_room) {
    const std::string some = pair.drained_text(50'000);
    REQUIRE_FALSE(some.empty());
    received += some;
    now = pair.flush();
    CHECK(pair.output.written_until() > written);
    written = pair.output.written_until();
    REQUIRE(pair.output.queued_until() == large.size() + 8);
    REQUIRE(pair.output.queued_bytes() == large.size() + 8 - written);
  }
  CHECK(now == state::done);
  received += pair.drained_text();
  CHECK((received == "head" + large + "tail"));
}

TEST_CASE("descriptors arrive with the first byte of their message, and are closed here")
{
  writing_pair pair;
  pair.push("plain");
  const ino_t first = pair.push_with_file("first");
  const ino_t second = pair.push_with_file("second");
  pair.push("last");
  CHECK(pair.flush() == state::done);
  const auto pieces = pair.drain();
  REQUIRE(pieces.size() == 2);
  // A call reads on into a message with descriptors, but not into the next one.
  CHECK(pieces[0].text == "plainfirst");
  CHECK(pieces[0].files == std::vector<ino_t>{first});
  CHECK(pieces[1].text == "secondlast");
  CHECK(pieces[1].files == std::vector<ino_t>{second});
  // The pipes have no reader any more.
  for (const auto& each : pair.files.writing) {
    pollfd hung{each.get(), 0, 0};
    CHECK(::poll(&hung, 1, 0) == 1);
  }
}

TEST_CASE("descriptors of a message that is written in parts arrive once")
{
  writing_pair pair;
  const ino_t file = pair.push_with_file(random_text(2'000'000));
  std::vector<ino_t> files;
  std::size_t received = 0;
  for (state now = state::no_room; now == state::no_room;) {
    now = pair.flush();
    for (const piece& each : pair.drain()) {
      received += each.text.size();
      files.insert(files.end(), each.files.begin(), each.files.end());
    }
  }
  CHECK(received == 2'000'000);
  CHECK(files == std::vector<ino_t>{file});
}

TEST_CASE("who has very much to write lets others have their turn, and goes on")
{
  writing_pair pair;
  // Each needs a call of its own.
  std::vector<ino_t> sent, received;
  std::string expected, text;
  for (int i = 0; i != 100; ++i) {
    const std::string message = std::to_string(i) + ' ';
    sent.push_back(pair.push_with_file(message));
    expected += message;
  }
  int turns = 0;
  state now = state::others;
  for (; now == state::others && turns != 100; ++turns) {
    now = pair.flush();
    CHECK(now == (pair.output.queued_bytes() != 0 ? state::others : state::done));
    for (const piece& each : pair.drain()) {
      text += each.text;
      received.insert(received.end(), each.files.begin(), each.files.end());
    }
  }
  CHECK(now == state::done);
  CHECK(turns > 1);
  CHECK(text == expected);
  CHECK(received == sent);
}

TEST_CASE("the stream ends behind what was queued, not before")
{
  writing_pair pair;
  pair.push(random_text(1'000'000));
  pair.output.finish();
  CHECK_FALSE(pair.output.accepts());
  CHECK_FALSE(pair.output.finished());
  CHECK_FALSE(pair.output.failed());
  std::size_t received = 0;
  while (pair.flush() == state::no_room) {
    CHECK_FALSE(pair.output.finished());
    received += pair.drained_text().size();
    CHECK_FALSE(pair.ended);
  }
  CHECK(pair.output.finished());
  CHECK(received + pair.drained_text().size() == 1'000'000);
  CHECK(pair.ended);
  CHECK(pair.flush() == state::done);
  CHECK_FALSE(pair.output.failed());
}

TEST_CASE("a stream without a message can end too, once it is flushed")
{
  writing_pair pair;
  pair.output.finish();
  CHECK_FALSE(pair.output.finished());
  pair.drain();
  CHECK_FALSE(pair.ended);
  CHECK(pair.flush() == state::done);
  CHECK(pair.output.finished());
  pair.drain();
  CHECK(pair.ended);
}

TEST_CASE("a peer that is gone is a failure, which drops and closes what waits")
{
  writing_pair pair;
  pair.push(random_text(1'000'000));
  pair.push_with_file("never sent");
  CHECK(pair.flush() == state::no_room);
  pair.second.reset();
  CHECK(pair.flush() == state::failed);
  CHECK(pair.output.failed());
  CHECK(pair.output.failure() == std::errc::broken_pipe);
  CHECK_FALSE(pair.output.accepts());
  CHECK_FALSE(pair.output.finished());
  CHECK(pair.output.queued_bytes() == 0);
  pollfd hung{pair.files.writing[0].get(), 0, 0};
  CHECK(::poll(&hung, 1, 0) == 1);
  CHECK(pair.flush() == state::failed);
  // An end comes too late.
  pair.output.finish();
  CHECK(pair.flush() == state::failed);
  CHECK_FALSE(pair.output.finished());
}

TEST_CASE("who cannot write learns it, while the peer reads what was written, and then the end")
{
  writing_pair pair;
  pair.push("written");
  CHECK(pair.flush() == state::done);
  CHECK(::shutdown(pair.first.get(), SHUT_WR) == 0);
  pair.push("not written");
  CHECK(pair.flush() == state::failed);
  CHECK(pair.output.failure() == std::errc::broken_pipe);
  CHECK(pair.drained_text() == "written");
  CHECK(pair.ended);
}

TEST_CASE("what is given up by its owner has no error of the system")
{
  writing_pair pair;
  pair.push_with_file("dropped");
  pair.output.fail();
  CHECK(pair.output.failed());
  CHECK_FALSE(pair.output.failure());
  CHECK_FALSE(pair.output.accepts());
  CHECK(pair.output.queued_bytes() == 0);
  pollfd hung{pair.files.writing[0].get(), 0, 0};
  CHECK(::poll(&hung, 1, 0) == 1);
  CHECK(pair.flush() == state::failed);
  CHECK(pair.drain().empty());
  CHECK_FALSE(pair.ended);
}

} // namespace message_output_test
