// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/piece_queue.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace piece_queue_test {

namespace {

using cohort::byte_sink;
using descriptor = std::shared_ptr<int>;
using piece_queue = cohort::detail::piece_queue<descriptor>;
using spans = std::array<std::span<const std::byte>, 16>;

void push(piece_queue& queue, std::string_view text, std::vector<descriptor> riders = {})
{
  byte_sink sink;
  sink.append(text);
  queue.push(sink, std::move(riders));
  CHECK(sink.size() == 0);
}

std::string text_of(const spans& found, std::size_t count)
{
  std::string text;
  for (std::size_t i = 0; i != count; ++i)
    text.append(reinterpret_cast<const char*>(found[i].data()), found[i].size());
  return text;
}

} // namespace

TEST_CASE("small messages lie side by side, and leave as they are written")
{
  piece_queue queue;
  spans out;
  CHECK(queue.empty());
  CHECK(queue.front(out).spans == 0);
  for (const char* text : {"one", "two", "", "three"}) push(queue, text);
  auto batch = queue.front(out);
  CHECK(batch.spans == 1);
  CHECK(batch.riders == nullptr);
  CHECK(text_of(out, 1) == "onetwothree");
  queue.pop(4);
  CHECK(queue.size() == 7);
  CHECK(queue.popped() == 4);
  CHECK(queue.pushed() == 11);
  push(queue, "!");
  batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "wothree!");
  queue.pop(8);
  CHECK(queue.empty());
  CHECK(queue.popped() == queue.pushed());
}

TEST_CASE("a large buffer that was given away is written from where it lies")
{
  std::vector<std::uint8_t> large(byte_sink::adopt_threshold, 7);
  const void* const address = large.data();
  byte_sink sink;
  sink.append("head");
  sink.adopt(std::move(large));
  sink.append("tail");
  piece_queue queue;
  push(queue, "before ");
  queue.push(sink, {});
  spans out;
  auto batch = queue.front(out);
  REQUIRE(batch.spans == 3);
  CHECK(text_of(out, 1) == "before head");
  CHECK(out[1].data() == address);
  CHECK(out[1].size() == byte_sink::adopt_threshold);
  // A part of it at a time; the rest stays where it is.
  queue.pop(11 + 5);
  batch = queue.front(out);
  REQUIRE(batch.spans == 2);
  CHECK(out[0].data() == static_cast<const std::byte*>(address) + 5);
  queue.pop(byte_sink::adopt_threshold - 5);
  batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "tail");
}

TEST_CASE("a large message that was copied together is not copied again")
{
  byte_sink sink;
  sink.append(std::string(70'000, 'x'));
  const void* const address = sink.copied().data();
  piece_queue queue;
  queue.push(sink, {});
  CHECK(sink.size() == 0);
  spans out;
  REQUIRE(queue.front(out).spans == 1);
  CHECK(out[0].data() == address);
  queue.pop(70'000);
  CHECK(queue.empty());
}

TEST_CASE("descriptors ride on the first byte of their message, those of one message at a time")
{
  const auto first = std::make_shared<int>(1), second = std::make_shared<int>(2);
  piece_queue queue;
  spans out;
  push(queue, "plain");
  push(queue, "first", {first, first});
  push(queue, "more");
  push(queue, "second", {second});
  CHECK(queue.riders() == 3);
  CHECK(queue.size() == 20);
  auto batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "plain");
  CHECK(batch.riders == nullptr);
  queue.pop(5);
  batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "firstmore");
  REQUIRE(batch.riders != nullptr);
  CHECK(batch.riders->size() == 2);
  queue.pop(1);
  // Sent with that byte, and given up here.
  CHECK(first.use_count() == 1);
  CHECK(queue.riders() == 1);
  batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "irstmore");
  CHECK(batch.riders == nullptr);
  queue.pop(8);
  batch = queue.front(out);
  CHECK(text_of(out, batch.spans) == "second");
  CHECK(batch.riders->size() == 1);
  const auto popped = queue.popped();
  queue.clear();
  CHECK(queue.empty());
  CHECK(queue.popped() == popped);
  CHECK(queue.pushed() == popped);
  CHECK(queue.riders() == 0);
  CHECK(second.use_count() == 1);
  // A large buffer in front of a message with descriptors carries them too.
  byte_sink sink;
  sink.adopt(std::vector<std::uint8_t>(byte_sink::adopt_threshold));
  queue.push(sink, {second});
  CHECK(queue.front(out).riders->size() == 1);
  CHECK(queue.riders() == 1);
}

TEST_CASE("whatever is pushed and however it is written, the stream is the same")
{
  std::mt19937 random(3);
  for (int round = 0; round != 30; ++round) {
    piece_queue queue;
    std::string pushed, written;
    std::size_t riders_pushed = 0, riders_written = 0;
    while (pushed.size() < 300'000 || !queue.empty()) {
      if (pushed.size() < 300'000 && random() % 2 != 0) {
        byte_sink sink;
        for (auto parts = 1 + random() % 3; parts != 0; --parts) {
          std::string text(random() % (random() % 8 == 0 ? 40'000 : 100),
              static_cast<char>('a' + random() % 26));
          pushed += text;
          if (random() % 2 != 0) sink.adopt(std::move(text));
          else sink.append(text);
        }
        std::vector<descriptor> riders;
        if (sink.size() != 0 && random() % 4 == 0) riders.push_back(std::make_shared<int>());
        riders_pushed += riders.size();
        queue.push(sink, std::move(riders));
        continue;
      }
      spans out;
      const auto batch = queue.front(std::span(out).first(1 + random() % 16));
      const std::string text = text_of(out, batch.spans);
      if (text.empty()) continue;
      if (batch.riders) riders_written += batch.riders->size();
      const std::size_t part = 1 + random() % text.size();
      written += text.substr(0, part);
      queue.pop(part);
      REQUIRE(queue.riders() == riders_pushed - riders_written);
    }
    REQUIRE(written == pushed);
    REQUIRE(riders_written == riders_pushed);
  }
}

TEST_CASE("small messages in steady state allocate nothing")
{
  piece_queue queue;
  byte_sink sink;
  spans out;
  const auto turn = [&] {
    for (int i = 0; i != 100; ++i) {
      sink.append("a message of some length");
      queue.push(sink, {});
    }
    // Never quite empty, so that nothing starts anew.
    while (queue.size() > 30) queue.pop(queue.front(out).spans != 0 ? 10 : 0);
  };
  for (int i = 0; i != 10; ++i) turn();
  CHECK(cohort_test::allocations_of([&] {
    for (int i = 0; i != 100; ++i) turn();
  }).count == 0);
}

} // namespace piece_queue_test
