// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/acceptor.hpp>

#include <cohort/detail/core/bound_source.hpp>
#include <cohort/error.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <doctest/doctest.h>

#include "support/noted_host.hpp"

#include <concepts>
#include <memory>
#include <type_traits>
#include <vector>

namespace acceptor_test {

using asio::ip::tcp;
using cohort::acceptor;
using cohort::connection;

namespace {

static_assert(std::is_nothrow_move_constructible_v<acceptor<tcp>>);
static_assert(std::is_move_assignable_v<acceptor<tcp>>);
static_assert(!std::is_copy_constructible_v<acceptor<tcp>>);
static_assert(!std::is_copy_assignable_v<acceptor<tcp>>);
static_assert(!std::is_default_constructible_v<acceptor<tcp>>);
static_assert(std::same_as<acceptor<tcp>::protocol_type, tcp>);
static_assert(std::same_as<acceptor<tcp>::endpoint_type, tcp::endpoint>);
using strand = asio::strand<asio::any_io_executor>;
static_assert(std::same_as<acceptor<tcp>::rebind_executor<strand>::other,
    cohort::basic_acceptor<tcp, strand>>);

struct silent_owner final : cohort::detail::source_owner {
  void source_lease_ended() override {}
};

// Gives what no socket can be made of first, and after its pause something better.
class doubtful_source final : public cohort::detail::accept_source {
public:
  explicit doubtful_source(const asio::any_io_executor& executor)
      : accept_source(
            executor, std::make_shared<silent_owner>(), cohort::detail::posix::socket_address())
  {
  }

  int bad = 2;
  int pauses = 0;
  bool gives = true;

private:
  void serve() override
  {
    std::error_code error;
    if (!wanted() || !gives) return;
    if (bad == 0) return deliver(cohort::detail::posix::stream_pair(error).first);
    --bad;
    deliver(cohort::detail::posix::unique_fd());
  }
  void live_changed() override {}
  void unwanted() override {}
  void unusable() override { ++pauses; }
  void stop() override {}
};

struct acceptor_test {
  acceptor<tcp> listen()
  {
    namespace posix = cohort::detail::posix;
    std::error_code error;
    const tcp::endpoint where(asio::ip::address_v4::loopback(), 0);
    auto socket = posix::listen_stream(
        posix::socket_address::from_endpoint(where, error), posix::listen_settings(), error);
    bound = posix::local_address(socket.get(), error);
    REQUIRE(!error);
    source = std::make_shared<cohort::detail::bound_source>(
        context.get_executor(), std::make_shared<silent_owner>(), bound, std::move(socket), error);
    REQUIRE(!error);
    return acceptor<tcp>(context.get_executor(), source);
  }

  void run()
  {
    context.restart();
    context.poll();
  }

