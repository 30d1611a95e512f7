// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message_channel.hpp>

#include <doctest/doctest.h>

#include "support/failing_system_calls.hpp"
#include "support/message_pair.hpp"

#include <asio/awaitable.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace message_channel_faults {

using namespace cohort_test;

namespace {

constexpr std::uint32_t messages = 8;
constexpr std::size_t large = 300'000;

// What one side saw of a conversation.
struct side {
  std::optional<test_channel> channel;
  std::vector<std::size_t> sizes, handles;
  bool intact = true;
  bool lost = false;
  int problems = 0;
  std::error_code end;
  completion<verdict> reply;
  completion<> flushed;

  void start()
  {
    channel->on_problem([this](const cohort::channel_problem&) { ++problems; });
    channel->serve<question>([](question asked) -> asio::awaitable<verdict> {
      co_return numbered<verdict>(asked.number + 1);
    });
    receive();
  }

  void receive()
  {
    channel->receive([this](std::error_code error, test_envelope envelope) {
      if (error) {
        end = error;
        return;
      }
      const auto& message = std::get<note>(envelope.message);
      intact = intact && message.number == sizes.size() && envelope.worker == 0;
      lost = lost || envelope.handles_lost;
      sizes.push_back(message.text.size());
      handles.push_back(envelope.handles.size());
      receive();
    });
  }

  // Messages with and without handles, more than fits into the socket, and a request.
  void talk(const cohort::handle& pipe)
  {
    for (std::uint32_t i = 0; i != messages; ++i) {
      std::vector<cohort::handle> attached;
      if (i % 3 == 1)
        for (int n = 0; n != 2; ++n) attached.push_back(pipe.duplicate());
      channel->send(make_note(i, std::string(i == 2 ? large : i * 10, 'x')), std::move(attached));
    }
    channel->request<verdict>(numbered<question>(1), reply.handler());
    channel->flushed(flushed.handler());
  }

  bool done() const { return reply.done() && flushed.done() && (end || sizes.size() == messages); }
};

struct conversation {
  asio::io_context context{1};
  std::array<side, 2> sides;
  bool finished = false;

  explicit conversation(const cohort::handle& pipe)
  {
    auto sockets = connected_sockets(context);
    for (std::size_t i = 0; i != 2; ++i) sides[i].channel.emplace(std::move(sockets[i]));
    for (side& each : sides) {
      each.start();
      each.talk(pipe);
    }
    finished = run_until(context, [&] {
      // As a program does with a channel that has failed.
      for (side& each : sides)
        if (each.end || each.flushed.error) each.channel->close();
      return sides[0].done() && sides[1].done();
    });
    for (side& each : sides) each.channel->close();
    // Everything that was waited for ends, and nothing keeps the context busy.
    context.restart();
    context.run();
  }

  // What arrived is what was sent, from the first on.
  void check_prefixes() const
  {
    CHECK(finished);
    for (const side& each : sides) {
      CHECK(each.intact);
      CHECK(each.end == cohort::error::disconnected);
      CHECK(each.reply.times == 1);
      CHECK(each.flushed.times == 1);
      for (std::size_t i = 0; i != each.sizes.size(); ++i) {
        CHECK(each.sizes[i] == (i == 2 ? large : i * 10));
        CHECK(each.handles[i] == (i % 3 == 1 ? 2 : 0));
      }
    }
  }

  void check_complete() const
  {
    check_prefixes();
    for (const side& each : sides) {
      CHECK(each.sizes.size() == messages);
      CHECK(each.reply.good());
      CHECK(each.reply.value.number == 2);
      CHECK(each.flushed.good());
      CHECK_FALSE(each.lost);
      CHECK(each.problems == 0);
    }
  }
};

unsigned calls_of(call kind, const cohort::handle& pipe)
{
  faults faults;
  const conversation talk(pipe);
  talk.check_complete();
  return faults.count(kind);
}

} // namespace

TEST_CASE("a conversation is the same however little each call transfers")
{
  const auto pipe = make_pipe();
  for (const std::size_t receive : {13u, 5000u, 0u}) {
    for (const std::size_t send : {29u, 1000u, 0u}) {
      CAPTURE(receive);
      CAPTURE(send);
      faults faults;
      faults.shorten(call::recvmsg, receive);
      faults.shorten(call::sendmsg, send);
      conversation(pipe[0]).check_complete();
    }
  }
}

TEST_CASE("the n-th call that is interrupted, finds no room or no memory changes nothing")
{
  const auto pipe = make_pipe();
  for (const call kind : {call::sendmsg, call::recvmsg}) {
    const unsigned calls = calls_of(kind, pipe[0]);
    REQUIRE(calls > 4);
    for (const int error : {EINTR, EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS, EMFILE}) {
      for (unsigned n = 1; n <= calls; ++n) {
        CAPTURE(error);
        CAPTURE(n);
        faults faults;
        faults.fail(kind, n, error);
        conversation(pipe[0]).check_complete();
      }
    }
  }
}

TEST_CASE("any call that fails for good ends the conversation, and leaves nothing")
{
  const auto pipe = make_pipe();
  const unsigned calls = calls_of(call::any, pipe[0]);
  for (const int error : {EPIPE, ECONNRESET, EIO, EBADF, EINVAL}) {
    for (unsigned n = 1; n <= calls; ++n) {
      CAPTURE(error);
      CAPTURE(n);
      faults faults;
      // The sender's own calls on its handles come before; the channel's are these.
      for (const call kind : {call::sendmsg, call::recvmsg, call::shutdown})
        faults.fail(kind, n, error);
      const conversation talk(pipe[0]);
      talk.check_prefixes();
      for (const side& each : talk.sides)
        if (each.flushed.error) CHECK(each.flushed.error == cohort::error::disconnected);
    }
  }
}

