// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/accept_source.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <cohort/error.hpp>

#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace accept_source_test {

using namespace cohort::detail;

namespace {

struct counting_owner final : source_owner {
  void source_lease_ended() override { ++ended; }
  int ended = 0;
};

// Has as many connections as one likes to give.
class given_source final : public accept_source {
public:
  given_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      const posix::socket_address& where = posix::socket_address())
      : accept_source(executor, std::move(owner), where)
  {
  }

  using accept_source::lent;
  using accept_source::room;
  using accept_source::wanted;

  void give() { deliver(posix::unique_fd(::dup(STDERR_FILENO))); }

  std::string calls;

private:
  void serve() override { calls += 's'; }
  void live_changed() override { calls += 'l'; }
  void unwanted() override { calls += 'u'; }
  void unusable() override { calls += 'p'; }
  void stop() override { calls += 'x'; }
};

struct source_test {
  asio::io_context context;
  std::shared_ptr<counting_owner> owner = std::make_shared<counting_owner>();
  std::shared_ptr<given_source> source =
      std::make_shared<given_source>(context.get_executor(), owner);
  std::vector<accepted> taken;
  std::vector<std::error_code> errors;

  auto note()
  {
    return [this](std::error_code error, accepted result) {
      if (error) errors.push_back(error);
      else taken.push_back(std::move(result));
    };
  }
  void wait() { source->add(note()); }
  void inject() { source->inject(posix::unique_fd(::dup(STDERR_FILENO))); }
  void run()
  {
    context.restart();
    context.poll();
  }
};

} // namespace

TEST_CASE("a source serves when somebody begins to wait")
{
  source_test test;
  CHECK_FALSE(test.source->wanted());
  test.wait();
  CHECK(test.source->calls == "s");
  CHECK(test.source->wanted());
  test.source->give();
  test.run();
  REQUIRE(test.taken.size() == 1);
  CHECK(test.taken[0].socket);
  CHECK(test.taken[0].lease);
}

TEST_CASE("a connection counts from its delivery until its lease ends")
{
  source_test test;
  test.source->set_max_connections(1);
  test.wait();
  test.source->give();
  CHECK(test.source->live() == 1);
  CHECK(test.source->room() == 0);
  test.run();
  test.source->calls.clear();
  test.taken.clear();
  test.run();
  CHECK(test.source->live() == 0);
  CHECK(test.source->room() == 1);
  // It is counted first, then there may be room for another, then the worker may have to leave.
  CHECK(test.source->calls == "ls");
  CHECK(test.owner->ended == 1);
}

TEST_CASE("a connection that nobody took over ends with its undelivered result")
{
  source_test test;
  test.wait();
  test.source->give();
  {
    // The handler ignores what it gets.
    auto ignored = std::move(test.taken);
  }
  test.run();
  test.taken.clear();
  test.run();
  CHECK(test.source->live() == 0);
}

TEST_CASE("a lowered maximum leaves the living ones alone")
{
  source_test test;
  for (int i = 0; i != 2; ++i) {
    test.wait();
    test.source->give();
  }
  test.source->set_max_connections(1);
  CHECK(test.source->room() == 0);
  CHECK(test.source->live() == 2);
  test.run();
  CHECK(test.taken.size() == 2);
}

TEST_CASE("a connection that is injected goes to the next wait, and nobody else is told of its end")
{
  source_test test;
  test.inject();
  CHECK(test.source->calls == "s");
  CHECK(test.source->live() == 0);
  test.source->calls.clear();
  test.wait();
  CHECK(test.source->live() == 1);
  CHECK(test.source->lent() == 0);
  // There is less room for others now.
  CHECK(test.source->calls == "s");
  test.run();
  REQUIRE(test.taken.size() == 1);
  CHECK(test.taken[0].socket);
  test.taken.clear();
  test.run();
  CHECK(test.source->live() == 0);
  CHECK(test.source->calls == "ss");
  CHECK(test.owner->ended == 1);
}

