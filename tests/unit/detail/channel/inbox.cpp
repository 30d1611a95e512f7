// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/inbox.hpp>

#include <doctest/doctest.h>

#include <cohort/error.hpp>

#include <asio/io_context.hpp>

#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace inbox_test {

namespace {

using list = cohort::detail::message_list<int, long>;
using inbox = cohort::detail::inbox<list>;

template <class Message>
inbox::received make(Message value)
{
  inbox::received made;
  made.message = value;
  made.worker = 3;
  made.handles_lost = true;
  return made;
}

struct fixture {
  asio::io_context context{1};
  inbox box{context.get_executor()};
  std::vector<int> any;
  std::vector<long> longs;
  std::vector<std::error_code> errors;

  auto take_any()
  {
    return [this](std::error_code error, inbox::received got) {
      errors.push_back(error);
      any.push_back(std::holds_alternative<int>(got.message) ? std::get<int>(got.message) : -1);
    };
  }
  auto take_long()
  {
    return [this](std::error_code error, cohort::envelope<long> got) {
      errors.push_back(error);
      longs.push_back(got.message);
    };
  }
  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("an inbox offers to who waits for the type first, then to who takes anything")
{
  fixture f;
  auto one = make(1);
  CHECK_FALSE(f.box.waiting());
  CHECK_FALSE(f.box.offer<int>(one));
  CHECK(std::get<int>(one.message) == 1);
  f.box.add(f.take_any(), {});
  f.box.add_one<long>(f.take_long(), {});
  CHECK(f.box.waiting());
  auto two = make(2L);
  CHECK(f.box.offer<long>(two));
  CHECK(f.box.waiting());
  CHECK(f.box.offer<int>(one));
  CHECK_FALSE(f.box.waiting());
  CHECK(f.any.empty());
  f.run();
  CHECK(f.any == std::vector<int>{1});
  CHECK(f.longs == std::vector<long>{2});
}

TEST_CASE("what an inbox keeps is taken in order, or out of order by its type")
{
  fixture f;
  f.box.keep<int>(make(1), 10);
  f.box.keep<int>(make(2), 20);
  f.box.keep<long>(make(3L), 30);
  f.box.keep<long>(make(4L), 40);
  CHECK(f.box.bytes() == 100);
  f.box.add_one<long>(f.take_long(), {});
  CHECK(f.box.bytes() == 70);
  inbox::received got;
  CHECK(f.box.take(got));
  CHECK(std::get<int>(got.message) == 1);
  CHECK(got.worker == 3);
  CHECK(got.handles_lost);
  f.box.add(f.take_any(), cohort::error::disconnected);
  f.box.add_one<long>(f.take_long(), cohort::error::disconnected);
  CHECK(f.box.empty());
  CHECK(f.box.bytes() == 0);
  CHECK_FALSE(f.box.take(got));
  f.run();
  CHECK(f.longs == std::vector<long>{3, 4});
  CHECK(f.any == std::vector<int>{2});
  for (const auto& error : f.errors) CHECK_FALSE(error);
}

TEST_CASE("an open slot takes one message that nobody waits for")
{
  fixture f;
  inbox::received slot;
  f.box.open_slot(slot);
  f.box.add(f.take_any(), {});
  auto one = make(1), two = make(2), three = make(3);
  CHECK(f.box.offer<int>(one));
  CHECK(f.box.slot_is_open());
  CHECK(f.box.offer<int>(two));
  CHECK_FALSE(f.box.slot_is_open());
  CHECK(std::get<int>(slot.message) == 2);
  CHECK(slot.worker == 3);
  CHECK_FALSE(f.box.offer<int>(three));
  CHECK(f.box.handed_out() == 2);
  f.run();
  CHECK(f.any == std::vector<int>{1});
  f.box.open_slot(slot);
  f.box.close_slot();
  CHECK_FALSE(f.box.offer<int>(three));
}

TEST_CASE("who waits in an inbox that ends, or comes later, gets the error")
{
  fixture f;
  f.box.add(f.take_any(), {});
  f.box.add_one<long>(f.take_long(), {});
  f.box.fail(cohort::error::disconnected);
  CHECK_FALSE(f.box.waiting());
  f.box.add(f.take_any(), cohort::error::disconnected);
  f.box.add_one<long>(f.take_long(), cohort::error::disconnected);
  CHECK(f.errors.empty());
  f.run();
  REQUIRE(f.errors.size() == 4);
  for (const auto& error : f.errors) CHECK(error == cohort::error::disconnected);
}

} // namespace inbox_test
