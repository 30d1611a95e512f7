// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/message_endpoint.hpp>

#include <doctest/doctest.h>

#include "support/message_pair.hpp"

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace message_endpoint_test {

// The same name as `note`, another layout.
struct other_note {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(other_note, (), (text))
struct stranger {
  std::uint8_t number = 0;
};
BOOST_DESCRIBE_STRUCT(stranger, (), (number))

} // namespace message_endpoint_test

template <>
inline constexpr std::string_view cohort::message_name<message_endpoint_test::other_note> =
    "cohort_test::note";

namespace message_endpoint_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::send_status;

namespace {

std::uint32_t number_of(const test_envelope& envelope)
{
  if (const auto* found = std::get_if<note>(&envelope.message)) return found->number;
  if (const auto* found = std::get_if<question>(&envelope.message)) return found->number + 100;
  if (const auto* found = std::get_if<verdict>(&envelope.message)) return found->number + 200;
  return static_cast<std::uint32_t>(std::get<blob>(envelope.message).bytes.size());
}

asio::awaitable<verdict> doubled(question asked) { co_return numbered<verdict>(asked.number * 2); }

asio::awaitable<verdict> never(question)
{
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, 1h);
  co_await timer.async_wait(asio::use_awaitable);
  co_return verdict();
}

} // namespace

