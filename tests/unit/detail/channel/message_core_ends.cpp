// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_core.hpp>

#include <doctest/doctest.h>

#include "support/core_pair.hpp"

#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace message_core_ends_test {

using namespace cohort_test;
using cohort::channel_options;
using received = core_type::received;
using numbers = std::vector<std::uint32_t>;

namespace {

const std::string text(1'000, 'x');

std::size_t size_of_note() { return frame_of(make_note(0, text)).size(); }

void send_notes(noted_end& end, std::uint32_t count)
{
  for (std::uint32_t i = 0; i != count; ++i) CHECK(is_sent(end.send(make_note(i, text))));
}

numbers first(std::uint32_t count)
{
  numbers all(count);
  std::iota(all.begin(), all.end(), 0u);
  return all;
}

// Serves a question when the test says so.
struct gated_server {
  asio::steady_timer gate;
  bool started = false;

  explicit gated_server(asio::io_context& context) : gate(context, std::chrono::hours(1)) {}

  auto server()
  {
    return [this](question asked) -> asio::awaitable<verdict> {
      started = true;
      std::error_code ignored;
      co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      co_return numbered<verdict>(asked.number * 2);
    };
  }
};

} // namespace

TEST_CASE("an end is settled when its own stream is written and the other one read, not before")
{
  core_pair pair;
  pair.left.send(make_blob(3'000'000));
  pair.left->finish();
  CHECK_FALSE(pair.left->can_send());
  pair.right->finish();
  pair.left->read_ahead();
  CHECK(pair.until([&] { return pair.left->input_ended(); }));
  pair.run();
  // What it sent is not yet written.
  CHECK_FALSE(pair.left->settled());
  CHECK_FALSE(pair.right->settled());
  pair.right->read_ahead();
  CHECK(pair.until([&] { return pair.left->settled() && pair.right->settled(); }));
  CHECK(pair.left->queued_bytes() == 0);
  received got;
  CHECK(pair.right->take(got));
  CHECK(std::get<blob>(got.message).bytes.size() == 3'000'000);
}

TEST_CASE("progress is told after the end of the input, and never inside a call")
{
  core_pair pair;
  gated_server gated(pair.context);
  pair.left->serve<question>(gated.server());
  completion<verdict> asked;
  pair.right->request<verdict>(numbered<question>(4), std::nullopt, asked.handler());
  CHECK(pair.until([&] { return gated.started; }));
  CHECK(pair.left->serving());
  pair.left.send(make_note(1));
  pair.run();
  CHECK(pair.left.progress == 0);
  // A side that has ended its stream still gets its answers.
  pair.right->finish();
  CHECK(pair.until([&] { return pair.left->input_ended(); }));
  pair.run();
  CHECK(pair.left->serving());
  const int before = pair.left.progress;
  CHECK(before > 0);
  gated.gate.cancel();
  CHECK(pair.until([&] { return asked.done(); }));
  CHECK(asked.value.number == 8);
  CHECK_FALSE(pair.left->serving());
  CHECK(pair.left.progress > before);
  const int served = pair.left.progress;
  pair.left->finish();
  CHECK_FALSE(pair.left->settled());
  CHECK(pair.left.progress == served);
  CHECK(pair.until([&] { return pair.left->settled(); }));
  pair.run();
  CHECK(pair.left.progress > served);
}

TEST_CASE("reading ahead takes what nobody receives, as far as the queue's limit")
{
  core_pair pair(channel_options().high_water(1).queue_limit(5 * size_of_note()));
  send_notes(pair.left, 5);
  pair.run();
  CHECK(pair.right.take_notes().empty());
  pair.right->read_ahead();
  pair.run();
  send_notes(pair.left, 5);
  pair.left->finish();
  pair.run();
  CHECK_FALSE(pair.right->input_ended());
  // The one that goes beyond it is the last one; who takes them makes room for the rest.
  numbers all = pair.right.take_notes();
  CHECK(all.size() == 6);
  pair.run();
  for (const std::uint32_t each : pair.right.take_notes()) all.push_back(each);
  CHECK(all == numbers{0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
  pair.run();
  CHECK(pair.right->input_ended());
}

TEST_CASE("reading ahead lets a peer get rid of more than the socket holds")
{
  core_pair pair;
  pair.left.send(make_blob(2'000'000));
  send_notes(pair.left, 3);
  pair.left->finish();
  completion<> flushed;
  pair.left->flushed(flushed.handler());
  pair.run();
  CHECK_FALSE(flushed.done());
  pair.right->read_ahead();
  CHECK(pair.until([&] { return pair.right->input_ended(); }));
  CHECK(flushed.good());
  received got;
  CHECK(pair.right->take(got));
  CHECK(pair.right.take_notes() == first(3));
}

TEST_CASE("of a peer that is gone everything is read, beyond all bounds")
{
  core_pair pair(channel_options().high_water(1).queue_limit(5 * size_of_note()));
  for (int i = 0; i != 8; ++i) {
    send_notes(pair.left, 5);
    pair.run();
  }
  pair.left.close();
  CHECK_FALSE(pair.right->input_ended());
  pair.right->read_to_end();
  CHECK(pair.right->input_ended());
  CHECK(pair.right->settled());
  CHECK_FALSE(pair.right->can_send());
  numbers all;
  for (int i = 0; i != 8; ++i)
    for (std::uint32_t k = 0; k != 5; ++k) all.push_back(k);
  completion<received> next, end;
  pair.right->receive(next.handler());
  pair.run();
  CHECK(std::get<note>(next.value.message).number == 0);
  all.erase(all.begin());
  CHECK(pair.right.take_notes() == all);
  pair.right->receive(end.handler());
  pair.run();
  CHECK(end.error == cohort::error::disconnected);
  CHECK(pair.right.problems.empty());
}

TEST_CASE("who waits for a peer that is gone gets what it had sent, the others fail")
{
  core_pair pair;
  completion<verdict> answered, unanswered;
  completion<received> message;
  completion<cohort::envelope<verdict>> none;
  completion<> flushed;
  pair.right->request<verdict>(numbered<question>(4), std::nullopt, answered.handler());
  pair.left->serve<question>([](question asked) -> asio::awaitable<verdict> {
    co_return numbered<verdict>(asked.number * 2);
  });
  pair.left->flushed(flushed.handler());
  CHECK(pair.until([&] { return flushed.done(); }));
  pair.left.send(make_note(7));
  pair.right->receive(message.handler());
  pair.right->receive_one<verdict>(none.handler());
  pair.run();
  pair.right->request<verdict>(note(), std::chrono::hours(1), unanswered.handler());
  completion<> unwritten;
  // The other end reads one that nobody receives, and then no more.
  pair.right.send(make_blob(4'000'000));
  pair.right->send_and_wait(make_blob(4'000'000), {}, unwritten.handler());
  pair.run();
  pair.left.close();
  pair.right->read_to_end();
  pair.run();
  CHECK(answered.good());
  CHECK(answered.value.number == 8);
  CHECK(message.good());
  CHECK(unanswered.error == cohort::error::disconnected);
  CHECK(none.error == cohort::error::disconnected);
  CHECK(unwritten.error == cohort::error::disconnected);
  CHECK(pair.right.problems.empty());
}

TEST_CASE("a close ends every wait once, outside the call, and keeps what was read")
{
  core_pair pair;
  completion<cohort::envelope<verdict>> waits;
  completion<verdict> asked;
  completion<> unwritten, flushed;
  pair.right->receive_one<verdict>(waits.handler());
  send_notes(pair.left, 2);
  pair.run();
  pair.right->request<verdict>(question(), std::chrono::hours(1), asked.handler());
  pair.right->send_and_wait(make_blob(4'000'000), {}, unwritten.handler());
  pair.right->flushed(flushed.handler());
  pair.run();
  pair.right->close();
  pair.right->close();
  pair.right->read_to_end();
  pair.right->finish();
  pair.right->read_ahead();
  CHECK(waits.times + asked.times + unwritten.times + flushed.times == 0);
  CHECK(pair.right->settled());
  pair.run();
  CHECK(waits.error == cohort::error::disconnected);
  CHECK(asked.error == cohort::error::disconnected);
  CHECK(unwritten.error == cohort::error::disconnected);
  CHECK(flushed.error == cohort::error::disconnected);
  CHECK(waits.times + asked.times + unwritten.times + flushed.times == 4);
  // Nothing of it keeps the context busy then.
  pair.left->close();
  pair.context.restart();
  pair.context.run();
  CHECK(pair.right.take_notes() == first(2));
  CHECK(pair.right.problems.empty());
}

TEST_CASE("a channel may be closed by who receives from it, and by who serves")
{
  core_pair pair;
  std::vector<std::error_code> errors;
  for (int i = 0; i != 2; ++i)
    pair.right->receive([&](std::error_code error, received) {
      errors.push_back(error);
      if (!error) pair.right->close();
    });
  send_notes(pair.left, 1);
  CHECK(pair.until([&] { return errors.size() == 2; }));
  CHECK_FALSE(errors[0]);
  CHECK(errors[1] == cohort::error::disconnected);

  core_pair other;
  completion<verdict> asked;
  other.right->serve<question>([&](question) -> asio::awaitable<verdict> {
    other.right->close();
    co_return verdict();
  });
  other.left->request<verdict>(question(), std::nullopt, asked.handler());
  CHECK(other.until([&] { return asked.done(); }));
  CHECK(asked.error == cohort::error::disconnected);
  other.run();
  CHECK_FALSE(other.right->serving());
  // The reply is not sent, and that is nobody's fault.
  CHECK(other.right.problems.empty());
}

TEST_CASE("who is served when the channel closes is served to the end, for nobody")
{
  core_pair pair;
  gated_server gated(pair.context);
  pair.right->serve<question>(gated.server());
  completion<verdict> asked;
  pair.left->request<verdict>(question(), std::nullopt, asked.handler());
  CHECK(pair.until([&] { return gated.started; }));
  pair.right->close();
  CHECK(pair.right->serving());
  gated.gate.cancel();
  pair.run();
  CHECK_FALSE(pair.right->serving());
  CHECK(asked.error == cohort::error::disconnected);
  CHECK(pair.right.problems.empty());
}

TEST_CASE("a peer that breaks the rules is told of once; what came before can be received")
{
  asio::io_context context(1);
  std::error_code error;
  auto sockets = cohort::detail::posix::stream_pair(error);
  REQUIRE_FALSE(error);
  noted_end end;
  end.open(context, std::move(sockets.first), channel_options());
  end->start();
  auto bytes = frame_of(make_note(5));
  bytes.resize(bytes.size() + 24, std::byte(0xff));
  REQUIRE(::send(sockets.second.get(), bytes.data(), bytes.size(), 0) ==
          static_cast<ssize_t>(bytes.size()));
  completion<> unwritten;
  end->send_and_wait(make_note(1), {}, unwritten.handler());
  end->read_ahead();
  CHECK(run_until(context, [&] { return end->settled() && unwritten.done(); }));
  run_ready(context);
  REQUIRE(end.problems.size() == 1);
  CHECK(end.problems[0].what == "the message channel");
  CHECK(end.progress > 0);
  CHECK(unwritten.error == cohort::error::disconnected);
  CHECK(end.take_notes() == numbers{5});
  end.close();
}

} // namespace message_core_ends_test