TEST_CASE("injected connections wait for room like others, in order")
{
  source_test test;
  test.source->set_max_connections(1);
  test.wait();
  test.wait();
  test.source->give();
  test.inject();
  test.run();
  CHECK(test.taken.size() == 1);
  test.taken.clear();
  test.run();
  CHECK(test.taken.size() == 1);
  CHECK(test.source->live() == 1);
  CHECK(test.source->room() == 0);
}

TEST_CASE("1024 injected connections may wait, and a close closes them")
{
  source_test test;
  const std::size_t before = cohort_test::count_descriptors();
  for (int i = 0; i != 1024; ++i) {
    CHECK(test.source->takes_injected());
    test.inject();
  }
  CHECK_FALSE(test.source->takes_injected());
  CHECK(cohort_test::count_descriptors() == before + 1024);
  test.source->close(cohort::error::draining);
  CHECK(cohort_test::count_descriptors() == before);
  CHECK_FALSE(test.source->takes_injected());
}

TEST_CASE("cancel ends the waits in flight, and the source goes on")
{
  source_test test;
  test.wait();
  test.wait();
  test.source->cancel();
  CHECK(test.source->is_open());
  test.wait();
  test.source->give();
  test.run();
  CHECK(test.errors == std::vector<std::error_code>(2, asio::error::operation_aborted));
  CHECK(test.taken.size() == 1);
}

TEST_CASE("nobody wants a connection when the last wait was cancelled, not when it was served")
{
  source_test test;
  asio::cancellation_signal signal;
  test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
  test.wait();
  signal.emit(asio::cancellation_type::partial);
  CHECK(test.source->calls == "ss");
  test.source->give();
  CHECK(test.source->calls == "ss");
  test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
  signal.emit(asio::cancellation_type::total);
  CHECK(test.source->calls == "sssu");
  test.source->cancel();
  CHECK(test.source->calls == "sssuu");
  test.run();
  CHECK(test.errors == std::vector<std::error_code>(2, asio::error::operation_aborted));
  CHECK(test.taken.size() == 1);
}

TEST_CASE("a closed source is neither unwanted nor pauses")
{
  source_test test;
  asio::cancellation_signal signal;
  test.source->pause();
  CHECK(test.source->calls == "p");
  test.source->close(asio::error::eof);
  test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
  signal.emit(asio::cancellation_type::total);
  test.source->cancel();
  test.source->pause();
  CHECK(test.source->calls == "px");
  test.run();
  CHECK(test.errors == std::vector<std::error_code>{asio::error::eof});
}

TEST_CASE("a closed source serves nobody, and the first reason counts")
{
  source_test test;
  test.wait();
  test.source->calls.clear();
  test.source->close(asio::error::eof);
  test.source->close(asio::error::operation_aborted);
  test.source->set_max_connections(5);
  test.wait();
  test.run();
  CHECK(test.source->calls == "x");
  CHECK(test.errors == std::vector<std::error_code>(2, asio::error::eof));
}

TEST_CASE("a lease that ends in another thread is counted on the executor")
{
  source_test test;
  test.wait();
  test.source->give();
  test.run();
  std::thread([&] { test.taken.clear(); }).join();
  CHECK(test.source->live() == 1);
  test.run();
  CHECK(test.source->live() == 0);
}

TEST_CASE("a source has the path of its address, or a longer one that it is told")
{
  source_test test;
  CHECK(test.source->path().empty());
  std::error_code error;
  const given_source at_path(test.context.get_executor(), test.owner,
      posix::socket_address::from_path("/run/x.sock", error));
  CHECK(at_path.path() == "/run/x.sock");
  const std::string path = '/' + std::string(200, 'x');
  test.source->set_path(path);
  CHECK(test.source->path() == path);
}

TEST_CASE("a source that never was open fails every wait")
{
  asio::io_context context;
  const auto source = closed_source::make(context.get_executor());
  CHECK_FALSE(source->is_open());
  std::error_code seen;
  source->add([&](std::error_code error, accepted) { seen = error; });
  CHECK_FALSE(seen);
  context.run();
  CHECK(seen == asio::error::bad_descriptor);
}

} // namespace accept_source_test
