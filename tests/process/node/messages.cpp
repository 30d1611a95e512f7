// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Messages between a primary and its workers, after the tests of Node's cluster: each test case
// begins with the name of Node's file, as docs/node.md lists them.

#include "support/client.hpp"
#include "support/cluster_fixture.hpp"
#include "support/job_protocol.hpp"
#include "support/node_orders.hpp"

#include <cohort/cluster.hpp>
#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/pidfd.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <optional>
#include <poll.h>
#include <set>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace node_messages {

using namespace cohort_test::node;
using asio::use_awaitable;
using asio::ip::tcp;
using cohort_test::awaitable;
using cohort_test::cluster_fixture;
using cohort_test::jobs::with_cluster;
namespace jobs = cohort_test::jobs;
namespace json = boost::json;
namespace posix = cohort::detail::posix;
namespace wire = cohort::detail::wire;

nested composite()
{
  nested made;
  for (const char* name : {"first", "second", ""}) {
    leaf each;
    each.name = name;
    each.weight = 0.1;
    made.leaves.push_back(each);
  }
  made.numbers["least"] = std::numeric_limits<std::int64_t>::min();
  made.numbers["none"] = std::nullopt;
  made.bytes.assign(1000, std::byte(0xff));
  return made;
}

TEST_CASE("advanced_serialization: a value of many parts comes back equal")
{
  using cluster_type = cohort::cluster<cohort::round_robin, binary_protocol>;
  with_cluster<cluster_type>([](cluster_type& cluster) -> awaitable<void> {
    auto worker = co_await cluster.co_fork(node_role("node_binary"));
    const nested sent = composite();
    CHECK(worker.send(sent) == cohort::send_status::accepted);
    auto back = co_await worker.receive<nested>();
    CHECK(back.message == sent);
    co_await worker.disconnect();
  });
}

/// The primary's end of a control channel, with nothing of the library above the frames.
class bare_primary {
public:
  /// Starts a worker of the role "server".
  explicit bare_primary(const std::string& listen)
  {
    std::error_code error;
    auto control = posix::stream_pair(error);
    REQUIRE_FALSE(error);
    auto messages = posix::stream_pair(error);
    REQUIRE_FALSE(error);
    posix::child_options options;
    options.path = posix::executable_path();
    for (char** each = environ; *each; ++each) options.envp.emplace_back(*each);
    for (const char* more : {"COHORT_TEST_ROLE=server", "COHORT_WORKER_ID=1", "COHORT_CONTROL_FD=3",
             "COHORT_MESSAGE_FD=4"})
      options.envp.emplace_back(more);
    options.envp.push_back("COHORT_TEST_LISTEN=" + listen);
    options.inherit = {control.second.get(), messages.second.get()};
    child_ = posix::start_child(options, error);
    REQUIRE_MESSAGE(!error, error.message());
    control_ = std::move(control.first);
    messages_ = std::move(messages.first);
  }
  ~bare_primary()
  {
    if (child_.pid < 0) return;
    ::kill(child_.pid, SIGKILL);
    posix::wait(child_.pidfd.get(), child_.pid);
  }
  bare_primary(const bare_primary&) = delete;
  bare_primary& operator=(const bare_primary&) = delete;

  template <class Message>
  void send(const Message& message, const std::vector<int>& descriptors = {})
  {
    const wire::control_frame frame(message);
    const iovec part{const_cast<std::byte*>(frame.bytes().data()), frame.bytes().size()};
    std::error_code error;
    const std::size_t size = posix::send_with_fds(control_.get(), {&part, 1}, descriptors, error);
    REQUIRE(size == frame.bytes().size());
  }

  /// The next frame of this type; others are skipped.
  template <class Message>
  Message next()
  {
    for (;;) {
      std::error_code error;
      auto frame = decoder_.next(error);
      REQUIRE_FALSE(error);
      if (!frame) {
        read_more();
        continue;
      }
      if (frame->header.type != static_cast<std::uint16_t>(Message::type)) continue;
      const Message message = wire::decode<Message>(frame->payload, error);
      REQUIRE_FALSE(error);
      return message;
    }
  }

  /// No message follows.
  void end_messages() { ::shutdown(messages_.get(), SHUT_WR); }

