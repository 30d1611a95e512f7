// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What waits to be sent is bounded, handles too: a process has few places for them.
#include <cohort/message_channel.hpp>

#include <doctest/doctest.h>

#include "support/message_pair.hpp"
#include "support/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace message_channel_handles_test {

using namespace cohort_test;
using cohort::handle;
using cohort::send_status;

namespace {

constexpr std::size_t weight = cohort::channel_options::handle_weight;

} // namespace

TEST_CASE("handles with tiny messages congest a channel whose peer does not read, and fill it")
{
  cohort::channel_options options;
  options.high_water(100 * weight).queue_limit(200 * weight);
  message_pair pair(options);
  const auto pipe = make_pipe();
  const std::size_t before = count_descriptors();
  std::uint32_t sent = 0;
  send_status last = send_status::accepted;
  std::vector<std::uint32_t> first_at(6);
  for (int i = 0; i != 2'000; ++i) {
    handle copy = pipe[0].duplicate();
    last = pair.left->send(make_note(sent), std::move(copy));
    // What is not queued stays the caller's.
    REQUIRE(static_cast<bool>(copy) == !cohort::is_sent(last));
    std::uint32_t& first = first_at[static_cast<std::size_t>(last)];
    if (first == 0) first = sent;
    if (cohort::is_sent(last)) ++sent;
    // The socket takes some, once in a while.
    if (i % 500 == 499) run_ready(pair.context);
    REQUIRE(count_descriptors() <= before + 201);
    REQUIRE(pair.left->queued_bytes() <= 200 * weight);
  }
  CHECK(last == send_status::queue_full);
  // Nothing was written in the first turn: each message counts its own bytes as well.
  CHECK(first_at[static_cast<std::size_t>(send_status::congested)] == 99);
  CHECK(first_at[static_cast<std::size_t>(send_status::queue_full)] < 200);
  CHECK(first_at[static_cast<std::size_t>(send_status::queue_full)] > 190);
  CHECK(pair.left->queued_bytes() > 190 * weight);

  completion<> flushed;
  pair.left->flushed(flushed.handler());
  for (std::uint32_t i = 0; i != sent; ++i) {
    const auto got = pair.next(*pair.right);
    REQUIRE(std::get<note>(got.value.message).number == i);
    REQUIRE(got.value.handles.size() == 1);
  }
  REQUIRE(pair.until([&] { return flushed.done(); }));
  CHECK(flushed.good());
  CHECK(pair.left->queued_bytes() == 0);
  CHECK(count_descriptors() == before);
  CHECK(pair.left->send(make_note(1), pipe[0].duplicate()) == send_status::accepted);
  CHECK(pair.next(*pair.right).value.handles.size() == 1);
}

TEST_CASE("what waits for its handles' weight is dropped with the channel, and more never fits")
{
  cohort::channel_options options;
  options.queue_limit(10 * weight);
  message_pair pair(options);
  const auto pipe = make_pipe();
  const auto several = [&](std::size_t count) {
    std::vector<handle> copies;
    while (copies.size() != count) copies.push_back(pipe[0].duplicate());
    return copies;
  };
  std::vector<handle> ten = several(10);
  CHECK(pair.left->send(note(), std::move(ten)) == send_status::message_too_large);
  CHECK(ten.size() == 10);
  CHECK(pair.left->send(note(), several(9)) == send_status::accepted);
  CHECK(pair.left->queued_bytes() > 9 * weight);
  CHECK(pair.left->queued_bytes() < 10 * weight);
  CHECK(pair.left->send(note(), several(1)) == send_status::queue_full);
  CHECK(pair.left->send(note()) == send_status::accepted);
  pair.left->close();
  CHECK(pair.left->queued_bytes() == 0);
}

} // namespace message_channel_handles_test