TEST_CASE("messages of all types arrive in order, given away or not")
{
  message_pair pair;
  const note kept = make_note(1, "kept");
  CHECK(pair.left->send(kept) == send_status::accepted);
  CHECK(pair.left->send(make_blob(20'000)) == send_status::accepted);
  CHECK(pair.left->send(numbered<question>(3)) == send_status::accepted);
  for (std::uint32_t i = 0; i != 500; ++i) pair.left->send(make_note(i, std::string(i, 'x')));
  CHECK(pair.left->queued_bytes() > 20'000);
  CHECK(kept.text == "kept");

  CHECK(number_of(pair.next(*pair.right).value) == 1);
  const auto large = pair.next(*pair.right);
  CHECK(std::get<blob>(large.value.message).bytes == make_blob(20'000).bytes);
  CHECK(number_of(pair.next(*pair.right).value) == 103);
  for (std::uint32_t i = 0; i != 500; ++i) {
    const auto got = pair.next(*pair.right);
    REQUIRE(got.good());
    const auto& message = std::get<note>(got.value.message);
    REQUIRE(message.number == i);
    REQUIRE(message.text.size() == i);
  }
  CHECK(pair.left->queued_bytes() == 0);
}

TEST_CASE("receive of one type leaves the others in order")
{
  message_pair pair;
  pair.left->send(make_note(1));
  pair.left->send(numbered<question>(1));
  pair.left->send(make_note(2));
  pair.left->send(numbered<verdict>(1));
  completion<cohort::envelope<verdict>> one;
  pair.right->receive<verdict>(one.handler());
  REQUIRE(pair.until([&] { return one.done(); }));
  CHECK(one.value.message.number == 1);
  completion<cohort::envelope<note>> two;
  pair.right->receive<note>(two.handler());
  REQUIRE(pair.until([&] { return two.done(); }));
  CHECK(two.value.message.number == 1);
  CHECK(number_of(pair.next(*pair.right).value) == 101);
  CHECK(number_of(pair.next(*pair.right).value) == 2);
}

TEST_CASE("many wait, and each message goes to one of them")
{
  message_pair pair;
  std::vector<std::uint32_t> any, notes;
  for (int i = 0; i != 3; ++i) {
    pair.right->receive([&](std::error_code, test_envelope e) { any.push_back(number_of(e)); });
    pair.right->receive<note>(
        [&](std::error_code, cohort::envelope<note> e) { notes.push_back(e.message.number); });
  }
  // Who waits for the type goes before who takes anything.
  for (std::uint32_t i = 0; i != 4; ++i) pair.left->send(make_note(i));
  pair.left->send(numbered<question>(7));
  pair.left->send(numbered<question>(8));
  REQUIRE(pair.until([&] { return any.size() == 3 && notes.size() == 3; }));
  CHECK(notes == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(any == std::vector<std::uint32_t>{3, 107, 108});
}

TEST_CASE("a cancelled receive loses no message")
{
  message_pair pair;
  asio::cancellation_signal cancel;
  completion<test_envelope> any;
  completion<cohort::envelope<note>> one;
  pair.right->receive(asio::bind_cancellation_slot(cancel.slot(), any.handler()));
  run_ready(pair.context);
  cancel.emit(asio::cancellation_type::total);
  asio::cancellation_signal second;
  pair.right->receive<note>(asio::bind_cancellation_slot(second.slot(), one.handler()));
  second.emit(asio::cancellation_type::terminal);
  CHECK_FALSE(any.done());
  pair.left->send(make_note(5));
  REQUIRE(pair.until([&] { return any.done() && one.done(); }));
  CHECK(any.error == asio::error::operation_aborted);
  CHECK(one.error == asio::error::operation_aborted);
  CHECK(number_of(pair.next(*pair.right).value) == 5);

  // When the message is on its way to it, cancelling comes too late.
  completion<test_envelope> late;
  pair.left->send(make_note(6));
  pair.left->send(make_note(7));
  CHECK(number_of(pair.next(*pair.right).value) == 6);
  pair.right->receive(asio::bind_cancellation_slot(cancel.slot(), late.handler()));
  cancel.emit(asio::cancellation_type::total);
  REQUIRE(pair.until([&] { return late.done(); }));
  CHECK(late.good());
  CHECK(number_of(late.value) == 7);
}

TEST_CASE("try_receive gives what was read already, and touches nothing else")
{
  message_pair pair;
  for (std::uint32_t i = 1; i != 4; ++i) pair.left->send(make_note(i));
  run_ready(pair.context);
  test_envelope into;
  into.worker = 9;
  CHECK_FALSE(pair.right->try_receive(into));
  CHECK(into.worker == 9);
  auto got = pair.next(*pair.right);
  CHECK(number_of(got.value) == 1);
  CHECK(pair.right->try_receive(got.value));
  CHECK(number_of(got.value) == 2);
  CHECK(pair.right->try_receive(got.value));
  CHECK(number_of(got.value) == 3);
  CHECK_FALSE(pair.right->try_receive(got.value));
  CHECK(number_of(got.value) == 3);
}

TEST_CASE("no handler runs inside the call that starts it")
{
  message_pair pair;
  pair.left->send(make_note(1));
  pair.left->send(make_note(2));
  pair.next(*pair.right);
  completion<test_envelope> got;
  completion<> flushed, sent, refused;
  completion<verdict> asked;
  completion<cohort::envelope<note>> failed;
  asio::post(pair.context, [&] {
    pair.right->receive(got.handler());
    pair.right->flushed(flushed.handler());
    pair.right->send(make_note(3), sent.handler());
    pair.right->send(make_note(3, "throw"), refused.handler());
    pair.right->close();
    pair.right->request<verdict>(question(), asked.handler());
    pair.right->receive<note>(failed.handler());
    const int done = got.times + flushed.times + sent.times + refused.times + asked.times;
    CHECK(done + failed.times == 0);
  });
  REQUIRE(pair.until([&] { return failed.done(); }));
  run_ready(pair.context);
  CHECK(got.good());
  CHECK(flushed.good());
  CHECK(sent.done());
  CHECK(refused.error == cohort::error::invalid_message);
  CHECK(asked.error == cohort::error::disconnected);
  CHECK(failed.error == cohort::error::disconnected);
}

TEST_CASE("what the codec throws comes out of a plain call, and is the result of an operation")
{
  message_pair pair;
  auto ends = make_pipe();
  const int number = ends[0].native_handle();
  CHECK_THROWS_AS(pair.left->send(make_note(1, "throw"), std::move(ends[0])), int);
  CHECK(ends[0].native_handle() == number);
  CHECK(pair.left->queued_bytes() == 0);
  completion<> sent, odd;
  completion<verdict> asked;
  pair.left->send(make_note(1, "fail"), sent.handler());
  pair.left->send(make_note(1, "throw"), odd.handler());
  pair.left->request<verdict>(make_note(1, "fail"), asked.handler());
  REQUIRE(pair.until([&] { return sent.done() && odd.done() && asked.done(); }));
  CHECK(sent.error == std::errc::io_error);
  CHECK(odd.error == cohort::error::invalid_message);
  CHECK(asked.error == std::errc::io_error);
  pair.left->send(make_note(2));
  CHECK(number_of(pair.next(*pair.right).value) == 2);
}

TEST_CASE("messages of an unknown type, another layout or broken bytes are reported and skipped")
{
  using other_list = cohort::messages<stranger, other_note>;
  using other_channel = cohort::message_channel<other_list, all_messages, cohort::binary_codec>;
  basic_message_pair<other_channel, test_channel> pair;
  std::vector<std::error_code> problems;
  std::vector<std::string> texts;
  bool inside = false;
  pair.right->on_problem([&](const cohort::channel_problem& problem) {
    CHECK_FALSE(inside);
    problems.push_back(problem.code);
    texts.push_back(problem.what);
  });
  other_note note_of_other;
  note_of_other.text = "x";
  pair.left->send(stranger());
  pair.left->send(note_of_other);
  stranger asked;
  completion<verdict> unanswered;
  pair.left->request<verdict>(asked, unanswered.handler());
  run_ready(pair.context);
  completion<test_envelope> got;
  inside = true;
  pair.right->receive(got.handler());
  inside = false;
  REQUIRE(pair.until([&] { return unanswered.done() && problems.size() == 3; }));
  CHECK(problems[0] == cohort::error::unknown_message);
  CHECK(problems[1] == cohort::error::schema_mismatch);
  CHECK(texts[1] == "cohort_test::note");
  CHECK(problems[2] == cohort::error::unknown_message);
  CHECK(unanswered.error == cohort::error::request_failed);
  CHECK_FALSE(got.done());
}

TEST_CASE("a message with a broken body is reported, and the next one arrives")
{
  half_pair half;
  auto broken = frame_of(make_note(1, "text"));
  broken[broken.size() - 8] = std::byte(200); // the text's length
  const auto good = frame_of(make_note(2));
  auto reply = frame_of(verdict(), cohort::detail::wire::message_kind::reply, 1);
  reply.back() = std::byte(1);
  asio::write(half.peer, asio::buffer(broken));
  asio::write(half.peer, asio::buffer(good));
  const auto got = half.next();
  REQUIRE(got.good());
  CHECK(number_of(got.value) == 2);
  REQUIRE(half.problems.size() == 1);
  CHECK(half.problems[0].code == cohort::error::invalid_message);
  CHECK(half.problems[0].what.substr(0, 17) == "cohort_test::note");

  // A reply of another type than the one that was asked for.
  completion<question> asked;
  half.channel->request<question>(question(), asked.handler());
  asio::write(half.peer, asio::buffer(reply));
  REQUIRE(run_until(half.context, [&] { return asked.done() && half.problems.size() == 2; }));
  CHECK(asked.error == cohort::error::unknown_message);
}

TEST_CASE("many requests both ways, answered out of order")
{
  constexpr std::uint32_t count = 3000;
  message_pair pair;
  const auto hopping = [](question asked) -> asio::awaitable<verdict> {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    for (std::uint32_t i = 0; i != asked.number % 5; ++i)
      co_await asio::post(executor, asio::use_awaitable);
    co_return numbered<verdict>(asked.number * 2);
  };
  pair.left->serve<question>(hopping);
  pair.right->serve<question>(hopping);
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i != count; ++i) {
    const auto note_answer = [&order, i](std::error_code error, verdict reply) {
      CHECK_FALSE(error);
      CHECK(reply.number == 2 * i);
      order.push_back(i);
    };
    pair.left->request<verdict>(numbered<question>(i), 60s, note_answer);
    pair.right->request<verdict>(numbered<question>(i), note_answer);
  }
  REQUIRE(pair.until([&] { return order.size() == 2 * count; }));
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  pair.left->close();
  // No deadline of an answered request keeps the context busy.
  pair.context.restart();
  pair.context.run();
}

TEST_CASE("more requests than are served at once, each with a request back by the same channel")
{
  // What waits for its turn is more than the mark at which reading stops otherwise.
  const auto low = cohort::channel_options().high_water(1000);
  message_pair pair(low, low);
  test_channel& right = *pair.right;
  pair.left->serve<note>(
      [](note asked) -> asio::awaitable<verdict> { co_return numbered<verdict>(asked.number); });
  right.serve<question>([&right](question asked) -> asio::awaitable<verdict> {
    note back = make_note(asked.number + 1);
    verdict got = co_await right.request<verdict>(std::move(back), asio::use_awaitable);
    co_return got;
  });
  std::uint32_t answered = 0;
  for (std::uint32_t i = 0; i != 2000; ++i)
    pair.left->request<verdict>(numbered<question>(i),
        [&, i](std::error_code, verdict reply) { answered += reply.number == i + 1; });
  CHECK(pair.until([&] { return answered == 2000; }));
}

TEST_CASE("a reply after the deadline is ignored")
{
  half_pair half;
  completion<verdict> late, good;
  half.channel->request<verdict>(question(), 1ms, late.handler());
  REQUIRE(run_until(half.context, [&] { return late.done(); }));
  CHECK(late.error == cohort::error::timed_out);
  half.channel->request<verdict>(question(), 60s, good.handler());
  const auto reply = cohort::detail::wire::message_kind::reply;
  const auto first = frame_of(numbered<verdict>(1), reply, 1);
  const auto second = frame_of(numbered<verdict>(2), reply, 2);
  asio::write(half.peer, asio::buffer(first));
  asio::write(half.peer, asio::buffer(second));
  asio::write(half.peer, asio::buffer(second));
  asio::write(half.peer, asio::buffer(first));
  REQUIRE(run_until(half.context, [&] { return good.done(); }));
  run_ready(half.context);
  CHECK(good.good());
  CHECK(good.value.number == 2);
  CHECK(late.times == 1);
  CHECK(half.problems.empty());
}

TEST_CASE("a reply after the deadline is ignored when no timer has told of that yet")
{
  half_pair half;
  completion<verdict> late;
  half.channel->request<verdict>(question(), 1ms, late.handler());
  asio::write(half.peer,
      asio::buffer(frame_of(numbered<verdict>(1), cohort::detail::wire::message_kind::reply, 1)));
  // The reply and the deadline come in one turn of the event loop, and the reply before.
  const auto end = std::chrono::steady_clock::now() + 2ms;
  while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
  REQUIRE(run_until(half.context, [&] { return late.done(); }));
  run_ready(half.context);
  CHECK(late.times == 1);
  CHECK(late.error == cohort::error::timed_out);
  CHECK(late.value.number == 0);
  CHECK(half.problems.empty());
}

TEST_CASE("a request whose deadline is not in the future is not sent")
{
  message_pair pair;
  std::uint32_t served = 0;
  pair.right->serve<question>([&](question asked) -> asio::awaitable<verdict> {
    ++served;
    co_return numbered<verdict>(asked.number);
  });
  using limit = std::chrono::steady_clock::duration;
  for (const limit deadline : {limit(0ms), limit(-1ns), limit(-1h), limit::min()}) {
    completion<verdict> late;
    pair.left->request<verdict>(numbered<question>(1), deadline, late.handler());
    CHECK(pair.left->queued_bytes() == 0);
    CHECK_FALSE(late.done());
    run_ready(pair.context);
    CHECK(late.times == 1);
    CHECK(late.error == cohort::error::timed_out);
  }
  CHECK(served == 0);
  completion<verdict> good;
  pair.left->request<verdict>(numbered<question>(7), 60s, good.handler());
  REQUIRE(pair.until([&] { return good.done(); }));
  CHECK(good.value.number == 7);
  CHECK(served == 1);
  // Other reasons come first.
  pair.left->close();
  completion<verdict> after;
  pair.left->request<verdict>(question(), 0ms, after.handler());
  REQUIRE(pair.until([&] { return after.done(); }));
  CHECK(after.error == cohort::error::disconnected);
}

TEST_CASE("a request can be cancelled, and many others go on")
{
  message_pair pair;
  asio::cancellation_signal cancel;
  completion<verdict> cancelled, next;
  pair.left->request<verdict>(
      numbered<question>(1), asio::bind_cancellation_slot(cancel.slot(), cancelled.handler()));
  pair.left->request<verdict>(numbered<question>(2), std::chrono::hours(2'500'000), next.handler());
  cancel.emit(asio::cancellation_type::terminal);
  pair.right->serve<question>(doubled);
  REQUIRE(pair.until([&] { return cancelled.done() && next.done(); }));
  CHECK(cancelled.error == asio::error::operation_aborted);
  CHECK(next.good());
  CHECK(next.value.number == 4);
  CHECK(cancelled.times == 1);
}

TEST_CASE("requests fail when the peer goes, and when there is none any more")
{
  message_pair pair;
  pair.right->serve<question>(never);
  completion<verdict> first, second, third;
  pair.left->request<verdict>(question(), first.handler());
  pair.left->request<verdict>(question(), 60s, second.handler());
  run_ready(pair.context);
  pair.right.reset();
  REQUIRE(pair.until([&] { return first.done() && second.done(); }));
  CHECK(first.error == cohort::error::disconnected);
  CHECK(second.error == cohort::error::disconnected);
  pair.left->request<verdict>(question(), third.handler());
  REQUIRE(pair.until([&] { return third.done(); }));
  CHECK(third.error == cohort::error::disconnected);
}

TEST_CASE("a server that throws fails the request, and is reported where it is")
{
  message_pair pair;
  std::vector<cohort::channel_problem> problems;
  pair.right->on_problem([&](const cohort::channel_problem& p) { problems.push_back(p); });
  pair.right->serve<question>([](question asked) -> asio::awaitable<verdict> {
    if (asked.number == 1) throw std::runtime_error("not this one");
    if (asked.number == 2) throw 2;
    co_return verdict();
  });
  // No coroutine: this throws before there is anything to wait for.
  pair.right->serve<note>(
      [](note) -> asio::awaitable<verdict> { throw std::logic_error("never"); });
  completion<verdict> first, second, third, fourth;
  pair.left->request<verdict>(numbered<question>(1), first.handler());
  pair.left->request<verdict>(numbered<question>(2), second.handler());
  pair.left->request<verdict>(numbered<question>(3), third.handler());
  pair.left->request<verdict>(note(), fourth.handler());
  REQUIRE(pair.until([&] { return fourth.done() && problems.size() == 3; }));
  CHECK(first.error == cohort::error::request_failed);
  CHECK(second.error == cohort::error::request_failed);
  CHECK(third.good());
  CHECK(fourth.error == cohort::error::request_failed);
  CHECK(problems[0].code == cohort::error::request_failed);
  CHECK(problems[0].what == "not this one");
}

TEST_CASE("requests that came before they are served are kept, and no server runs inside a call")
{
  message_pair pair;
  completion<verdict> early;
  pair.left->request<verdict>(numbered<question>(4), early.handler());
  completion<test_envelope> other;
  pair.right->receive(other.handler());
  run_ready(pair.context);
  CHECK_FALSE(early.done());
  bool inside = false;
  int calls = 0;
  asio::post(pair.context, [&] {
    inside = true;
    pair.right->serve<question>([&](question asked) {
      CHECK_FALSE(inside);
      ++calls;
      return doubled(asked);
    });
    inside = false;
  });
  REQUIRE(pair.until([&] { return early.done(); }));
  CHECK(early.value.number == 8);
  CHECK(calls == 1);
  CHECK_FALSE(other.done());
}

TEST_CASE("a list of one untyped message gives the value itself, from whatever converts to it")
{
  using list = cohort::untyped<std::string>;
  using channel = cohort::message_channel<list, list, cohort::binary_codec>;
  basic_message_pair<channel> pair;
  CHECK(pair.left->send("a literal") == send_status::accepted);
  pair.left->send(std::string("a string"));
  completion<> sent;
  pair.left->send("an operation", sent.handler());
  const auto first = pair.next(*pair.right);
  static_assert(std::is_same_v<channel::received_message, std::string>);
  CHECK(first.value.message == "a literal");
  completion<cohort::envelope<std::string>> second;
  pair.right->receive<std::string>(second.handler());
  REQUIRE(pair.until([&] { return second.done() && sent.done(); }));
  CHECK(second.value.message == "a string");
  CHECK(pair.next(*pair.right).value.message == "an operation");

  pair.right->serve<std::string>(
      [](std::string text) -> asio::awaitable<std::string> { co_return text + "!"; });
  completion<std::string> reply;
  pair.left->request<std::string>("asked", reply.handler());
  REQUIRE(pair.until([&] { return reply.done(); }));
  CHECK(reply.value == "asked!");
}

TEST_CASE("a direction may have no messages")
{
  using none = cohort::messages<>;
  using some = cohort::messages<note>;
  basic_message_pair<cohort::message_channel<some, none, cohort::binary_codec>,
      cohort::message_channel<none, some, cohort::binary_codec>>
      pair;
  pair.left->send(make_note(1));
  CHECK(std::get<note>(pair.next(*pair.right).value.message).number == 1);
  pair.right->finish();
  CHECK(pair.next(*pair.left).error == cohort::error::disconnected);
}

TEST_CASE("send tells what became of the message")
{
  cohort::channel_options options;
  options.high_water(10'000).queue_limit(30'000).max_message_size(20'000);
  message_pair pair(options);
  test_channel& left = *pair.left;
  const std::string text(5'000, 'x');
  CHECK(left.send(make_note(0, std::string(20'001, 'x'))) == send_status::message_too_large);
  CHECK(left.send(make_note(0, std::string(20'000 - 8, 'x'))) == send_status::congested);
  completion<> flushed;
  left.flushed(flushed.handler());
  REQUIRE(pair.until([&] { return flushed.done(); }));
  CHECK(left.send(make_note(1, text)) == send_status::accepted);
  CHECK(left.send(make_note(2, text)) == send_status::congested);
  // Nobody receives on the right, the socket fills up, then the queue.
  send_status last = send_status::accepted;
  for (int i = 0; i != 200 && cohort::is_sent(last); ++i) {
    last = left.send(make_note(3, text));
    run_ready(pair.context);
  }
  CHECK(last == send_status::queue_full);
  CHECK(left.queued_bytes() <= 30'000);
  completion<> sent;
  left.send(make_note(3, text), sent.handler());
  REQUIRE(pair.until([&] { return sent.done(); }));
  CHECK(sent.error == cohort::error::queue_full);
  left.close();
  CHECK(left.send(note()) == send_status::not_connected);

  cohort::channel_options tiny;
  tiny.queue_limit(100);
  message_pair other(tiny);
  CHECK(other.left->send(make_note(1, text)) == send_status::message_too_large);
}

TEST_CASE("flushed and the operation send end when the kernel has the bytes, or never can")
{
  message_pair pair;
  test_channel& left = *pair.left;
  completion<> early, late, behind, cancelled;
  left.send(make_note(1), early.handler());
  left.send(make_blob(4'000'000), late.handler());
  asio::cancellation_signal cancel;
  left.send(make_note(2), asio::bind_cancellation_slot(cancel.slot(), cancelled.handler()));
  left.flushed(behind.handler());
  run_ready(pair.context);
  CHECK(early.good());
  CHECK_FALSE(late.done());
  cancel.emit(asio::cancellation_type::partial);
  CHECK(number_of(pair.next(*pair.right).value) == 1);
  CHECK(number_of(pair.next(*pair.right).value) == 4'000'000);
  REQUIRE(pair.until([&] { return behind.done(); }));
  CHECK(late.good());
  CHECK(behind.good());
  CHECK(cancelled.error == asio::error::operation_aborted);
  CHECK(number_of(pair.next(*pair.right).value) == 2);

  completion<> lost, after;
  left.send(make_blob(4'000'000), lost.handler());
  run_ready(pair.context);
  pair.right.reset();
  REQUIRE(pair.until([&] { return lost.done(); }));
  CHECK(lost.error == cohort::error::disconnected);
  CHECK(left.send(note()) == send_status::not_connected);
  left.flushed(after.handler());
  REQUIRE(pair.until([&] { return after.done(); }));
  CHECK(after.error == cohort::error::disconnected);
}

TEST_CASE("when nobody receives reading stops, and all is there once somebody does")
{
  cohort::channel_options options;
  options.high_water(50'000);
  message_pair pair(options, options);
  const std::string text(2'000, 'x');
  completion<cohort::envelope<question>> wanted;
  // Waits for a type that does not come: the others gather up to the mark.
  pair.right->receive<question>(wanted.handler());
  std::uint32_t sent = 0;
  send_status last = send_status::accepted;
  while (last != send_status::congested && sent != 10'000) {
    last = pair.left->send(make_note(sent++, text));
    run_ready(pair.context);
  }
  CHECK(last == send_status::congested);
  CHECK(pair.left->queued_bytes() > 50'000);
  pair.left->send(numbered<question>(1));
  for (std::uint32_t i = 0; i != sent; ++i) {
    const auto got = pair.next(*pair.right);
    REQUIRE(got.good());
    REQUIRE(number_of(got.value) == i);
  }
  REQUIRE(pair.until([&] { return wanted.done(); }));
  CHECK(wanted.good());
  CHECK(pair.left->queued_bytes() == 0);
}

} // namespace message_endpoint_test
