// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// How workers, clusters and primaries end: Node's tests, each named by its file, and what belongs
// to them here. See ending_role.cpp for what the workers do.

#include "support/conversation.hpp"
#include "support/ending_workers.hpp"
#include "support/role_program.hpp"

#include <cohort/cluster.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/shared.hpp>

#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <csignal>
#include <string>
#include <vector>

namespace node_ending {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

// A port on this machine that is taken as long as this lives.
struct taken_port {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor{
      context, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), false};
  std::string number() const { return std::to_string(acceptor.local_endpoint().port()); }
};

} // namespace

TEST_CASE("call_and_destroy: what is asked of a worker that has left does no harm")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "disconnect");
    co_await worker.disconnected();
    CHECK_FALSE(worker.is_connected());
    worker.close_channel();
    std::error_code error;
    // Any other one might disturb its end, and what a sanitizer does then.
    worker.kill(0, error);
    CHECK((!error || error == std::errc::no_such_process));
    co_await ends(worker, well, true);
    worker.close_channel();
    worker.kill(SIGTERM, error);
    CHECK(error == std::errc::no_such_process);
    co_await worker.disconnect();
    CHECK(worker.send(boost::json::value("late")) == cohort::send_status::not_connected);
  });
}

TEST_CASE("disconnect_before_exit: a cluster ends while a worker has left and lives on")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker =
        co_await begin(primary, ending().set("COHORT_TEST_KEEPS_LISTENING", "1"));
    worker.disconnect([](std::error_code, cohort::exit_status) {});
    co_await worker.disconnected();
    CHECK_FALSE(worker.is_dead());
    CHECK(primary.cluster().workers().size() == 1);
    bool ended = false;
    primary.cluster().disconnect([&](std::error_code error, std::vector<cohort::exit_event> all) {
      CHECK_FALSE(error);
      CHECK(all.size() == 1);
      ended = true;
    });
    co_await asio::post(primary.context, asio::use_awaitable);
    CHECK_FALSE(ended);
    worker.kill(SIGKILL);
    co_await worker.exited();
    const std::vector<cohort::exit_event> none = co_await primary.cluster().disconnect();
    CHECK(none.size() <= 1);
    CHECK(ended);
  });
}

TEST_CASE(
    "disconnect_exitedAfterDisconnect_race: the primary knows of a leave before the worker does")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary, ending().set("COHORT_TEST_LEFT", "42"));
    CHECK_FALSE(worker.exited_after_disconnect());
    tell(worker, "disconnect");
    co_await worker.disconnected();
    CHECK(worker.exited_after_disconnect());
    co_await ends(worker, cohort::exit_status::exited(42), true);
  });
}

TEST_CASE("disconnect_idle_worker: workers that do nothing end, and nothing of them is left")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker idle = co_await begin(primary);
    co_await primary.end();
    CHECK(primary.cluster().workers().empty());
    CHECK_FALSE(primary.cluster().find(idle.id()));
    // The handle is good for questions, and the cluster for a new beginning.
    CHECK(idle.is_dead());
    const std::vector<cohort::worker> more = co_await primary.start(2);
    CHECK(primary.cluster().workers() == more);
    co_await primary.end();
  });
}

TEST_CASE("disconnect_leak: a worker that never listened still ends")
{
  basic_cluster_fixture<cohort::shared> primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(ending());
    worker.disconnect([](std::error_code, cohort::exit_status) {});
    co_await ends(worker, well, true);
  });
}

TEST_CASE("disconnect_with_no_workers: it completes, and not inside the call")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    bool ended = false;
    primary.cluster().disconnect([&](std::error_code error, std::vector<cohort::exit_event> all) {
      CHECK_FALSE(error);
      CHECK(all.empty());
      ended = true;
    });
    CHECK_FALSE(ended);
    co_await primary.cluster().disconnect();
    CHECK(ended);
  });
}

TEST_CASE("disconnect: eight workers on two ports answer, end, and do so once more")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    for (int round = 0; round != 2; ++round) {
      const std::vector<cohort::worker> workers =
          co_await primary.start(8, primary.controlled(server()));
      const address first = co_await primary.address_of(workers.front());
      std::string second;
      for (const cohort::worker& each : workers)
        second = co_await primary.command(each, "listen 127.0.0.1:0");
      REQUIRE(second.starts_with("ok 127.0.0.1:"));
      const auto port = static_cast<std::uint16_t>(std::stoi(second.substr(second.find(':') + 1)));
      for (const address& where : {first, address::tcp4(port)}) {
        std::vector<client> clients = connect_many(where, 8);
        const std::vector<answer> answers = co_await answers_to(primary, clients);
        CHECK(summary(answers) == "8 ok");
      }
      co_await primary.end();
      CHECK(ask(first).result == outcome::refused);
      CHECK(ask(address::tcp4(port)).result == outcome::refused);
    }
  });
}

TEST_CASE(
    "ipc_throw: an exception out of who saw the error of a listen leaves the worker able to end")
{
  const taken_port taken;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary, ending().set("COHORT_TEST_THROWS", "1"));
    tell(worker, "listen_at " + taken.number());
    const std::string what = co_await heard(worker);
    CHECK(what == std::make_error_code(std::errc::address_in_use).message());
    tell(worker, "say");
    const std::string still_there = co_await heard(worker);
    CHECK(still_there == "said");
    co_await primary.end();
  });
}

