// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How connections come to workers, or do not, and how waiting for them ends, after the tests of
// Node's cluster: each test case begins with the name of Node's file, as docs/node.md lists them.

#include "support/conversation.hpp"
#include "support/ending_workers.hpp"

#include <cohort/error.hpp>
#include <cohort/overflow.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/when_full.hpp>
#include <cohort/subscription.hpp>
#include <cohort/this_worker.hpp>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace node_arrivals {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

// This process opens no descriptor any more, as long as this lives.
class full_table {
public:
  full_table()
  {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none{0, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~full_table() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  full_table(const full_table&) = delete;
  full_table& operator=(const full_table&) = delete;

private:
  rlimit before_;
};

bool has_input(const client& one)
{
  pollfd now{one.descriptor(), POLLIN, 0};
  return ::poll(&now, 1, 0) != 0;
}

} // namespace

TEST_CASE("accept_fail: a primary that cannot accept says so and goes on, and its worker may end")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    client waiting(where);
    std::optional<full_table> full(std::in_place);
    const cohort::error_event event = co_await errors.next();
    CHECK(event.what == "accept");
    CHECK(event.code == std::errc::too_many_files_open);
    CHECK(event.worker == 0);
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status == well);
    full.reset();
    // With the listener what waits at it is gone.
    const outcome end = co_await end_of(primary, waiting);
    CHECK(end == outcome::reset);
    CHECK(client().connect(where) == outcome::refused);
    cohort::worker next = co_await primary.start();
    const address again = co_await primary.address_of(next);
    const answer served = co_await ask_at(primary, again);
    CHECK(served.worker == next.id());
    co_await primary.end();
  });
}

TEST_CASE("net_server_drop_connection: each worker gets as many connections as it wants")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers;
    for (const char* each : {" max=0", " max=1", " max=9"}) {
      cohort::worker worker = co_await primary.start(server(std::string("127.0.0.1:0") + each));
      workers.push_back(worker);
    }
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> clients = connect_many(where, 10, "keep");
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "10 ok");
    std::map<cohort::worker_id, int> shares;
    for (const answer& each : answers) ++shares[each.worker];
    CHECK(shares == std::map<cohort::worker_id, int>{{2, 1}, {3, 9}});
    // One more waits for somebody to go, and gets his place.
    std::vector<client> late = connect_many(where, 1);
    const auto first = [](const answer& each) { return each.worker == 2; };
    const auto of_second = std::find_if(answers.begin(), answers.end(), first);
    REQUIRE(of_second != answers.end());
    CHECK_FALSE(has_input(late.front()));
    clients[static_cast<std::size_t>(of_second - answers.begin())].close();
    const std::vector<answer> served = co_await answers_to(primary, late);
    CHECK(served.front().worker == 2);
    clients.clear();
    co_await primary.end();
  });
}

TEST_CASE("http_server_drop_connections_in_cluster: who is too many is reset, if that is wanted")
{
  using busy = cohort::when_full<cohort::round_robin>;
  basic_cluster_fixture<cohort::any_policy> primary(
      cohort::settings(), busy(cohort::overflow::reset().after(0s)));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(primary.controlled(server("127.0.0.1:0 max=0")));
    const address where = co_await primary.address_of(worker);
    auto too_many = [&] {
      for (int i = 0; i != 5; ++i) {
        client one;
        std::string line;
        outcome end = one.connect(where);
        if (end == outcome::ok) end = one.receive(line);
        CHECK(end == outcome::reset);
      }
    };
    co_await primary.in_thread(too_many);
    CHECK(primary.cluster().counters().overflowed == 5);
    CHECK(primary.cluster().counters().taken == 0);
    // When there is room, the worker is asked again.
    co_await primary.command(worker, "max 0 1");
    bool served = false;
    auto until_served = [&] {
      const auto deadline = std::chrono::steady_clock::now() + 10s * time_factor();
      while (!served && std::chrono::steady_clock::now() < deadline)
        served = ask(where).result == outcome::ok;
    };
    co_await primary.in_thread(until_served);
    CHECK(served);
    co_await primary.end();
  });
}

TEST_CASE("rr_handle_keep_loop_alive: who waits for a connection has something to do")
{
  asio::io_context context(1);
  cohort::this_worker self(context, cohort::standalone);
  std::optional<cohort::acceptor<tcp>> acceptor;
  std::error_code end;
  const tcp::endpoint where(asio::ip::address_v4::loopback(), 0);
  self.listen(where, [&](std::error_code error, cohort::acceptor<tcp> made) {
    REQUIRE_FALSE(error);
    acceptor.emplace(std::move(made));
    acceptor->async_accept([&](std::error_code how, auto) { end = how; });
  });
  context.poll();
  CHECK_FALSE(context.stopped());
  REQUIRE(acceptor);
  acceptor->close();
  context.run_for(10s * time_factor());
  CHECK(context.stopped());
  CHECK(end == asio::error::operation_aborted);
}

TEST_CASE("rr_handle_keep_loop_alive: a worker that has left has nothing to do")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(role("listening_waits"));
    const std::string begun = co_await heard(worker);
    CHECK(begun == "waits");
    worker.disconnect([](std::error_code, cohort::exit_status) {});
    for (int i = 0; i != 3; ++i) {
      const std::string how = co_await heard(worker);
      CHECK(how == cohort::make_error_code(cohort::error::draining).message());
    }
    // Its `run` has returned.
    co_await ends(worker, cohort::exit_status::exited(42), true);
  });
}

TEST_CASE("rr_ref: closing ends all that wait for a connection, once")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(role("listening_waits"));
    const std::string begun = co_await heard(worker);
    CHECK(begun == "waits");
    const address where = co_await primary.address_of(worker);
    tell(worker, "close");
    const std::error_code aborted = asio::error::operation_aborted;
    for (int i = 0; i != 3; ++i) {
      const std::string how = co_await heard(worker);
      CHECK(how == aborted.message());
    }
    tell(worker, "close");
    tell(worker, "once");
    const std::string next = co_await heard(worker);
    CHECK(next == "once");
    const auto is_refused = [&] { return client().connect(where) == outcome::refused; };
    const bool refused = co_await primary.eventually(is_refused);
    CHECK(refused);
    worker.disconnect([](std::error_code, cohort::exit_status) {});
    co_await ends(worker, cohort::exit_status::exited(42), true);
    std::error_code end;
    co_await worker.receive(asio::redirect_error(asio::use_awaitable, end));
    CHECK(end == cohort::error::disconnected);
  });
}

} // namespace node_arrivals
