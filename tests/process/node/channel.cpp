// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The channel between a primary and its workers, after Node's tests of child processes: each test
// case begins with the name of Node's file, as docs/node.md lists them.

#include "support/client.hpp"
#include "support/cluster_fixture.hpp"
#include "support/job_protocol.hpp"
#include "support/node_orders.hpp"
#include "support/time_factor.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/subscription.hpp>

#include <array>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <utility>
#include <variant>
#include <vector>

namespace node_channel {

using namespace cohort_test::node;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using cohort_test::ask;
using cohort_test::awaitable;
using cohort_test::basic_cluster_fixture;
using cohort_test::client;
using cohort_test::cluster_fixture;
using cohort_test::outcome;
using cohort_test::jobs::with_cluster;
namespace jobs = cohort_test::jobs;
namespace json = boost::json;

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

TEST_CASE("child_process_send_returns_boolean: what was queued, what congests, what was not sent")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_deaf"));
    co_await worker.online();
    CHECK(worker.send("a message") == cohort::send_status::accepted);
    CHECK(worker.send("with a file", jobs::numbered_file(1)) == cohort::send_status::accepted);
    const json::value large(std::string(100'000, 'x'));
    auto status = cohort::send_status::accepted;
    int sent = 0;
    for (; status == cohort::send_status::accepted && sent != 1000; ++sent)
      status = worker.send(large);
    CHECK(status == cohort::send_status::congested);
    CHECK(worker.queued_bytes() > cohort::channel_options().high_water());
    worker.kill(SIGKILL);
    co_await worker.disconnected();
    CHECK(worker.send("a message") == cohort::send_status::not_connected);
    co_await worker.exited();
  });
}

TEST_CASE("child_process_send_cb: sending can be waited for")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    std::error_code error = std::make_error_code(std::errc::io_error);
    co_await worker.send("a message", redirect_error(use_awaitable, error));
    CHECK_FALSE(error);
    auto back = co_await worker.receive();
    CHECK(back.message == "a message");
    co_await primary.end();
  });
}

TEST_CASE("child_process_send_after_close: sending to a worker that has gone is an error")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("leave"));
    co_await worker.disconnected();
    CHECK(worker.send("late") == cohort::send_status::not_connected);
    std::error_code error;
    co_await worker.send("late", redirect_error(use_awaitable, error));
    CHECK(error == cohort::error::disconnected);
    cohort::handle file = jobs::numbered_file(1);
    CHECK(worker.send("late", std::move(file)) == cohort::send_status::not_connected);
    CHECK(jobs::is_numbered(file, 1)); // it is ours still
    co_await worker.exited();
  });
}

TEST_CASE("child_process_disconnect: a channel that is cut is cut once, and told of later")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto ends = primary.cluster().subscribe<cohort::disconnect_event, cohort::exit_event>();
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send("a message");
    co_await worker.receive();
    bool told = false;
    worker.disconnected([&](std::error_code) { told = true; });
    worker.close_channel();
    CHECK_FALSE(worker.is_connected());
    CHECK_FALSE(told);
    worker.close_channel();
    const auto first = co_await ends.next();
    CHECK(first.index() == 0);
    const auto second = co_await ends.next();
    REQUIRE(second.index() == 1);
    CHECK(std::get<cohort::exit_event>(second).status.code() == 0);
    CHECK_FALSE(std::get<cohort::exit_event>(second).voluntary);
    CHECK(told);
    worker.close_channel();
  });
}

