// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/bound_source.hpp>

#include <cohort/error.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include "support/deep_directory.hpp"
#include "support/time_factor.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace bound_source_test {

using namespace cohort::detail;
using asio::ip::tcp;

namespace {

struct silent_owner final : source_owner {
  void source_lease_ended() override {}
};

struct source_test {
  asio::io_context context;
  std::shared_ptr<bound_source> source;
  std::vector<accepted> taken;
  std::vector<std::error_code> errors;

  template <class Endpoint>
  explicit source_test(const Endpoint& where)
  {
    std::error_code error;
    const auto asked = posix::socket_address::from_endpoint(where, error);
    auto listener = posix::listen_stream(asked, posix::listen_settings(), error);
    REQUIRE_MESSAGE(!error, error.message());
    const auto bound = posix::local_address(listener.get(), error);
    source = std::make_shared<bound_source>(context.get_executor(),
        std::make_shared<silent_owner>(), bound, std::move(listener), error);
    REQUIRE_FALSE(error);
  }
  source_test() : source_test(tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {}

  auto note()
  {
    return [this](std::error_code error, accepted result) {
      if (error) errors.push_back(error);
      else taken.push_back(std::move(result));
    };
  }
  void wait() { source->add(note()); }

  tcp::socket connect()
  {
    tcp::socket client(context);
    client.connect(source->local_address().to_endpoint<tcp::endpoint>());
    return client;
  }

  void run()
  {
    context.restart();
    context.poll();
  }

  template <class Done>
  bool run_until(Done done)
  {
    const auto limit = std::chrono::seconds(10) * cohort_test::time_factor();
    const auto deadline = std::chrono::steady_clock::now() + limit;
    context.restart();
    while (!done() && context.run_one_until(deadline) != 0) {
    }
    return done();
  }
};

} // namespace

TEST_CASE("a connection that waits already is taken, but not inside the call")
{
  source_test test;
  const auto client = test.connect();
  test.wait();
  CHECK(test.taken.empty());
  test.run();
  CHECK(test.taken.size() == 1);
}

TEST_CASE("a connection that comes later completes the wait")
{
  source_test test;
  test.wait();
  test.wait();
  test.run();
  CHECK(test.taken.empty());
  const auto first = test.connect();
  const auto second = test.connect();
  CHECK(test.run_until([&] { return test.taken.size() == 2; }));
}

TEST_CASE("nothing is accepted that nobody waits for")
{
  source_test test;
  const auto first = test.connect();
  const auto second = test.connect();
  test.wait();
  test.run();
  CHECK(test.taken.size() == 1);
  CHECK(test.source->live() == 1);
}

TEST_CASE("beyond max_connections they wait in the kernel until one ends")
{
  source_test test;
  test.source->set_max_connections(1);
  const auto first = test.connect();
  const auto second = test.connect();
  test.wait();
  test.wait();
  test.run();
  CHECK(test.taken.size() == 1);
  test.taken.clear();
  CHECK(test.run_until([&] { return !test.taken.empty(); }));
}

TEST_CASE("cancel ends the waits, and a later wait is served")
{
  source_test test;
  test.wait();
  test.source->cancel();
  test.run();
  CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  test.wait();
  const auto client = test.connect();
  CHECK(test.run_until([&] { return !test.taken.empty(); }));
}

TEST_CASE("the last wait that is cancelled leaves the context nothing to do")
{
  source_test test;
  asio::cancellation_signal signal;
  test.source->add(asio::bind_cancellation_slot(signal.slot(), test.note()));
  test.run();
  CHECK_FALSE(test.context.stopped());
  signal.emit(asio::cancellation_type::total);
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.errors == std::vector<std::error_code>{asio::error::operation_aborted});
  CHECK(test.source->is_open());
  const auto client = test.connect();
  test.wait();
  CHECK(test.run_until([&] { return !test.taken.empty(); }));
}

TEST_CASE("after a connection that was of no use the next one is taken, later")
{
  source_test test;
  const auto client = test.connect();
  test.source->pause();
  test.wait();
  test.run();
  CHECK(test.taken.empty());
  CHECK(test.run_until([&] { return !test.taken.empty(); }));
}

TEST_CASE("a closed source listens no more, and its waits end")
{
  source_test test;
  test.wait();
  test.source->close(cohort::error::draining);
  test.run();
  CHECK(test.errors == std::vector<std::error_code>{cohort::error::draining});
  tcp::socket client(test.context);
  std::error_code error;
  client.connect(test.source->local_address().to_endpoint<tcp::endpoint>(), error);
  CHECK(error == asio::error::connection_refused);
  // Nothing of it keeps the context going.
  CHECK(test.run_until([&] { return test.context.stopped(); }));
}

TEST_CASE("the path of a unix socket goes with the source")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  for (const bool closed_first : {true, false}) {
    source_test test{asio::local::stream_protocol::endpoint(path)};
    CHECK(std::filesystem::exists(path));
    if (closed_first) test.source->close(asio::error::operation_aborted);
    else test.source.reset();
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("a source tells the path that it was asked for, whatever it takes to reach it")
{
  const cohort_test::deep_directory deep;
  asio::io_context context(1);
  const auto owner = std::make_shared<silent_owner>();
  std::error_code error;
  const auto listen = [&](const std::string& path) {
    const auto key = listen_key::of(cohort::unix_path(path), error);
    return bound_source::listen(
        context.get_executor(), owner, key, cohort::listen_options(), error);
  };
  const auto source = listen(deep.file("socket"));
  REQUIRE_MESSAGE(source, error.message());
  CHECK(source->path() == deep.file("socket"));
  CHECK(source->local_address().family() == AF_UNIX);
  CHECK(source->local_address().path().empty());
  CHECK_FALSE(listen(deep.file("socket")));
  CHECK(error == std::errc::address_in_use);
  asio::local::stream_protocol::socket client(context);
  client.connect(asio::local::stream_protocol::endpoint(deep.short_file("socket")));
  source->close(asio::error::operation_aborted);
  CHECK_FALSE(std::filesystem::exists(deep.file("socket")));
}

} // namespace bound_source_test
