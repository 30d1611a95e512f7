// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/message_hub.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>

#include <deque>
#include <memory>
#include <system_error>
#include <vector>

namespace message_hub_test {

namespace {

using hub_type = cohort::detail::message_hub<int>;

struct channel final : cohort::detail::message_source<int> {
  std::deque<int> messages;
  // What a wish reads, one at a time.
  std::deque<int> unread;
  hub_type* hub = nullptr;
  int wanted = 0;
  std::size_t weight = 1;

  void want() override
  {
    ++wanted;
    if (unread.empty()) return;
    int next = unread.front();
    if (hub->offer(next)) unread.pop_front();
  }
  std::size_t held_bytes() const noexcept override { return messages.size() * weight; }
  bool take(int& into) override
  {
    if (messages.empty()) return false;
    into = messages.front();
    messages.pop_front();
    return true;
  }
};

struct fixture {
  asio::io_context context{1};
  hub_type hub{context.get_executor()};
  std::vector<int> got;
  std::vector<std::error_code> errors;

  void receive()
  {
    hub.receive([this](std::error_code error, int value) {
      errors.push_back(error);
      got.push_back(value);
    });
  }
  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("a hub takes one message of each channel in turn")
{
  fixture f;
  const auto first = std::make_shared<channel>(), second = std::make_shared<channel>();
  first->messages = {1, 2, 3};
  second->messages = {11, 12};
  f.hub.add(first);
  f.hub.add(second);
  for (int i = 0; i != 5; ++i) f.receive();
  CHECK(f.got.empty());
  f.run();
  CHECK(f.got == std::vector<int>{11, 1, 12, 2, 3});
  CHECK(first->wanted == 0);
}

TEST_CASE("channels that have much to read take turns as well")
{
  fixture f;
  const auto first = std::make_shared<channel>(), second = std::make_shared<channel>();
  for (const auto& each : {first, second}) {
    each->hub = &f.hub;
    f.hub.add(each);
  }
  first->unread = {1, 2, 3};
  second->unread = {11, 12, 13};
  // Both are asked for the first message; who comes second keeps its own.
  for (int i = 0; i != 4; ++i) f.receive();
  f.run();
  REQUIRE(f.got.size() == 4);
  CHECK(first->unread.size() == 1);
  CHECK(second->unread.size() == 1);
}

TEST_CASE("who waits at a hub makes all channels read, and gets what one offers")
{
  fixture f;
  const auto first = std::make_shared<channel>(), second = std::make_shared<channel>();
  f.hub.add(first);
  f.hub.add(std::make_shared<channel>()); // gone at once
  f.hub.add(second);
  int message = 7;
  CHECK_FALSE(f.hub.offer(message));
  CHECK(message == 7);
  f.receive();
  CHECK(f.hub.waiting());
  CHECK(first->wanted == 1);
  CHECK(second->wanted == 1);
  CHECK(f.hub.offer(message));
  CHECK_FALSE(f.hub.waiting());
  CHECK_FALSE(f.hub.offer(message));
  f.run();
  CHECK(f.got == std::vector<int>{7});
}

TEST_CASE("a hub keeps what ended channels left, also before anybody has asked")
{
  fixture f;
  auto ended = std::make_shared<channel>();
  ended->messages = {1};
  f.hub.keep(ended);
  CHECK(ended.use_count() == 2);
  f.receive();
  f.receive();
  f.run();
  CHECK(f.got == std::vector<int>{1});
  CHECK(ended.use_count() == 1);
  CHECK(f.hub.waiting());
  f.hub.close();
  f.receive();
  f.hub.keep(ended);
  f.run();
  REQUIRE(f.errors.size() == 3);
  CHECK(f.errors[1] == asio::error::operation_aborted);
  CHECK(f.errors[2] == asio::error::operation_aborted);
  CHECK(ended.use_count() == 1);
}

TEST_CASE("when ended channels left much, the oldest are let go, and a loss is told")
{
  fixture f;
  int losses = 0;
  f.hub.on_loss = [&losses] { ++losses; };
  const auto keep = [&](std::size_t weight) {
    auto ended = std::make_shared<channel>();
    ended->messages = {1};
    ended->weight = weight;
    f.hub.keep(ended);
    return ended;
  };
  constexpr std::size_t mebibyte = 1024 * 1024;
  const std::weak_ptr<channel> oldest = keep(5 * mebibyte);
  const auto held = keep(2 * mebibyte);
  const auto next = keep(7 * mebibyte);
  CHECK_FALSE(oldest.expired());
  // Beside what the last one left there may be 8 MiB.
  const auto newest = keep(90 * mebibyte);
  CHECK(oldest.expired());
  CHECK(losses == 1);
  CHECK(held.use_count() == 1);
  CHECK(held->messages.size() == 1);
  CHECK(next.use_count() == 2);
  newest->messages.clear();
  const auto last = keep(1);
  CHECK(newest.use_count() == 1);
  CHECK(next.use_count() == 2);
  CHECK(last.use_count() == 2);
  CHECK(losses == 1);
}

} // namespace message_hub_test