TEST_CASE("child_process_ipc_next_tick: a handler that throws loses no message")
{
  constexpr int count = 5;
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  cohort::worker worker;
  std::vector<std::int64_t> received;
  std::function<void()> receive = [&] {
    worker.receive([&](std::error_code error, cohort::worker::envelope_type next) {
      REQUIRE_FALSE(error);
      received.push_back(next.message.as_int64());
      if (received.size() != count) receive();
      else worker.disconnect(asio::detached);
      throw std::runtime_error("the program's own");
    });
  };
  cluster.co_fork(node_role("node_json"), [&](std::error_code error, cohort::worker forked) {
    REQUIRE_FALSE(error);
    worker = std::move(forked);
    for (int i = 0; i != count; ++i) worker.send(i);
    receive();
  });
  int thrown = 0;
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(20) * cohort_test::time_factor();
  for (bool done = false; !done;) {
    try {
      context.run_until(deadline);
      done = true;
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  CHECK(thrown == count);
  CHECK(received == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(cluster.workers().empty());
}

TEST_CASE("child_process_recv_handle: a descriptor arrives with the message it was sent with")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("send burst"));
    auto one = co_await worker.receive();
    CHECK(one.message == "one");
    CHECK(one.handles.empty());
    auto two = co_await worker.receive();
    CHECK(two.message == "two");
    REQUIRE(two.handles.size() == 1);
    CHECK(jobs::is_numbered(two.handles[0], 2));
    auto three = co_await worker.receive();
    CHECK(three.message == "three");
    CHECK(three.handles.empty());
    co_await primary.end();
  });
}

TEST_CASE("child_process_advanced_serialization: a value of many parts crosses both ways")
{
  using cluster_type = cohort::cluster<cohort::round_robin, binary_protocol>;
  with_cluster<cluster_type>([](cluster_type& cluster) -> awaitable<void> {
    auto worker = co_await cluster.co_fork(node_role("node_binary"));
    nested sent;
    sent.none.emplace();
    sent.none->name = std::string("a\0b", 3);
    sent.none->weight = -0.0;
    sent.numbers[""] = -1;
    worker.send(sent);
    auto back = co_await worker.receive<nested>();
    CHECK(back.message == sent);
    co_await worker.disconnect();
  });
}

TEST_CASE("child_process_advanced_serialization_largebuffer: four large messages, in order")
{
  using cluster_type = cohort::cluster<cohort::round_robin, binary_protocol>;
  with_cluster<cluster_type>([](cluster_type& cluster) -> awaitable<void> {
    constexpr std::size_t size = 8 * 1024 * 1024;
    auto worker = co_await cluster.co_fork(node_role("node_binary"));
    for (unsigned char i = 0; i != 4; ++i) {
      nested sent;
      sent.bytes.assign(size, std::byte(i));
      CHECK(is_sent(worker.send(std::move(sent))));
    }
    for (unsigned char i = 0; i != 4; ++i) {
      auto back = co_await worker.receive<nested>();
      const std::vector<std::byte> expected(size, std::byte(i));
      CHECK((back.message.bytes == expected));
    }
    co_await worker.disconnect();
  });
}

TEST_CASE("child_process_advanced_serialization_splitted_length_field: a message byte by byte")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_bytewise"));
    auto message = co_await worker.receive();
    CHECK(message.message == "byte by byte: \u00e4\u20ac");
    co_await primary.end();
  });
}

TEST_CASE("child_process_fork_abort_signal: a worker that was just started ends by any signal")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
      CAPTURE(signal);
      cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_deaf"));
      worker.kill(signal);
      const cohort::exit_status status = co_await worker.exited();
      CHECK(status.signal() == signal);
      CHECK_FALSE(worker.exited_after_disconnect());
      std::error_code error;
      worker.kill(signal, error);
      CHECK(error == std::errc::no_such_process);
    }
  });
}

/// Sends a line and gives the one that comes.
awaitable<std::string> exchange(tcp::socket& socket, std::string line)
{
  co_await asio::async_write(socket, asio::buffer(line), use_awaitable);
  std::string answer;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(answer), '\n', use_awaitable);
  co_return answer;
}

/// A connection of this process with itself.
struct connected_pair {
  explicit connected_pair(asio::io_context& context) : here(context), there(context)
  {
    tcp::acceptor acceptor(context, any_port);
    here.connect(acceptor.local_endpoint());
    acceptor.accept(there);
  }
  tcp::socket here, there;
};

