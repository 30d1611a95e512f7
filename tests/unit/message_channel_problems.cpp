// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A channel that has been told nobody to tell of problems.
#include <cohort/message_channel.hpp>

#include <doctest/doctest.h>

#include "support/captured_errors.hpp"
#include "support/message_pair.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace message_channel_problems_test {

using namespace cohort_test;
namespace wire = cohort::detail::wire;

namespace {

struct silent_half {
  asio::io_context context{1};
  std::array<socket_type, 2> sockets = connected_sockets(context);
  test_channel channel{std::move(sockets[0])};
  socket_type& peer = sockets[1];

  void write(const std::vector<std::byte>& bytes) { asio::write(peer, asio::buffer(bytes)); }

  completion<test_envelope> next()
  {
    completion<test_envelope> got;
    channel.receive(got.handler());
    run_until(context, [&] { return got.done(); });
    run_ready(context);
    return got;
  }
};

std::vector<std::byte> unknown_frame(wire::message_kind kind = wire::message_kind::message)
{
  auto frame = frame_of(make_note(1), kind, 1);
  frame[wire::header_size] ^= std::byte(1);
  return frame;
}

std::ptrdiff_t lines_of(const std::string& text)
{
  return std::count(text.begin(), text.end(), '\n');
}

bool begins_with_name(const std::string& text)
{
  return text.compare(0, 25, "cohort: message channel: ") == 0;
}

} // namespace

TEST_CASE("without on_problem each message that is skipped is one line on stderr")
{
  const captured_errors errors;
  silent_half half;
  half.write(unknown_frame());
  half.write(unknown_frame(wire::message_kind::request));
  half.write(frame_of(make_note(2)));
  CHECK(half.next().good());
  CHECK(lines_of(errors.text()) == 2);
  CHECK(begins_with_name(errors.text()));
  CHECK(errors.text().find(make_error_code(cohort::error::unknown_message).message()) !=
        std::string::npos);
}

TEST_CASE("without on_problem a peer that breaks the rules is one line on stderr, and ends it")
{
  for (const bool too_large : {false, true}) {
    const captured_errors errors;
    silent_half half;
    auto frame = frame_of(make_note(1));
    if (too_large) frame[3] = std::byte(0xff);
    else frame[4] = std::byte(77); // no such kind
    half.write(frame);
    CHECK(half.next().error == cohort::error::disconnected);
    CHECK(lines_of(errors.text()) == 1);
    CHECK(begins_with_name(errors.text()));
    const auto why =
        too_large ? cohort::error::message_too_large : cohort::error::protocol_violation;
    CHECK(errors.text().find(make_error_code(why).message()) != std::string::npos);
  }
}

TEST_CASE("a server that throws is one line on stderr, whatever it says")
{
  const captured_errors errors;
  message_pair pair;
  pair.right->serve<question>([](question) -> asio::awaitable<verdict> {
    throw std::runtime_error("one\ntwo\x1b[31m");
    co_return verdict();
  });
  completion<verdict> asked;
  pair.left->request<verdict>(question(), asked.handler());
  REQUIRE(pair.until([&] { return asked.done(); }));
  CHECK(asked.error == cohort::error::request_failed);
  CHECK(lines_of(errors.text()) == 1);
  CHECK(errors.text().find(": one?two?[31m\n") != std::string::npos);
}

TEST_CASE("an end without fault says nothing")
{
  const captured_errors errors;
  {
    silent_half half;
    half.write(frame_of(make_note(1)));
    half.peer.close();
    CHECK(half.next().good());
    CHECK(half.next().error == cohort::error::disconnected);
    half.channel.send(note());
  }
  {
    // In a message, with a reset.
    silent_half half;
    half.channel.send(make_blob(10'000));
    run_ready(half.context);
    const auto frame = frame_of(make_note(1));
    asio::write(half.peer, asio::buffer(frame.data(), frame.size() - 1));
    half.peer.close();
    CHECK(half.next().error == cohort::error::disconnected);
  }
  {
    silent_half half;
    half.write(unknown_frame());
    half.channel.close();
    CHECK(half.next().error == cohort::error::disconnected);
  }
  CHECK(errors.text().empty());
}

TEST_CASE("with on_problem nothing is on stderr, and an empty function is nobody to tell")
{
  const captured_errors errors;
  half_pair told;
  asio::write(told.peer, asio::buffer(unknown_frame()));
  asio::write(told.peer, asio::buffer(frame_of(make_note(2))));
  CHECK(told.next().good());
  run_ready(told.context);
  CHECK(told.problems.size() == 1);
  silent_half half;
  half.channel.on_problem(nullptr);
  half.write(unknown_frame());
  half.write(frame_of(make_note(2)));
  CHECK(half.next().good());
  CHECK(errors.text().empty());
}

TEST_CASE("a channel that was moved or assigned to still says it on stderr")
{
  const captured_errors errors;
  silent_half half;
  test_channel moved(std::move(half.channel));
  half.channel = std::move(moved);
  half.write(unknown_frame());
  half.write(frame_of(make_note(2)));
  CHECK(half.next().good());
  CHECK(lines_of(errors.text()) == 1);
}

} // namespace message_channel_problems_test