  /// How the worker ends.
  cohort::exit_status wait()
  {
    wait_readable(child_.pidfd.get());
    return posix::wait(child_.pidfd.get(), std::exchange(child_.pid, -1));
  }

private:
  static void wait_readable(int descriptor)
  {
    pollfd waiting{descriptor, POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, 20'000 * static_cast<int>(cohort_test::time_factor())) == 1);
  }

  void read_more()
  {
    wait_readable(control_.get());
    const auto room = decoder_.prepare(4096);
    const ssize_t size = ::read(control_.get(), room.data(), room.size());
    REQUIRE(size > 0);
    decoder_.commit(static_cast<std::size_t>(size));
  }

  posix::started child_;
  posix::unique_fd control_;
  posix::unique_fd messages_;
  wire::frame_decoder decoder_{wire::max_control_payload};
};

wire::listen_reply reply_to(std::uint32_t request, std::uint32_t listener)
{
  wire::listen_reply reply;
  reply.request = request;
  reply.listener = listener;
  std::error_code error;
  const tcp::endpoint where(asio::ip::address_v4::loopback(), 8000);
  const auto address = posix::socket_address::from_endpoint(where, error);
  reply.address = wire::address_bytes(address.bytes());
  return reply;
}

TEST_CASE("invalid_message: what a worker never asked for, or does not know, it gives back")
{
  bare_primary primary("127.0.0.1:0");
  primary.next<wire::hello>();
  const auto asked = primary.next<wire::listen>();

  // Answers to questions that nobody has asked.
  primary.send(reply_to(asked.request + 1000, 5));
  CHECK(primary.next<wire::close>().listener == 5);
  wire::listen_reply failure;
  failure.request = asked.request + 2000;
  failure.category = wire::error_kind::system;
  failure.value = EADDRINUSE;
  primary.send(failure);
  // A connection for a listener that it has not.
  std::error_code error;
  auto lost = posix::stream_pair(error);
  wire::offer offer;
  offer.listener = 77;
  offer.first = 3;
  offer.count = 1;
  primary.send(offer, {lost.second.get()});
  const auto refused = primary.next<wire::refused>();
  CHECK(refused.listener == 77);
  CHECK(refused.first == 3);
  CHECK(refused.count == 1);

  // It goes on as if nothing had been.
  primary.send(reply_to(asked.request, 1));
  CHECK(primary.next<wire::credit>().window != 0);
  auto found = posix::stream_pair(error);
  offer.listener = 1;
  offer.first = 1;
  primary.send(offer, {found.second.get()});
  found.second.reset();
  CHECK(primary.next<wire::taken>().first == 1);
  const std::string request = "1 get\n";
  REQUIRE(::write(found.first.get(), request.data(), request.size()) == 6);
  pollfd waiting{found.first.get(), POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, 20'000 * static_cast<int>(cohort_test::time_factor())) == 1);
  std::string answer(64, '\0');
  const ssize_t size = ::read(found.first.get(), answer.data(), answer.size());
  REQUIRE(size > 0);
  CHECK(answer.starts_with("1 1 "));
  primary.end_messages();
  primary.send(wire::drain());
  primary.next<wire::bye>();
  primary.send(wire::bye_ack());
  CHECK(primary.wait().success());
}

TEST_CASE("message: both directions, and the cluster knows whose it is")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    cohort::worker first = co_await cluster.co_fork(node_role("node_json"));
    cohort::worker second = co_await cluster.co_fork(node_role("node_json"));
    CHECK(first.send("to the first") == cohort::send_status::accepted);
    auto by_worker = co_await first.receive();
    CHECK(by_worker.message == "to the first");
    CHECK(by_worker.worker == first.id());
    CHECK(second.send("to the second") == cohort::send_status::accepted);
    auto by_cluster = co_await cluster.receive();
    CHECK(by_cluster.message == "to the second");
    CHECK(by_cluster.worker == second.id());
    co_await primary.end();
  });
}