TEST_CASE("memory that is short for a while delays messages, and stays short without a busy loop")
{
  message_pair pair;
  faults faults;
  faults.fail(call::sendmsg, 1, ENOBUFS, 4);
  pair.left->send(make_note(1));
  CHECK(pair.next(*pair.right).good());
  CHECK(faults.count(call::sendmsg) == 5);
  faults.fail_all(call::sendmsg, ENOBUFS);
  completion<> flushed;
  pair.left->send(make_note(2), flushed.handler());
  pair.context.restart();
  pair.context.run_for(std::chrono::milliseconds(200));
  CHECK(faults.count(call::sendmsg) <= 15);
  CHECK_FALSE(flushed.done());
  pair.left->close();
  run_ready(pair.context);
  CHECK(flushed.error == cohort::error::disconnected);
}

TEST_CASE("who sends much within one turn does not try again what found no room")
{
  message_pair pair;
  faults faults;
  faults.fail_all(call::sendmsg, EAGAIN);
  for (int i = 0; i != 64; ++i) CHECK(is_sent(pair.left->send(make_blob(4096))));
  CHECK(faults.count(call::sendmsg) == 1);
}

TEST_CASE("a stream that cannot be ended is ended by closing")
{
  for (const int error : {EINTR, EIO, ENOTCONN}) {
    message_pair pair;
    faults faults;
    faults.fail(call::shutdown, 1, error);
    pair.left->send(make_note(1));
    pair.left->finish();
    CHECK(pair.next(*pair.right).good());
    run_ready(pair.context);
    pair.left->close();
    CHECK(pair.next(*pair.right).error == cohort::error::disconnected);
  }
}

TEST_CASE("a handle that cannot be looked at when it arrives is closed, and counted as lost")
{
  const auto pipe = make_pipe();
  message_pair pair;
  pair.left->send(make_note(1), pipe[0].duplicate());
  run_ready(pair.context);
  faults faults;
  faults.fail_all(call::fstat, ENOMEM);
  const auto got = pair.next(*pair.right);
  CHECK(got.good());
  CHECK(got.value.handles.empty());
  CHECK(got.value.handles_lost);
}

TEST_CASE("a stream that breaks in one direction only: the other one goes on to its end")
{
  const auto pipe = make_pipe();
  // The calls of one side; nothing of it is written after the broken one.
  const auto talk = [&](unsigned nth) {
    message_pair pair;
    std::vector<cohort::channel_problem> problems;
    for (auto* side : {&pair.left, &pair.right})
      (*side)->on_problem([&](const cohort::channel_problem& p) { problems.push_back(p); });
    faults faults;
    faults.fail(call::sendmsg, nth, EPIPE);
    for (std::uint32_t i = 0; i != messages; ++i)
      pair.left->send(make_note(i, std::string(i == 2 ? large : 10, 'x')), pipe[0].duplicate());
    completion<> flushed;
    pair.left->flushed(flushed.handler());
    // What arrives is the beginning, handles too, and then there is the end.
    std::uint32_t arrived = 0;
    for (; arrived != messages; ++arrived) {
      const auto got = pair.next(*pair.right);
      REQUIRE(got.done());
      if (!got.good()) {
        CHECK(got.error == cohort::error::disconnected);
        break;
      }
      CHECK(std::get<note>(got.value.message).number == arrived);
      CHECK(got.value.handles.size() == 1);
    }
    CHECK(pair.until([&] { return flushed.done(); }));
    const bool broken = faults.count(call::sendmsg) >= nth;
    CHECK(flushed.error == (broken ? cohort::error::disconnected : std::error_code()));
    CHECK((arrived == messages) == !broken);
    if (broken) {
      CHECK(pair.left->queued_bytes() == 0);
      cohort::handle kept = pipe[0].duplicate();
      CHECK(pair.left->send(make_note(9), std::move(kept)) == cohort::send_status::not_connected);
      CHECK(kept);
    }
    faults.reset();
    // The peer may still have something to say, unless the stream broke off in a message.
    cohort::handle said = pipe[1].duplicate();
    if (is_sent(pair.right->send(make_note(77), std::move(said)))) {
      const auto answer = pair.next(*pair.left);
      CHECK(answer.good());
      CHECK(answer.value.handles.size() == 1);
    } else {
      CHECK(arrived == 2);
      CHECK(said);
    }
    pair.right->close();
    CHECK(pair.next(*pair.left).error == cohort::error::disconnected);
    // That the peer is gone is nobody's mistake.
    CHECK(problems.empty());
    return broken;
  };
  unsigned nth = 1;
  while (talk(nth)) ++nth;
  CHECK(nth > messages);
}

TEST_CASE("a request that could not be written any more does not wait for ever")
{
  message_pair pair;
  faults faults;
  faults.fail(call::sendmsg, 1, EPIPE);
  completion<verdict> reply;
  pair.left->request<verdict>(numbered<question>(1), reply.handler());
  pair.right->serve<question>([](question asked) -> asio::awaitable<verdict> {
    co_return numbered<verdict>(asked.number + 1);
  });
  CHECK(pair.until([&] { return reply.done(); }));
  CHECK(reply.error == cohort::error::disconnected);
}

} // namespace message_channel_faults