TEST_CASE("kill_infinite_loop: a worker that never comes back is ended by a signal")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "say, spin");
    const std::string busy_now = co_await heard(worker);
    CHECK(busy_now == "said");
    worker.kill();
    co_await ends(worker, cohort::exit_status::signalled(SIGTERM), false);
  });
}

TEST_CASE("primary_error: the workers of a primary that fails are gone with it")
{
  SUBCASE("an exception out of its event loop")
  {
    role_program primary("throwing primary");
    const address where = primary.listening();
    primary.wait_for_all();
    CHECK(primary.wait() == 128 + SIGABRT);
    CHECK(ask(where).result == outcome::refused);
  }
  SUBCASE("an exception out of supervise")
  {
    role_program primary("run", "COHORT_TEST_RUN=supervise throws");
    const address where = primary.listening();
    primary.wait_for_all();
    CHECK(primary.wait() == 1);
    CHECK(ask(where).result == outcome::refused);
  }
}

TEST_CASE("primary_kill: the workers of a primary that was killed are gone with it")
{
  role_program primary("primary");
  const address where = primary.listening();
  primary.signal(SIGKILL);
  primary.wait_for_all();
  CHECK(primary.wait() == 128 + SIGKILL);
  CHECK(ask(where).result == outcome::refused);
}

TEST_CASE("process_disconnect: a worker that cuts its channel ends, which nobody had announced")
{
  // Nobody is killed for being slow.
  cluster_fixture primary(cohort::settings().fence_grace(30s));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "close_channel");
    co_await ends(worker, well, false);
  });
}

TEST_CASE("worker_destroy: a worker that ends itself has announced it")
{
  // Nobody is killed for being slow.
  cluster_fixture primary(cohort::settings().fence_grace(30s));
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    for (const std::string how : {"kill 0", "disconnect, kill 0", "kill 0, disconnect",
             "kill 0, kill 5", "kill 0, close_channel"}) {
      CAPTURE(how);
      auto events = cluster.subscribe<cohort::disconnect_event, cohort::exit_event>();
      cohort::worker worker = co_await begin(primary);
      tell(worker, how);
      co_await ends(worker, well, true);
      auto first = co_await events.next();
      auto second = co_await events.next();
      CHECK(first.index() + second.index() == 1);
    }
    // Its own status, with a live connection that is cut.
    cohort::worker worker = co_await begin(primary);
    tell(worker, "listen");
    const address where = co_await primary.address_of(worker);
    client live(where);
    auto talk = [&] { CHECK(echoes(live)); };
    co_await primary.in_thread(talk);
    tell(worker, "kill 3");
    co_await ends(worker, cohort::exit_status::exited(3), true);
    const outcome end = co_await end_of(primary, live);
    CHECK(end == outcome::ok);
    CHECK(cluster.counters().lost == 1);
  });
}

TEST_CASE("worker_disconnect_on_error: a worker leaves when it cannot listen")
{
  const taken_port taken;
  basic_cluster_fixture<cohort::shared> primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "listen_at " + taken.number());
    const std::string what = co_await heard(worker);
    CHECK(what == std::make_error_code(std::errc::address_in_use).message());
    tell(worker, "disconnect");
    co_await ends(worker, well, true);
  });
}

TEST_CASE(
    "worker_disconnect: both sides see the end, and what the worker makes of it is its status")
{
  cluster_fixture primary;
  auto& cluster = primary.cluster();
  primary.run([&]() -> awaitable<void> {
    auto events = cluster.subscribe<cohort::disconnect_event, cohort::exit_event>();
    cohort::worker worker = co_await begin(primary, ending().set("COHORT_TEST_LEFT", "42"));
    tell(worker, "listen");
    co_await worker.listening();
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status == cohort::exit_status::exited(42));
    co_await ends(worker, status, true);
    const auto first = co_await events.next();
    CHECK(first.index() == 0);
    const auto second = co_await events.next();
    const auto& exit = std::get<cohort::exit_event>(second);
    CHECK(exit.voluntary);
    CHECK(exit.status == status);
    CHECK(cluster.workers().empty());
  });
}

TEST_CASE("send_socket_to_worker_http_server: a socket that was sent is served like one that came")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await begin(primary);
    tell(worker, "listen");
    co_await worker.listening();
    // A connection that the primary accepts for itself.
    using asio::ip::tcp;
    tcp::acceptor own(primary.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    client live(address::tcp4(own.local_endpoint().port()));
    tcp::socket accepted = co_await own.async_accept(asio::use_awaitable);
    worker.send(boost::json::value("inject"), cohort::handle(std::move(accepted)));
    const std::string answer = co_await heard(worker);
    CHECK(answer == "injected");
    auto talk = [&] { CHECK(echoes(live)); };
    co_await primary.in_thread(talk);
    // The primary's counters do not know it, and a drain waits for it.
    CHECK(primary.cluster().counters().taken == 0);
    bool ended = false;
    worker.disconnect(30s, [&](std::error_code, cohort::exit_status) { ended = true; });
    co_await primary.in_thread(talk);
    CHECK_FALSE(ended);
    live.close();
    co_await ends(worker, well, true);
    CHECK(primary.cluster().counters().lost == 0);
  });
}

} // namespace node_ending
