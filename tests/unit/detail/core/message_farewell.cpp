// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/message_farewell.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace message_farewell_test {

using namespace cohort_test;

namespace {

// A port whose state the test says.
struct played_port final : cohort::detail::message_port {
  void finish() override { ++finished; }
  void read_ahead() override {}
  void read_relays() override {}
  cohort::send_status pass_on(const cohort::detail::wire::message_view&, cohort::worker_id) override
  {
    return cohort::send_status::not_connected;
  }
  void hold() override {}
  void open() override {}
  void read_to_end() override {}
  void close() override {}
  bool input_ended() const noexcept override { return ended; }
  std::uint64_t handed_out() const noexcept override { return messages; }
  bool serving() const noexcept override { return is_serving; }
  bool written() const noexcept override { return is_written; }

  int finished = 0;
  bool ended = false;
  std::uint64_t messages = 0;
  bool is_serving = false;
  bool is_written = false;
};

struct fixture {
  asio::io_context context{1};
  played_port port;
  std::optional<cohort::detail::message_farewell> farewell{std::in_place};
  int again = 0;
  std::function<void()> when_again;

  bool done()
  {
    return farewell->done(port, context.get_executor(), [this] {
      ++again;
      if (when_again) when_again();
    });
  }
  void run() { run_ready(context); }
};

} // namespace

TEST_CASE("as long as the primary may send, or something is served, nothing is finished")
{
  fixture f;
  f.port.is_written = true;
  CHECK_FALSE(f.done());
  f.port.ended = f.port.is_serving = true;
  CHECK_FALSE(f.done());
  f.port.messages = 3;
  CHECK_FALSE(f.done());
  f.run();
  CHECK(f.port.finished == 0);
  CHECK(f.again == 0);
}

TEST_CASE("with nothing left to read the stream ends, and what was written is waited for")
{
  fixture f;
  f.port.ended = true;
  CHECK_FALSE(f.done());
  CHECK(f.port.finished == 1);
  CHECK_FALSE(f.done());
  f.port.is_written = true;
  CHECK(f.done());
  CHECK(f.done());
  f.run();
  CHECK(f.again == 0);
}

TEST_CASE("who got a message has a turn in which he may answer")
{
  fixture f;
  f.port.ended = f.port.is_written = true;
  f.port.messages = 1;
  bool answered = false;
  // A receiver on its way comes before the turn is over.
  asio::post(f.context, [&] { answered = f.again == 0 && f.port.finished == 0; });
  CHECK_FALSE(f.done());
  CHECK(f.again == 0);
  f.run();
  CHECK(answered);
  CHECK(f.again == 1);
  CHECK(f.port.finished == 0);
  CHECK(f.done());
  CHECK(f.port.finished == 1);
}

TEST_CASE("asking again within the turn neither ends it nor begins another one")
{
  fixture f;
  f.port.ended = f.port.is_written = true;
  f.port.messages = 1;
  for (int i = 0; i != 3; ++i) CHECK_FALSE(f.done());
  f.port.messages = 2;
  CHECK_FALSE(f.done());
  f.run();
  CHECK(f.again == 1);
  CHECK(f.port.finished == 0);
  // The second message allows a turn of its own.
  CHECK_FALSE(f.done());
  f.run();
  CHECK(f.again == 2);
  CHECK(f.done());
}

TEST_CASE("each turn in which somebody gets a message allows another one, and the last one ends it")
{
  fixture f;
  f.port.ended = f.port.is_written = true;
  f.port.messages = 1;
  bool done = false;
  f.when_again = [&] {
    if (f.again < 4) ++f.port.messages;
    done = f.done();
  };
  CHECK_FALSE(f.done());
  f.run();
  CHECK(f.again == 4);
  CHECK(done);
  CHECK(f.port.finished == 1);
}

TEST_CASE("a request that begins to be served during the turn is waited for")
{
  fixture f;
  f.port.ended = f.port.is_written = true;
  f.port.messages = 1;
  CHECK_FALSE(f.done());
  f.port.is_serving = true;
  f.run();
  CHECK_FALSE(f.done());
  CHECK(f.port.finished == 0);
  f.port.is_serving = false;
  CHECK(f.done());
}

TEST_CASE("a farewell that is gone when its turn ends is not touched")
{
  fixture f;
  f.port.ended = true;
  f.port.messages = 1;
  CHECK_FALSE(f.done());
  f.farewell.reset();
  f.run();
  CHECK(f.again == 1);
}

} // namespace message_farewell_test
