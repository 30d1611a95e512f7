// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/legacies.hpp>

#include "support/event_loop.hpp"
#include "support/upgrade_channel.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace legacies_test {

using namespace cohort::detail;
using cohort_test::run_ready;
using cohort_test::upgrade_channel;
using strings = std::vector<std::string>;

namespace {

struct noting_heir final : heir {
  void adopt(passed_listener connections) override
  {
    adopted.push_back(connections.sockets.size());
    asked.push_back(connections.asked);
  }
  void inherit(std::string_view counted) override { inherited.emplace_back(counted); }

  std::vector<std::size_t> adopted;
  std::vector<listen_key> asked;
  strings inherited;
};

struct program {
  program() = default;
  ~program()
  {
    made->close();
    run_ready(context);
    CHECK(context.stopped());
    CHECK(made.use_count() == 1);
  }
  bool until_inherited(std::size_t count)
  {
    return cohort_test::run_until(context, [&] { return host.inherited.size() == count; });
  }

  asio::io_context context{1};
  noting_heir host;
  std::shared_ptr<legacies> made = std::make_shared<legacies>(context.get_executor(), host);
};

} // namespace

TEST_CASE("what a program has left is read as a whole when it has ended")
{
  program test;
  upgrade_channel other;
  test.made->await(other.take_other());
  const std::string long_text(100'000, 'x');
  other.say_text(long_text);
  run_ready(test.context);
  CHECK(test.host.inherited.empty());
  other.close();
  CHECK(test.until_inherited(1));
  CHECK(test.host.inherited == strings{long_text});
}

TEST_CASE("a program that ended before it was awaited, or has said nothing, is known to be gone")
{
  program test;
  upgrade_channel early, silent;
  early.say_text("all");
  early.close();
  test.made->await(early.take_other());
  CHECK(test.until_inherited(1));
  test.made->await(silent.take_other());
  silent.close();
  CHECK(test.until_inherited(2));
  CHECK(test.host.inherited == strings{"all", ""});
}

TEST_CASE("connections that nobody was left to serve go to the heir, however many")
{
  program test;
  upgrade_channel other;
  test.made->await(other.take_other());
  // Whatever they are.
  passed_listener many = cohort_test::listener_at(cohort_test::loopback_key());
  std::error_code error;
  while (many.sockets.size() != posix::max_passed_fds + 2)
    many.sockets.push_back(posix::duplicate(many.sockets.front().get(), error));
  REQUIRE_FALSE(error);
  other.strand(many);
  other.say_text("all");
  other.close();
  CHECK(test.until_inherited(1));
  CHECK(test.host.adopted == std::vector<std::size_t>{posix::max_passed_fds, 2});
  CHECK(test.host.asked[0] == many.asked);
}

TEST_CASE("connections are taken before the program has ended, and all else after it")
{
  program test;
  upgrade_channel other;
  test.made->await(other.take_other());
  run_ready(test.context);
  other.strand(cohort_test::listener_at(cohort_test::loopback_key()));
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.adopted.size() == 1; }));
  other.strand(cohort_test::listener_at(cohort_test::loopback_key()));
  other.say_text("all");
  CHECK(cohort_test::run_until(test.context, [&] { return test.host.adopted.size() == 2; }));
  run_ready(test.context);
  CHECK(test.host.inherited.empty());
  other.close();
  CHECK(test.until_inherited(1));
}

TEST_CASE("without a channel the program has ended")
{
  program test;
  test.made->await(posix::unique_fd());
  CHECK(test.host.inherited == strings{""});
}

TEST_CASE("what is awaited still is awaited by the program after this one")
{
  const auto before = cohort_test::count_descriptors();
  for (const bool is_last_to_end : {false, true}) {
    CAPTURE(is_last_to_end);
    program middle, last;
    upgrade_channel first, second, third;
    middle.made->await(first.take_other());
    middle.made->await(second.take_other());
    last.made->await(third.take_other());
    second.say_text("second");
    second.close();
    CHECK(middle.until_inherited(1));
    CHECK(middle.made->awaits());
    CHECK(middle.made->awaits_first());
    // The third is the one in the middle.
    std::error_code error;
    third.pass_legacies(*middle.made, error);
    CHECK_FALSE(error);
    CHECK_FALSE(middle.made->awaits());
    third.say_text("middle");
    if (!is_last_to_end) {
      third.close();
      CHECK(last.until_inherited(1));
    }
    first.strand(cohort_test::listener_at(cohort_test::loopback_key()));
    CHECK(cohort_test::run_until(last.context, [&] { return last.host.adopted.size() == 1; }));
    first.say_text("fir");
    first.say_text("st");
    first.close();
    CHECK(last.until_inherited(is_last_to_end ? 1 : 2));
    CHECK(last.made->awaits_first() == is_last_to_end);
    if (is_last_to_end) {
      third.close();
      CHECK(last.until_inherited(2));
    }
    strings expected{"middle", "first"};
    if (is_last_to_end) std::ranges::reverse(expected);
    CHECK(last.host.inherited == expected);
    CHECK_FALSE(last.made->awaits());
    run_ready(middle.context);
    CHECK(middle.host.inherited == strings{"second"});
    CHECK(middle.host.adopted.empty());
  }
  CHECK(cohort_test::count_descriptors() == before);
}

TEST_CASE("what cannot be passed is awaited here, and what was just heard of it is not lost")
{
  program test;
  upgrade_channel first, gone;
  test.made->await(first.take_other());
  run_ready(test.context);
  first.say_text("first");
  first.close();
  gone.take_other();
  std::error_code error;
  gone.pass_legacies(*test.made, error);
  CHECK(error == std::errc::broken_pipe);
  CHECK(test.made->awaits());
  CHECK(test.until_inherited(1));
  CHECK(test.host.inherited == strings{"first"});
}

TEST_CASE("what makes no sense is skipped")
{
  program test;
  upgrade_channel other;
  test.made->await(other.take_other());
  other.say_bytes("\x42 nonsense");
  other.say_text("all");
  other.close();
  CHECK(test.until_inherited(1));
  CHECK(test.host.inherited == strings{"all"});
  CHECK(test.host.adopted.empty());
}

TEST_CASE("after its end nothing is heard")
{
  program test;
  upgrade_channel other;
  test.made->await(other.take_other());
  other.close();
  test.made->close();
  run_ready(test.context);
  CHECK(test.host.inherited.empty());
}

} // namespace legacies_test