TEST_CASE("child_process_send_keep_open: a duplicate is sent, and both are good")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    connected_pair sockets(primary.context);
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("serve socket"), cohort::handle::duplicate_of(sockets.there));
    const std::string by_worker = co_await exchange(sockets.here, "to the worker\n");
    CHECK(by_worker == "echo to the worker\n");
    const std::string text = "from the primary\n";
    co_await asio::async_write(sockets.there, asio::buffer(text), use_awaitable);
    std::string read;
    co_await asio::async_read_until(sockets.here, asio::dynamic_buffer(read), '\n', use_awaitable);
    CHECK(read == text);
    co_await primary.end();
  });
}

/// Takes turns, and notes what it is told of its members.
class watching : public cohort::round_robin {
public:
  explicit watching(std::shared_ptr<std::vector<std::uint32_t>> noted = nullptr)
      : noted_(std::move(noted))
  {
  }

  std::size_t select(
      std::span<const cohort::candidate> members, const cohort::connection_info& connection)
  {
    noted_->clear();
    for (const cohort::candidate& each : members) noted_->push_back(each.connections);
    return cohort::round_robin::select(members, connection);
  }

private:
  std::shared_ptr<std::vector<std::uint32_t>> noted_;
};

TEST_CASE("child_process_fork_getconnections: a policy sees how many connections each worker has")
{
  const auto noted = std::make_shared<std::vector<std::uint32_t>>();
  const cohort::settings plain;
  basic_cluster_fixture<watching> primary(plain, watching(noted));
  primary.run([&]() -> awaitable<void> {
    auto workers = co_await primary.start(2);
    const auto where = co_await primary.address_of(workers.front());
    std::vector<client> clients;
    std::vector<std::uint32_t> held(2);
    auto connect = [&] {
      for (int i = 0; i != 6; ++i) {
        clients.emplace_back(where);
        const cohort_test::answer answer = clients.back().ask("keep");
        REQUIRE(answer.result == outcome::ok);
        ++held.at(answer.worker - 1);
      }
      CHECK(ask(where).result == outcome::ok);
    };
    co_await primary.in_thread(connect);
    CHECK(*noted == held);
    clients.clear();
    // The workers tell that they have ended, which is seen with one of the next connections.
    bool none = false;
    auto ask_again = [&] { CHECK(ask(where).result == outcome::ok); };
    for (int i = 0; i != 1000 && !none; ++i) {
      co_await primary.in_thread(ask_again);
      none = std::accumulate(noted->begin(), noted->end(), 0U) <= 1;
    }
    CHECK(none);
    co_await primary.end();
  });
}

TEST_CASE("child_process_fork_net: connections that were sent to workers are served there")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    for (int i = 0; i != 4; ++i) {
      cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
      connected_pair sockets(primary.context);
      worker.send(order("serve socket"), cohort::handle(std::move(sockets.there)));
      CHECK_FALSE(sockets.there.is_open());
      const std::string answer = co_await exchange(sockets.here, "hello\n");
      CHECK(answer == "echo hello\n");
    }
    co_await primary.end();
  });
}

TEST_CASE("child_process_fork_net_server: a listening socket that was sent is used there and here")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    tcp::acceptor acceptor(primary.context, any_port);
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("serve acceptor"), cohort::handle::duplicate_of(acceptor));
    auto ready = co_await worker.receive();
    CHECK(ready.message == "it listens");
    // Nobody accepts here, so it is the worker who does; it takes one.
    tcp::socket first(primary.context);
    first.connect(acceptor.local_endpoint());
    const std::string answer = co_await exchange(first, "hello\n");
    CHECK(answer == "echo hello\n");
    tcp::socket second(primary.context);
    second.connect(acceptor.local_endpoint());
    tcp::socket here = co_await acceptor.async_accept(use_awaitable);
    CHECK(here.remote_endpoint() == second.local_endpoint());
    co_await primary.end();
  });
}

