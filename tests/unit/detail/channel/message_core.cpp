// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_core.hpp>

#include <doctest/doctest.h>

#include "support/core_pair.hpp"

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace message_core_test {

using namespace cohort_test;
using cohort::channel_options;
using cohort::send_status;
using received = core_type::received;
using numbers = std::vector<std::uint32_t>;

namespace {

const std::string text(1'000, 'x');

std::size_t size_of_note() { return frame_of(make_note(0, text)).size(); }

std::uint32_t number_of(const received& got) { return std::get<note>(got.message).number; }

asio::awaitable<verdict> doubled(question asked) { co_return numbered<verdict>(asked.number * 2); }

} // namespace

TEST_CASE("a message is queued with its handles, or both stay the sender's")
{
  core_pair pair(channel_options().max_message_size(2'000));
  auto ends = make_pipe();
  std::vector<cohort::handle> attached;
  attached.push_back(std::move(ends[0]));
  CHECK(pair.left->send(make_note(1, text + text), attached) == send_status::message_too_large);
  CHECK(attached.size() == 1);
  CHECK_THROWS_AS(pair.left->send(make_note(1, "throw"), attached), int);
  CHECK(attached.size() == 1);
  CHECK(pair.left->queued_bytes() == 0);
  CHECK(pair.left->send(make_note(1, text), attached) == send_status::accepted);
  CHECK(attached.empty());
  CHECK(pair.left->queued_bytes() == size_of_note() + channel_options::handle_weight);
  completion<received> got;
  pair.right->receive(got.handler());
  CHECK(pair.until([&] { return got.done(); }));
  CHECK(got.value.handles.size() == 1);
  pair.left->close();
  attached.push_back(std::move(ends[1]));
  CHECK(pair.left->send(note(), attached) == send_status::not_connected);
  CHECK(attached.size() == 1);
}

TEST_CASE("what is given away is counted, whoever it went to; what is kept is not")
{
  core_pair pair;
  completion<received> any;
  completion<cohort::envelope<note>> one;
  for (std::uint32_t i = 1; i != 5; ++i) pair.left.send(make_note(i));
  pair.right->receive_one<note>(one.handler());
  CHECK(pair.until([&] { return one.done(); }));
  CHECK(pair.right->handed_out() == 1);
  pair.right->receive(any.handler());
  CHECK(pair.until([&] { return any.done(); }));
  CHECK(pair.right->handed_out() == 2);
  received into;
  CHECK(pair.right->try_receive(into));
  CHECK(number_of(into) == 3);
  CHECK(pair.right->handed_out() == 3);
  CHECK(pair.right.take_notes().empty());
  CHECK(pair.right->try_receive(into));
  CHECK(number_of(into) == 4);
  CHECK_FALSE(pair.right->try_receive(into));
  CHECK(pair.right->handed_out() == 4);
}

TEST_CASE("try_receive takes one message out of what was read, and leaves the socket alone")
{
  core_pair pair;
  completion<received> first;
  pair.right->receive(first.handler());
  for (std::uint32_t i = 1; i != 4; ++i) pair.left.send(make_note(i));
  CHECK(pair.until([&] { return first.done(); }));
  pair.left.send(make_note(4));
  pair.run();
  received into;
  for (std::uint32_t i = 2; i != 4; ++i) {
    CHECK(pair.right->try_receive(into));
    CHECK(number_of(into) == i);
    // The others were not put aside on the way.
    CHECK(pair.right.take_notes().empty());
  }
  CHECK_FALSE(pair.right->try_receive(into));
  CHECK(number_of(into) == 3);
}

TEST_CASE("try_receive goes past what is no message for a receiver")
{
  core_pair pair;
  completion<received> first;
  pair.right->receive(first.handler());
  pair.left.send(make_note(1));
  completion<verdict> asked;
  pair.left->request<verdict>(numbered<question>(4), std::nullopt, asked.handler());
  pair.left.send(make_note(2));
  CHECK(pair.until([&] { return first.done(); }));
  received into;
  CHECK(pair.right->try_receive(into));
  CHECK(number_of(into) == 2);
  pair.right->serve<question>(doubled);
  CHECK(pair.until([&] { return asked.done(); }));
  CHECK(asked.value.number == 8);
}

TEST_CASE("a receiver waits for a message however low the high-water mark is")
{
  std::vector<completion<received>> got(2);
  core_pair pair(channel_options().high_water(0));
  pair.left.send(make_note(1, text));
  pair.left.send(make_note(2));
  for (std::uint32_t i = 0; i != 2; ++i) {
    pair.right->receive(got[i].handler());
    pair.run();
    CHECK(got[i].good());
    CHECK(number_of(got[i].value) == i + 1);
  }
}

TEST_CASE("reading stops beyond the high-water mark, also while somebody waits for another message")
{
  completion<cohort::envelope<verdict>> other;
  core_pair pair(channel_options().high_water(4 * size_of_note()));
  pair.right->receive_one<verdict>(other.handler());
  for (std::uint32_t i = 0; i != 20; ++i) pair.left.send(make_note(i, text));
  pair.left.send(verdict());
  pair.run();
  CHECK(pair.left->queued_bytes() == 0);
  CHECK_FALSE(other.done());
  // Who takes them makes room, but in another turn.
  numbers got = pair.right.take_notes();
  CHECK(got.size() == 5);
  for (int turns = 0; !other.done() && turns != 10; ++turns) {
    pair.run();
    for (const std::uint32_t each : pair.right.take_notes()) got.push_back(each);
  }
  CHECK(other.good());
  CHECK(got.size() == 20);
  CHECK(std::is_sorted(got.begin(), got.end()));
}

TEST_CASE("requests fail that cannot be sent, and those after the end are not even queued")
{
  core_pair pair(channel_options().max_message_size(2'000));
  completion<verdict> large, thrown, odd, late;
  pair.left->request<verdict>(make_note(1, text + text), std::nullopt, large.handler());
  pair.left->request<verdict>(make_note(1, "fail"), std::nullopt, thrown.handler());
  pair.left->request<verdict>(make_note(1, "throw"), std::nullopt, odd.handler());
  CHECK_FALSE(large.done());
  CHECK(pair.left->queued_bytes() == 0);
  pair.run();
  CHECK(large.error == cohort::error::message_too_large);
  CHECK(thrown.error == std::errc::io_error);
  CHECK(odd.error == cohort::error::invalid_message);

  // Only the other side's stream ends: messages can be sent, but no answer can come.
  pair.right->finish();
  pair.left->read_ahead();
  CHECK(pair.until([&] { return pair.left->input_ended(); }));
  CHECK(pair.left->can_send());
  pair.left->request<verdict>(question(), std::nullopt, late.handler());
  CHECK(pair.left->queued_bytes() == 0);
  pair.run();
  CHECK(late.error == cohort::error::disconnected);
}

TEST_CASE("a reply that is too large fails the request on both sides, and the channel goes on")
{
  core_pair pair(channel_options().max_message_size(2'000));
  pair.right->serve<question>([](question asked) -> asio::awaitable<note> {
    co_return make_note(asked.number, asked.number == 1 ? text + text : text);
  });
  completion<note> large, small;
  pair.left->request<note>(numbered<question>(1), std::nullopt, large.handler());
  pair.left->request<note>(numbered<question>(2), std::nullopt, small.handler());
  CHECK(pair.until([&] { return large.done() && small.done(); }));
  CHECK(large.error == cohort::error::request_failed);
  CHECK(small.good());
  REQUIRE(pair.right.problems.size() == 1);
  CHECK(pair.right.problems[0].code == cohort::error::message_too_large);
  CHECK(pair.right.problems[0].what == cohort::message_name<note>);
  CHECK(pair.left.problems.empty());
}

TEST_CASE("a reply after the deadline, or to who was cancelled, is no problem")
{
  core_pair pair;
  asio::cancellation_signal cancel;
  completion<verdict> late, cancelled, good;
  pair.left->request<verdict>(
      numbered<question>(1), std::chrono::steady_clock::duration::zero(), late.handler());
  pair.left->request<verdict>(numbered<question>(2), std::nullopt,
      asio::bind_cancellation_slot(cancel.slot(), cancelled.handler()));
  pair.left->request<verdict>(numbered<question>(3), std::nullopt, good.handler());
  cancel.emit(asio::cancellation_type::terminal);
  CHECK(pair.until([&] { return late.done() && cancelled.done(); }));
  pair.right->serve<question>(doubled);
  CHECK(pair.until([&] { return good.done(); }));
  pair.run();
  CHECK(late.error == cohort::error::timed_out);
  CHECK(cancelled.error == asio::error::operation_aborted);
  CHECK(good.value.number == 6);
  CHECK(late.times + cancelled.times + good.times == 3);
  CHECK(pair.left.problems.empty());
}

TEST_CASE("what is flushed is written, whatever is queued behind it")
{
  core_pair pair;
  completion<> empty, first, second;
  pair.left->flushed(empty.handler());
  CHECK_FALSE(empty.done());
  pair.left.send(make_note(1));
  pair.left->flushed(first.handler());
  pair.left.send(make_blob(3'000'000));
  pair.left->send_and_wait(make_note(2), {}, second.handler());
  pair.run();
  CHECK(empty.good());
  CHECK(first.good());
  CHECK_FALSE(second.done());
  pair.right->read_ahead();
  CHECK(pair.until([&] { return second.done(); }));
  CHECK(second.good());
}

TEST_CASE("channels of one hub are read when somebody waits there, each with its sender")
{
  asio::io_context context(1);
  auto hub = std::make_shared<core_type::hub_type>(context.get_executor());
  std::vector<std::shared_ptr<core_type>> workers, primary;
  for (cohort::worker_id id = 1; id != 3; ++id) {
    std::error_code error;
    auto sockets = cohort::detail::posix::stream_pair(error);
    REQUIRE_FALSE(error);
    workers.push_back(std::make_shared<core_type>(
        context.get_executor(), std::move(sockets.first), channel_options()));
    workers.back()->start();
    primary.push_back(std::make_shared<core_type>(
        context.get_executor(), std::move(sockets.second), channel_options(), id));
    primary.back()->start(hub);
    std::vector<cohort::handle> none;
    workers.back()->send(make_note(id), none);
  }
  run_ready(context);
  // Nobody waits: nothing has been read.
  received into;
  for (const auto& each : primary) CHECK_FALSE(each->take(into));
  for (int i = 0; i != 2; ++i) {
    completion<received> got;
    hub->receive(got.handler());
    CHECK(run_until(context, [&] { return got.done(); }));
    CHECK(got.value.worker == number_of(got.value));
  }
  completion<received> last;
  hub->receive(last.handler());
  hub->close();
  for (const auto& each : workers) each->close();
  for (const auto& each : primary) each->close();
  context.restart();
  context.run();
  CHECK(last.error == asio::error::operation_aborted);
}

TEST_CASE("what comes while a channel is held is received when it is opened, in order")
{
  core_pair pair;
  pair.right->hold();
  for (std::uint32_t i = 1; i != 3; ++i) pair.left.send(make_note(i));
  completion<received> first;
  pair.right->receive(first.handler());
  pair.run();
  received into;
  CHECK_FALSE(pair.right->try_receive(into));
  CHECK_FALSE(first.done());
  pair.right->open();
  CHECK(pair.until([&] { return first.done(); }));
  CHECK(number_of(first.value) == 1);
  CHECK(pair.right->try_receive(into));
  CHECK(number_of(into) == 2);
}

TEST_CASE("a peer that ends while its channel is held has lost nothing")
{
  core_pair pair;
  pair.right->hold();
  completion<received> first;
  pair.right->receive(first.handler());
  pair.left.send(make_note(1));
  pair.left->finish();
  pair.run();
  CHECK_FALSE(first.done());
  pair.right->read_to_end();
  CHECK(pair.until([&] { return first.done(); }));
  CHECK(number_of(first.value) == 1);
}

TEST_CASE("a handle weighs more than its bytes")
{
  core_pair pair;
  completion<cohort::envelope<verdict>> other;
  pair.right->receive_one<verdict>(other.handler());
  auto ends = make_pipe();
  std::vector<cohort::handle> attached;
  attached.push_back(std::move(ends[0]));
  CHECK(is_sent(pair.left->send(note(), attached)));
  pair.run();
  CHECK(pair.right->held_bytes() >= 4096);
  received got;
  CHECK(pair.right->take(got));
  CHECK(pair.right->held_bytes() == 0);
}

TEST_CASE("who takes what was read makes room for what others wait for")
{
  core_pair pair(channel_options().high_water(50'000));
  completion<cohort::envelope<question>> asked;
  pair.right->receive_one<question>(asked.handler());
  const std::string large(2'000, 'x');
  for (std::uint32_t i = 0; i != 80; ++i) pair.left.send(make_note(i, large));
  pair.left.send(numbered<question>(7));
  std::uint32_t taken = 0;
  CHECK(pair.until([&] {
    core_type::received got;
    while (pair.right->try_receive(got)) ++taken;
    return asked.done();
  }));
  CHECK(asked.good());
  CHECK(asked.value.message.number == 7);
  pair.run();
  taken += static_cast<std::uint32_t>(pair.right.take_notes().size());
  CHECK(taken == 80);
}

} // namespace message_core_test