  asio::io_context context{1};
  cohort_test::test_clients clients{context};
  cohort::detail::posix::socket_address bound;
  std::shared_ptr<cohort::detail::accept_source> source;
};

} // namespace

TEST_CASE("connections are accepted by every kind of completion token")
{
  acceptor_test test;
  auto listening = test.listen();
  test.clients.connect(test.bound, 6);
  std::size_t seen = 0;
  const auto accept = [](acceptor<tcp>& from, std::size_t& open) -> asio::awaitable<void> {
    const auto first = co_await from.async_accept();
    open += first.is_open();
    std::error_code error;
    const auto second =
        co_await from.async_accept(asio::redirect_error(asio::use_awaitable, error));
    open += second.is_open();
    const auto third =
        co_await from.async_accept(asio::experimental::as_tuple(asio::use_awaitable));
    open += std::get<1>(third).is_open();
  };
  asio::co_spawn(test.context, accept(listening, seen), asio::detached);
  CHECK(cohort_test::run_bounded(test.context, [&] { return seen == 3; }));

  auto future = listening.async_accept(asio::use_future);
  listening.async_accept(
      [&](std::error_code, connection<tcp> client) { seen += client.is_open(); });
  listening.async_accept(asio::detached);
  test.run();
  CHECK(future.get().is_open());
  CHECK(seen == 4);
  test.run();
}

TEST_CASE("an accepted connection knows both its ends")
{
  acceptor_test test;
  auto listening = test.listen();
  test.clients.connect(test.bound);
  auto future = listening.async_accept(asio::use_future);
  test.run();
  const connection<tcp> client = future.get();
  CHECK(client.remote_endpoint() == test.clients.sockets[0].local_endpoint());
  CHECK(client.socket().local_endpoint() == listening.local_endpoint());
}

TEST_CASE("a connection that Asio cannot take is closed, and the accept waits on")
{
  asio::io_context context;
  const auto source = std::make_shared<doubtful_source>(context.get_executor());
  acceptor<tcp> listening(context.get_executor(), source);
  bool open = false;
  listening.async_accept(
      [&](std::error_code error, connection<tcp> client) { open = !error && client.is_open(); });
  context.run();
  CHECK(open);
  CHECK(source->pauses == 2);
  context.restart();
  context.run();
  CHECK(source->live() == 0);
}

TEST_CASE(
    "an accept that waits on after a bad connection can be cancelled and ends with its source")
{
  for (int how = 0; how != 3; ++how) {
    asio::io_context context;
    auto source = std::make_shared<doubtful_source>(context.get_executor());
    source->bad = 1000;
    acceptor<tcp> listening(context.get_executor(), source);
    asio::cancellation_signal signal;
    std::error_code seen;
    listening.async_accept(asio::bind_cancellation_slot(
        signal.slot(), [&](std::error_code error, connection<tcp>) { seen = error; }));
    while (source->pauses < 3) context.run_one();
    source->gives = false;
    context.poll();
    if (how == 0) signal.emit(asio::cancellation_type::total);
    if (how == 1) listening.close();
    if (how == 2) listening = acceptor<tcp>(context.get_executor()), source.reset();
    source.reset();
    for (int i = 0; i != 10 && !seen; ++i) context.run_one();
    CHECK(seen == asio::error::operation_aborted);
  }
}

TEST_CASE("an acceptor tells where it listens, also when it is closed")
{
  acceptor_test test;
  auto listening = test.listen();
  CHECK(listening.is_open());
  CHECK(listening.local_endpoint().port() == test.bound.port());
  listening.close();
  CHECK_FALSE(listening.is_open());
  std::error_code error;
  CHECK(listening.local_endpoint(error).port() == test.bound.port());
  CHECK(!error);
  CHECK(listening.path().empty());
  test.source->set_path("/run/x.sock");
  CHECK(listening.path() == "/run/x.sock");
}

TEST_CASE("an acceptor that never listened fails with bad_descriptor")
{
  acceptor_test test;
  acceptor<tcp> nothing(test.context.get_executor());
  CHECK_FALSE(nothing.is_open());
  std::error_code error;
  nothing.local_endpoint(error);
  CHECK(error == asio::error::bad_descriptor);
  CHECK_THROWS_AS(nothing.local_endpoint(), std::system_error);
  CHECK(nothing.path().empty());
  nothing.cancel();
  nothing.max_connections(1);
  nothing.close();
  std::error_code seen;
  nothing.async_accept([&](std::error_code e, connection<tcp> none) {
    seen = e;
    CHECK_FALSE(none.is_open());
  });
  CHECK(!seen);
  test.run();
  CHECK(seen == asio::error::bad_descriptor);
}

TEST_CASE("cancel, close, a signal and the end of the acceptor end a wait with operation_aborted")
{
  for (int how = 0; how != 4; ++how) {
    acceptor_test test;
    auto listening = std::make_unique<acceptor<tcp>>(test.listen());
    asio::cancellation_signal signal;
    std::error_code seen;
    listening->async_accept(asio::bind_cancellation_slot(
        signal.slot(), [&](std::error_code error, connection<tcp>) { seen = error; }));
    if (how == 0) listening->cancel();
    if (how == 1) listening->close();
    if (how == 2) signal.emit(asio::cancellation_type::partial);
    if (how == 3) listening.reset();
    CHECK(!seen);
    test.run();
    CHECK(seen == asio::error::operation_aborted);
    if (listening) CHECK(listening->is_open() == (how != 1));
  }
}

TEST_CASE("the reason of a drain is what the waits get")
{
  acceptor_test test;
  auto listening = test.listen();
  std::error_code seen;
  listening.async_accept([&](std::error_code error, connection<tcp>) { seen = error; });
  test.source->close(cohort::error::draining);
  test.run();
  CHECK(seen == cohort::error::draining);
  CHECK(seen == cohort::condition::ending);
}

TEST_CASE("connections outlive their acceptor and are counted until they close")
{
  acceptor_test test;
  auto listening = std::make_unique<acceptor<tcp>>(test.listen());
  test.clients.connect(test.bound);
  auto future = listening->async_accept(asio::use_future);
  test.run();
  connection<tcp> client = future.get();
  listening.reset();
  CHECK(client.is_open());
  CHECK(test.source->live() == 1);
  client.close();
  test.run();
  CHECK(test.source->live() == 0);
}

TEST_CASE("no more connections live than max_connections")
{
  acceptor_test test;
  auto listening = test.listen();
  listening.max_connections(1);
  test.clients.connect(test.bound, 2);
  std::vector<connection<tcp>> taken;
  for (int i = 0; i != 2; ++i)
    listening.async_accept([&](std::error_code error, connection<tcp> client) {
      if (!error) taken.push_back(std::move(client));
    });
  test.run();
  CHECK(taken.size() == 1);
  taken.clear();
  CHECK(cohort_test::run_bounded(test.context, [&] { return taken.size() == 1; }));
}

TEST_CASE("a connection that is injected is the next accept's, and counts like others")
{
  acceptor_test test;
  auto listening = test.listen();
  listening.max_connections(1);
  // One that has come in elsewhere, on an executor of another type.
  tcp::acceptor elsewhere(test.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  tcp::socket client(test.context);
  client.connect(elsewhere.local_endpoint());
  asio::basic_stream_socket<tcp, asio::io_context::executor_type> server(test.context);
  elsewhere.accept(server);
  CHECK(listening.inject(std::move(server)));
  CHECK_FALSE(server.is_open());
  std::vector<connection<tcp>> live;
  const auto keep = [&](std::error_code error, connection<tcp> next) {
    CHECK_FALSE(error);
    live.push_back(std::move(next));
  };
  listening.async_accept(keep);
  CHECK(live.empty());
  test.run();
  REQUIRE(live.size() == 1);
  CHECK(live.front().socket().remote_endpoint() == client.local_endpoint());
  CHECK(test.source->live() == 1);
  // There is no room for one that comes in here before it has ended.
  test.clients.connect(test.bound);
  listening.async_accept(keep);
  test.run();
  CHECK(live.size() == 1);
  live.clear();
  CHECK(cohort_test::run_bounded(test.context, [&] { return live.size() == 1; }));
  CHECK(live.front().socket().local_endpoint() == listening.local_endpoint());
  live.clear();
  test.run();
}

TEST_CASE("what cannot be injected stays its owner's")
{
  acceptor_test test;
  tcp::socket socket(test.context, tcp::v4());
  acceptor<tcp> never(test.context.get_executor());
  CHECK_FALSE(never.inject(std::move(socket)));
  auto listening = test.listen();
  CHECK_FALSE(listening.inject(tcp::socket(test.context)));
  listening.close();
  CHECK_FALSE(listening.inject(std::move(socket)));
  auto drained = test.listen();
  test.source->close(cohort::error::draining);
  CHECK_FALSE(drained.inject(std::move(socket)));
  CHECK(socket.is_open());
}

TEST_CASE("an assignment closes what was there")
{
  acceptor_test first;
  acceptor_test second;
  auto listening = first.listen();
  listening = second.listen();
  CHECK_FALSE(first.source->is_open());
  CHECK(second.source->is_open());
  auto& same = listening;
  listening = std::move(same);
  CHECK(listening.is_open());
}

TEST_CASE("a coroutine that owns its acceptor goes with the context")
{
  const auto alive = std::make_shared<int>(0);
  {
    acceptor_test test;
    const auto serve = [](acceptor<tcp> listening, std::shared_ptr<int>) -> asio::awaitable<void> {
      for (;;) {
        const auto client = co_await listening.async_accept();
        CHECK(client.is_open());
      }
    };
    asio::co_spawn(test.context, serve(test.listen(), alive), asio::detached);
    test.run();
    test.source.reset();
  }
  CHECK(alive.use_count() == 1);
}

} // namespace acceptor_test