TEST_CASE("child_process_fork_dgram: both sides receive from a datagram socket that was sent")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const udp::endpoint any(asio::ip::address_v4::loopback(), 0);
    udp::socket shared(primary.context, any);
    udp::socket sender(primary.context, any);
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("receive datagram"), cohort::handle::duplicate_of(shared));
    const std::string text = "for the worker";
    sender.send_to(asio::buffer(text), shared.local_endpoint());
    auto received = co_await worker.receive();
    CHECK(received.message == "for the worker");
    // It took one; the next is for who reads next.
    const std::string more = "for the primary";
    sender.send_to(asio::buffer(more), shared.local_endpoint());
    std::array<char, 64> data;
    udp::endpoint from;
    const std::size_t size =
        co_await shared.async_receive_from(asio::buffer(data), from, use_awaitable);
    CHECK(std::string_view(data.data(), size) == more);
    CHECK(from == sender.local_endpoint());
    co_await primary.end();
  });
}

TEST_CASE("child_process_fork_close: the last message comes before the end, and that in order")
{
  cluster_fixture primary;
  std::vector<std::string> order_of_things;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.receive([&](std::error_code error, cohort::worker::envelope_type last) {
      CHECK_FALSE(error);
      CHECK(last.message == "last words");
      order_of_things.push_back("message");
    });
    worker.disconnected([&](std::error_code) { order_of_things.push_back("disconnect"); });
    worker.exited([&](std::error_code, cohort::exit_status status) {
      CHECK(status.code() == 3);
      order_of_things.push_back("exit");
    });
    worker.send(order("last words"));
    co_await worker.exited();
  });
  CHECK(order_of_things == std::vector<std::string>{"message", "disconnect", "exit"});
}

TEST_CASE("child_process_send_utf8: a large text of characters of many bytes")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    std::string text;
    for (int i = 0; i != 200'000; ++i) text += "\u00e4\u20ac\U0001f600";
    worker.send(json::value(text));
    auto back = co_await worker.receive();
    CHECK((back.message.as_string() == text));
    co_await primary.end();
  });
}

TEST_CASE("child_process_send_type_error: what cannot be sent is refused, and stays the caller's")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    cohort::handle none;
    CHECK(worker.send("nothing", std::move(none)) == cohort::send_status::handle_refused);
    auto poll = cohort::handle::adopt(::epoll_create1(EPOLL_CLOEXEC));
    CHECK(worker.send("an epoll", std::move(poll)) == cohort::send_status::handle_refused);
    CHECK(poll);
    worker.send("a message");
    auto back = co_await worker.receive();
    CHECK(back.message == "a message");
    co_await primary.end();
  });
}

TEST_CASE("child_process_pass_fd: many workers, a descriptor to each and one back")
{
  const std::uint64_t count = cohort_test::time_factor() == 1 ? 80 : 20;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    std::vector<cohort::worker> workers;
    for (std::uint64_t i = 0; i != count; ++i) {
      cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
      CHECK(is_sent(worker.send("a file", jobs::numbered_file(i))));
      workers.push_back(worker);
    }
    for (std::uint64_t i = 0; i != count; ++i) {
      auto back = co_await workers[i].receive();
      REQUIRE(back.handles.size() == 1);
      CHECK(jobs::is_numbered(back.handles[0], i));
    }
    co_await primary.end(); // and no descriptor is left, which is checked behind each test
  });
}

/// Nothing can be opened any more in this process while this lives.
class no_more_descriptors {
public:
  no_more_descriptors()
  {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_more_descriptors(const no_more_descriptors&) = delete;
  no_more_descriptors& operator=(const no_more_descriptors&) = delete;

private:
  rlimit before_{};
};

TEST_CASE("child_process_emfile: no descriptor for a worker is the error of its start, and all")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    auto forks = cluster.subscribe<cohort::fork_event, cohort::error_event, cohort::exit_event>();
    std::error_code error;
    {
      const no_more_descriptors now;
      co_await cluster.co_fork(node_role("node_json"), redirect_error(use_awaitable, error));
    }
    CHECK(error == std::errc::too_many_files_open);
    CHECK(cluster.workers().empty());
    // Nothing else is told of it, and the next one starts.
    cohort::worker worker = co_await cluster.co_fork(node_role("node_json"));
    const auto first = co_await forks.next();
    REQUIRE(std::holds_alternative<cohort::fork_event>(first));
    CHECK(std::get<cohort::fork_event>(first).worker == worker.id());
    co_await worker.disconnect();
  });
}

} // namespace node_channel
