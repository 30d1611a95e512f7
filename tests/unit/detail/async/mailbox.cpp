// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/mailbox.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace mailbox_test {

using cohort::detail::mailbox;

namespace {

struct reader {
  asio::io_context context;
  mailbox<int> box;
  std::vector<int> values;
  std::vector<std::error_code> errors;

  explicit reader(std::size_t capacity = 16) : box(context.get_executor(), capacity) {}

  auto note()
  {
    return [this](std::error_code error, int value) {
      if (error) errors.push_back(error);
      else values.push_back(value);
    };
  }
  void read(int times = 1)
  {
    for (; times != 0; --times) box.add(note());
    run();
  }
  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("values come each once and in order, whoever was first")
{
  reader in;
  in.box.push(1);
  in.box.push(2);
  in.read(3);
  CHECK(in.values == std::vector<int>{1, 2});
  in.box.push(3);
  CHECK(in.values.size() == 2);
  in.run();
  CHECK(in.values == std::vector<int>{1, 2, 3});
  CHECK(in.errors.empty());
}

TEST_CASE("cancelling a wait loses no value")
{
  reader in;
  asio::cancellation_signal signal;
  in.box.add(asio::bind_cancellation_slot(signal.slot(), in.note()));
  signal.emit(asio::cancellation_type::total);
  in.box.push(1);
  in.run();
  CHECK(in.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  CHECK(in.values.empty());
  in.read();
  CHECK(in.values == std::vector<int>{1});
}

TEST_CASE("a value that is on its way is not taken back by a cancellation")
{
  reader in;
  asio::cancellation_signal signal;
  in.box.add(asio::bind_cancellation_slot(signal.slot(), in.note()));
  in.box.push(1);
  signal.emit(asio::cancellation_type::terminal);
  in.run();
  CHECK(in.values == std::vector<int>{1});
}

TEST_CASE("a value goes past a cancelled wait to the next one")
{
  reader in;
  asio::cancellation_signal signal;
  in.box.add(asio::bind_cancellation_slot(signal.slot(), in.note()));
  in.box.add(in.note());
  signal.emit(asio::cancellation_type::total);
  in.box.push(1);
  in.run();
  CHECK(in.values == std::vector<int>{1});
}

TEST_CASE("what finds the mailbox full is reported once, where it is missing")
{
  reader in(2);
  for (int i = 1; i <= 5; ++i) in.box.push(i);
  in.read(2);
  CHECK(in.values == std::vector<int>{1, 2});
  CHECK(in.errors.empty());
  in.read();
  CHECK(in.errors == std::vector<std::error_code>{cohort::error::events_lost});
  in.box.push(6);
  in.read();
  CHECK(in.values == std::vector<int>{1, 2, 6});
  CHECK(in.errors.size() == 1);
}

TEST_CASE("nothing is put behind a gap before the gap has been reported")
{
  reader in(2);
  for (int i = 1; i <= 3; ++i) in.box.push(i);
  in.read();
  in.box.push(4); // there is room, but 3 is missing before it
  in.read(2);
  CHECK(in.values == std::vector<int>{1, 2});
  CHECK(in.errors == std::vector<std::error_code>{cohort::error::events_lost});
  in.box.push(5);
  in.read();
  CHECK(in.values == std::vector<int>{1, 2, 5});
}

TEST_CASE("a mailbox is full only of what nobody waits for")
{
  reader in(1);
  in.box.add(in.note());
  in.box.add(in.note());
  for (int i = 1; i <= 3; ++i) in.box.push(i);
  in.read();
  CHECK(in.values == std::vector<int>{1, 2, 3});
  CHECK(in.errors.empty());
}

TEST_CASE("after the close what is left is delivered, then the reason")
{
  reader in;
  in.box.push(1);
  in.box.close(cohort::error::disconnected);
  in.box.push(2);
  in.read(3);
  CHECK(in.values == std::vector<int>{1});
  CHECK(in.errors == std::vector<std::error_code>(2, cohort::error::disconnected));
}

TEST_CASE("a close ends the waits in flight, and only the first one counts")
{
  reader in;
  in.box.add(in.note());
  in.box.add(in.note());
  in.box.close(cohort::error::disconnected);
  in.box.close(asio::error::eof);
  in.run();
  in.read();
  CHECK(in.errors == std::vector<std::error_code>(3, cohort::error::disconnected));
}

TEST_CASE("a gap before the close is reported before it")
{
  reader in(1);
  in.box.push(1);
  in.box.push(2);
  in.box.close(cohort::error::disconnected);
  in.read(3);
  CHECK(in.values == std::vector<int>{1});
  REQUIRE(in.errors.size() == 2);
  CHECK(in.errors[0] == cohort::error::events_lost);
  CHECK(in.errors[1] == cohort::error::disconnected);
}

TEST_CASE("values that can only be moved are delivered")
{
  asio::io_context context;
  mailbox<std::unique_ptr<int>> box(context.get_executor(), 2);
  int got = 0;
  box.push(std::make_unique<int>(42));
  box.add([&](std::error_code, std::unique_ptr<int> value) { got = *value; });
  context.run();
  CHECK(got == 42);
}

TEST_CASE("a mailbox that goes ends its waits with operation_aborted")
{
  asio::io_context context;
  auto box = std::make_unique<mailbox<int>>(context.get_executor(), 1);
  std::error_code seen;
  box->add([&](std::error_code error, int) { seen = error; });
  box.reset();
  context.run();
  CHECK(seen == asio::error::operation_aborted);
}

} // namespace mailbox_test