TEST_CASE("net_send: a socket that a worker sends carries data both ways")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    tcp::acceptor acceptor(primary.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("send socket", acceptor.local_endpoint().port()));
    tcp::socket near = co_await acceptor.async_accept(use_awaitable);
    auto sent = co_await worker.receive();
    REQUIRE(sent.handles.size() == 1);
    CHECK(sent.message == "a socket");
    auto far = sent.handles[0].to<tcp::socket>(primary.context);
    std::string text(5, ' ');
    co_await asio::async_write(near, asio::buffer(std::string_view("hello")), use_awaitable);
    co_await asio::async_read(far, asio::buffer(text), use_awaitable);
    CHECK(text == "hello");
    co_await asio::async_write(far, asio::buffer(std::string_view("world")), use_awaitable);
    co_await asio::async_read(near, asio::buffer(text), use_awaitable);
    CHECK(text == "world");
    co_await primary.end();
  });
}

TEST_CASE("send_deadlock: handles go both ways at the same time")
{
  constexpr int count = 500;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    co_await worker.online();
    // The worker sends its own, and sends these back.
    worker.send(order("send files", count));
    for (int i = 0; i != count; ++i)
      CHECK(is_sent(
          worker.send(count + i, jobs::numbered_file(static_cast<std::uint64_t>(count + i)))));
    std::set<std::int64_t> seen;
    for (int i = 0; i != 2 * count; ++i) {
      auto next = co_await worker.receive();
      const std::int64_t number = next.message.as_int64();
      seen.insert(number);
      REQUIRE(next.handles.size() == 1);
      REQUIRE(jobs::is_numbered(next.handles[0], static_cast<std::uint64_t>(number)));
    }
    CHECK(seen.size() == 2 * count);
    co_await primary.end();
  });
}

TEST_CASE("send_handle_twice: a socket that was sent is no socket any more, and nothing breaks")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    worker.send(order("send twice"));
    auto first = co_await worker.receive();
    CHECK(first.message == "first");
    CHECK(first.handles.size() == 1);
    auto second = co_await worker.receive();
    CHECK(second.message == "refused");
    CHECK(second.handles.empty());
    co_await primary.end();
  });
}

TEST_CASE("worker_events: each message is received once, by whoever waits for it")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto& cluster = primary.cluster();
    cohort::worker worker = co_await cluster.co_fork(node_role("node_json"));
    for (int i = 0; i != 4; ++i) worker.send(i);
    for (int i = 0; i != 4; i += 2) {
      auto of_worker = co_await worker.receive();
      CHECK(of_worker.message == i);
      auto of_any = co_await cluster.receive();
      CHECK(of_any.message == i + 1);
    }
    cohort::worker::envelope_type more;
    CHECK_FALSE(worker.try_receive(more));
    co_await primary.end();
  });
}

TEST_CASE("worker_events: a message that has to be skipped is told to both sides' programs")
{
  using cluster_type = cohort::cluster<cohort::round_robin, gossip_protocol>;
  with_cluster<cluster_type>([](cluster_type& cluster) -> awaitable<void> {
    auto worker = co_await cluster.co_fork(node_role("node_binary"));
    rumour unknown;
    unknown.text = "nobody knows this";
    worker.send(unknown);
    auto report = co_await worker.receive<nested>();
    REQUIRE(report.message.leaves.size() == 1);
    const std::error_code code = cohort::error::unknown_message;
    CHECK(report.message.leaves[0].name == code.message());
    const nested sent = composite();
    worker.send(sent);
    auto back = co_await worker.receive<nested>();
    CHECK(back.message == sent);
    co_await worker.disconnect();
  });
  with_cluster([](jobs::cluster_type& cluster) -> awaitable<void> {
    auto errors = cluster.subscribe<cohort::error_event>();
    auto worker = co_await cluster.co_fork(node_role("messages of tomorrow"));
    auto known = co_await worker.receive<jobs::result>();
    CHECK(known.message.what == "known");
    auto told = co_await errors.next();
    CHECK(told.code == cohort::error::unknown_message);
    CHECK(told.worker == worker.id());
    co_await worker.disconnect();
  });
}

TEST_CASE("worker_init: a worker sends back what it is sent, and its end has a status")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(node_role("node_json"));
    json::object sent;
    sent["hello"] = "world";
    worker.send(sent);
    auto back = co_await worker.receive();
    CHECK(back.message == json::value(sent));
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status.success());
  });
}

} // namespace node_messages
