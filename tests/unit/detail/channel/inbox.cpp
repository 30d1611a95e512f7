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
cohort::envelope<Message> make(Message value)
{
  cohort::envelope<Message> made;
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
  CHECK_FALSE(f.box.offer(one));
  CHECK(one.message == 1);
  f.box.add(f.take_any(), {});
  f.box.add_one<long>(f.take_long(), {});
  CHECK(f.box.waiting());
  auto two = make(2L);
  CHECK(f.box.offer(two));
  CHECK(f.box.waiting());
  CHECK(f.box.offer(one));
  CHECK_FALSE(f.box.waiting());
  CHECK(f.any.empty());
  f.run();
  CHECK(f.any == std::vector<int>{1});
  CHECK(f.longs == std::vector<long>{2});
}

TEST_CASE("what an inbox keeps is taken in order, or out of order by its type")
{
  fixture f;
  f.box.keep(make(1), 10);
  f.box.keep(make(2), 20);
  f.box.keep(make(3L), 30);
  f.box.keep(make(4L), 40);
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
