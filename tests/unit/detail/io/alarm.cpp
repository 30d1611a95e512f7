// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/alarm.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace alarm_test {

// There is a POSIX function of that name.
using alarm_type = cohort::detail::io::alarm;
using namespace std::chrono_literals;

namespace {

struct alarm_test {
  auto note(char name)
  {
    return [this, name] { called += name; };
  }
  void run()
  {
    context.restart();
    context.run_for(10s);
  }

  asio::io_context context{1};
  alarm_type one{context.get_executor()};
  std::string called;
};

} // namespace

TEST_CASE("an alarm calls once, and not inside the call that sets it")
{
  alarm_test test;
  test.one.set_after(0ms, test.note('a'));
  CHECK(test.one.is_set());
  CHECK(test.called.empty());
  test.run();
  CHECK(test.called == "a");
  CHECK_FALSE(test.one.is_set());
  test.one.set_after(1ms, test.note('b'));
  test.run();
  CHECK(test.called == "ab");
}

TEST_CASE("a pause that goes past the end of the clock does not end")
{
  alarm_test test;
  test.one.set_after(alarm_type::clock::duration::max(), test.note('a'));
  test.context.restart();
  test.context.run_for(1ms);
  CHECK(test.called.empty());
  CHECK(test.one.is_set());
  test.one.set_after(1ms, test.note('b'));
  test.run();
  CHECK(test.called == "b");
}

TEST_CASE("an alarm that is set anew calls the last handler, and for the same time the first")
{
  alarm_test test;
  const auto soon = alarm_type::clock::now() + 1ms;
  test.one.set(alarm_type::clock::now() + 1h, test.note('a'));
  test.one.set(soon, test.note('b'));
  test.one.set(soon, test.note('c'));
  test.run();
  CHECK(test.called == "b");
}

TEST_CASE("an alarm that is called off leaves the context nothing to do, and can be set again")
{
  alarm_test test;
  const auto time = alarm_type::clock::now();
  test.one.set(time, test.note('a'));
  test.one.call_off();
  CHECK_FALSE(test.one.is_set());
  test.run();
  CHECK(test.context.stopped());
  CHECK(test.called.empty());
  test.one.set(time, test.note('b'));
  test.run();
  CHECK(test.called == "b");
}

TEST_CASE("an alarm that was called off on the way to its handler does not call it")
{
  alarm_test test;
  alarm_type other(test.context.get_executor());
  const auto time = alarm_type::clock::now() - 1ms;
  // Both are due: whichever is first calls the other one off.
  test.one.set(time, [&] { test.called += 'a', other.call_off(); });
  other.set(time, [&] { test.called += 'b', test.one.call_off(); });
  test.run();
  CHECK(test.called.size() == 1);
}

} // namespace alarm_test
