// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/managed_worker.hpp>

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include "support/no_messages.hpp"
#include "support/noted_host.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace managed_worker_test {

using namespace cohort::detail;
using cohort::exit_status;
using cohort::worker_id;
using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

// A cluster that notes what a worker tells it.
struct noted_cluster {
  using dispatcher_type = dispatcher<cohort::round_robin, noted_cluster>;
  using worker_type = managed_worker<noted_cluster>;

  explicit noted_cluster(const asio::any_io_executor& executor)
      : listeners(executor, *this, cohort::round_robin())
  {
  }

  dispatcher_type& connections() { return listeners; }
  void publish(const any_event& event)
  {
    std::visit([this](const auto& each) { note(each); }, event);
  }
  bool relay(worker_id, const wire::message_view&) { return false; }
  void removed(worker_id) { said.push_back("removed"); }
  void ended(const cohort::exit_event& event)
  {
    said.push_back("ended");
    exit = event;
  }

  bool send_offer(worker_id, const wire::offer& message, std::span<const int> descriptors) noexcept
  {
    return worker->send_offer(message, descriptors);
  }
  bool send_turn(worker_id, const wire::turn& message) noexcept
  {
    return worker->send_turn(message);
  }
  void last_call_done(worker_id) noexcept { worker->last_call_done(); }
  void accept_failed(std::error_code) noexcept {}
  void offer_failed(std::error_code) noexcept { offer_failures = true; }
  std::uint64_t message_fingerprint() const noexcept { return 0; }
  bool ending() const noexcept { return false; }

  void note(const cohort::fork_event& event) { say("fork", event); }
  void note(const cohort::online_event& event) { say("online", event); }
  void note(const cohort::ready_event& event) { say("ready", event); }
  void note(const cohort::retire_event& event) { say("retire", event); }
  void note(const cohort::stalled_event& event) { say("stalled", event); }
  void note(const cohort::recovered_event& event) { say("recovered", event); }
  void note(const cohort::disconnect_event& event) { say("disconnect", event); }
  void note(const cohort::exit_event& event) { say("exit", event); }
  void note(const cohort::setup_event&) {}
  void note(const cohort::gave_up_event&) {}
  void note(const cohort::resumed_event&) {}
  void note(const cohort::ready_count_event&) {}
  void note(const cohort::reload_event&) {}
  void note(const cohort::signal_event&) {}
  void note(const cohort::reload_request_event&) {}
  void note(const cohort::listening_event& event)
  {
    say("listening", event);
    listening = event;
  }
  void note(const cohort::error_event& event)
  {
    say("error", event);
    failure = event;
  }
  void say(const char* what, const cohort::worker_event& about)
  {
    CHECK(about.worker == 5);
    CHECK(about.pid == worker->pid());
    said.push_back(what);
  }

  dispatcher_type listeners;
  std::shared_ptr<worker_type> worker;
  strings said;
  cohort::listening_event listening;
  cohort::error_event failure;
  cohort::exit_event exit;
  bool offer_failures = false;
};

// The worker's side of the control channel, played by the test.
class played_worker : public std::enable_shared_from_this<played_worker> {
public:
  played_worker(const asio::any_io_executor& executor, posix::unique_fd control)
      : channel_(executor, std::move(control), wire::max_control_payload)
  {
  }

  void start() { channel_.start(shared_from_this()); }
  void close() { channel_.close(); }
  template <class Message>
  void send(const Message& message)
  {
    channel_.send(wire::control_frame(message).bytes());
  }
  void send_raw(std::span<const std::byte> bytes) { channel_.send(bytes); }

  void on_frame(const wire::frame_view& frame, io::received_descriptors& descriptors)
  {
    std::error_code error;
    wire::visit_from_primary(
        frame,
        [&](const auto& message) {
          using type = std::decay_t<decltype(message)>;
          if constexpr (std::is_same_v<type, wire::hello>) heard.push_back("hello");
          else if constexpr (std::is_same_v<type, wire::drain>) heard.push_back("drain");
          else if constexpr (std::is_same_v<type, wire::bye_ack>) heard.push_back("bye_ack");
          else if constexpr (std::is_same_v<type, wire::offer>) {
            CHECK(descriptors.fds.size() == message.count);
            offer = message;
            offers += message.count;
            heard.push_back("offer " + std::to_string(message.count));
          } else if constexpr (std::is_same_v<type, wire::turn>) {
            heard.push_back(message.go != 0 ? "go" : "wait");
          } else if constexpr (std::is_same_v<type, wire::watch>) {
            heard.push_back("watch " + std::to_string(message.interval));
          } else {
            reply = message;
            heard.push_back(message.value == 0 ? "listen" : "no listen");
          }
        },
        error);
    CHECK_MESSAGE(!error, error.message());
  }
  void on_channel_end(std::error_code) { heard.push_back("end"); }
  void on_channel_writable() {}

  strings heard;
  wire::offer offer;
  std::uint64_t offers = 0;
  wire::listen_reply reply;

private:
  io::frame_channel<played_worker> channel_;
};

struct worker_test {
  explicit worker_test(cohort::settings how = cohort::settings().fence_grace(10ms).kill_grace(10ms),
      const std::string& script = "exec sleep 100", bool peer_reads = true)
      : cluster(context.get_executor())
  {
    std::error_code error;
    auto control = posix::stream_pair(error);
    auto messages = posix::stream_pair(error);
    REQUIRE(!error);
    other_messages = std::move(messages.second);
    cluster.worker = std::make_shared<noted_cluster::worker_type>(context.get_executor(),
        cohort::candidate(5), cluster, std::move(control.first),
        cohort_test::no_messages().open(
            context.get_executor(), std::move(messages.first), cohort::channel_options(), 5),
        how);
    peer = std::make_shared<played_worker>(context.get_executor(), std::move(control.second));
    if (peer_reads) peer->start();
    posix::child_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", script};
    auto from_script = posix::stream_pair(error);
    options.inherit = {from_script.second.get()};
    posix::start_error failure;
    worker().start(options, failure);
    REQUIRE_MESSAGE(!failure.code, failure.code.message());
    script_says = std::move(from_script.first);
    worker().announce();
    core().exited().add(
        [this](std::error_code, exit_status how_it_ended) { status = how_it_ended; });
  }

  ~worker_test()
  {
    kill();
    peer->close();
    cluster.listeners.close();
    worker().orphan();
    cluster.worker.reset();
  }

  void kill()
  {
    std::error_code ignored;
    worker().kill(SIGKILL, ignored);
    CHECK(run_until([&] { return status.has_value(); }));
  }

  noted_cluster::worker_type& worker() { return *cluster.worker; }
  worker_core& core() { return *cluster.worker; }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  // What the primary publishes next, exactly.
  void publishes(const strings& lines)
  {
    run_until([&] { return cluster.said.size() >= lines.size(); });
    CHECK(std::exchange(cluster.said, {}) == lines);
  }
  // What the worker is told next, exactly.
  void tells(const strings& lines)
  {
    run_until([&] { return peer->heard.size() >= lines.size(); });
    CHECK(std::exchange(peer->heard, {}) == lines);
  }

  void come_online()
  {
    peer->send(wire::hello());
    publishes({"fork", "online"});
    tells({"hello"});
  }

  // Makes the worker listen, with this much credit.
  void come_listening(std::uint16_t credit, std::uint16_t index = 0)
  {
    listen(index);
    tells({"listen"});
    const bool first = !worker().state().is_ready();
    confirm();
    publishes(first ? strings{"listening", "ready"} : strings{"listening"});
    wire::credit grant;
    grant.listener = peer->reply.listener;
    grant.window = credit;
    peer->send(grant);
  }
  void listen(std::uint16_t index = 0)
  {
    std::error_code error;
    const auto where = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    wire::listen message;
    message.request = 1;
    message.index = index;
    message.backlog = 511;
    message.address = wire::address_bytes(where.bytes());
    peer->send(message);
  }
  // The worker's program has what it was given last.
  void confirm()
  {
    wire::listening message;
    message.listener = peer->reply.listener;
    peer->send(message);
  }
  // Makes it listen with this much credit, where then so many connect.
  void get_clients(std::uint16_t credit, int count = 1)
  {
    come_online();
    come_listening(credit);
    clients.connect(bound(), count);
  }
  // The worker's answer to the first connection of what it was offered last.
  wire::taken last_offered() const
  {
    wire::taken message;
    message.listener = peer->offer.listener;
    message.first = peer->offer.first;
    message.count = 1;
    return message;
  }
  void take_offered() { peer->send(last_offered()); }
  posix::socket_address bound() const
  {
    std::error_code error;
    return posix::socket_address::from_bytes(peer->reply.address.bytes(), error);
  }

  // What it listens on.
  auto listener() { return cluster.listeners.find(listen_key(wire::listen_kind::tcp, bound())); }

  // The worker breaks the protocol: it is reported and killed.
  void is_condemned(std::error_code why)
  {
    CHECK(run_until([&] { return status.has_value(); }));
    CHECK(status == exit_status::signalled(SIGKILL));
    const auto error = std::ranges::find(cluster.said, "error");
    CHECK(error != cluster.said.end());
    CHECK(std::ranges::count(cluster.said, "error") == 1);
    CHECK(std::ranges::count(cluster.said, "disconnect") == 1);
    CHECK(std::ranges::count(cluster.said, "exit") == 1);
    CHECK(cluster.failure.code == why);
    CHECK(cluster.failure.what == "protocol");
    CHECK_FALSE(worker().state().exited_after_disconnect());
  }

  asio::io_context context{1};
  cohort_test::test_clients clients{context};
  noted_cluster cluster;
  std::shared_ptr<played_worker> peer;
  posix::unique_fd other_messages;
  // What the script writes to its descriptor 3.
  posix::unique_fd script_says;
  std::optional<exit_status> status;
};

} // namespace

TEST_CASE("a worker is forked, and online when it has said hello")
{
  worker_test test;
  bool online = false;
  test.worker().online().add([&](std::error_code error) { online = !error; });
  test.run();
  CHECK_FALSE(online);
  test.come_online();
  test.run();
  CHECK(online);
  CHECK(test.worker().state().is_connected());
}

TEST_CASE("a worker that dies before its hello fails the waits for more")
{
  worker_test test;
  std::error_code online, listening;
  bool disconnected = false;
  test.worker().online().add([&](std::error_code error) { online = error; });
  test.worker().listening().add([&](std::error_code error, const auto&) { listening = error; });
  test.worker().disconnected().add([&](std::error_code error) { disconnected = !error; });
  test.kill();
  test.run();
  CHECK(online == cohort::error::worker_gone);
  CHECK(listening == cohort::error::worker_gone);
  CHECK(disconnected);
  CHECK(test.status == exit_status::signalled(SIGKILL));
  CHECK_FALSE(test.cluster.exit.voluntary);
}

TEST_CASE("after the exit nothing is published twice, and the handle leaves first")
{
  worker_test test;
  test.come_online();
  test.kill();
  const auto& said = test.cluster.said;
  const auto at = [&](const char* what) { return std::ranges::find(said, what) - said.begin(); };
  CHECK(said.size() == 4);
  CHECK(at("removed") < std::max(at("disconnect"), at("exit")));
  CHECK(at("ended") == 3);
}

TEST_CASE("a worker serves when it says so or listens first, and counts its requests")
{
  worker_test test(cohort::settings().max_requests(3));
  bool ready = false;
  test.worker().ready().add([&](std::error_code error) { ready = !error; });
  test.come_online();
  test.peer->send(wire::ready());
  test.peer->send(wire::served{2});
  test.peer->send(wire::ready());
  test.publishes({"ready"});
  test.run();
  CHECK(ready);
  test.come_listening(1);
  test.peer->send(wire::served{1});
  test.publishes({"retire"});
  CHECK(test.worker().requests() == 3);
}

TEST_CASE("a worker is told how often it is to be heard, and stalls when it is not")
{
  worker_test test(cohort::settings().heartbeat(5ms));
  test.peer->send(wire::hello());
  test.publishes({"fork", "online"});
  test.tells({"hello", "watch 5"});
  test.come_listening(1);
  test.publishes({"stalled"});
  CHECK(test.worker().is_stalled());
  test.peer->send(wire::beat{1});
  test.publishes({"recovered"});
}

TEST_CASE("a listen is answered, and published where it is bound once the worker has it")
{
  worker_test test;
  test.come_online();
  test.come_listening(1);
  CHECK(test.cluster.listening.type == cohort::address_type::tcp4);
  CHECK(test.cluster.listening.address == "127.0.0.1");
  CHECK(test.cluster.listening.port == test.bound().port());
  CHECK(test.bound().port() != 0);
}

TEST_CASE("a listener that a worker was given and left at once is told to nobody")
{
  worker_test test;
  test.come_online();
  test.listen();
  test.tells({"listen"});
  wire::close close;
  close.listener = test.peer->reply.listener;
  test.peer->send(close);
  test.listen();
  test.tells({"listen"});
  CHECK(test.cluster.said.empty());
  test.confirm();
  test.publishes({"listening", "ready"});
}

TEST_CASE("a worker that listens where it was not told to, or says so twice, is condemned")
{
  for (const bool twice : {false, true}) {
    CAPTURE(twice);
    worker_test test;
    test.come_online();
    if (twice) test.come_listening(1);
    test.confirm();
    test.is_condemned(cohort::error::protocol_violation);
  }
}

TEST_CASE("a worker that listens when it is to leave already is told to nobody")
{
  worker_test test;
  test.come_online();
  test.listen();
  test.tells({"listen"});
  test.worker().disconnect(30s);
  test.confirm();
  test.tells({"drain"});
  test.run();
  CHECK(test.cluster.said.empty());
  CHECK(test.worker().state().is_connected());
}

TEST_CASE("a connection is offered with its descriptor, and counted when it is taken")
{
  worker_test test;
  test.get_clients(4);
  test.tells({"offer 1"});
  test.take_offered();
  CHECK(test.run_until([&] { return test.cluster.listeners.counters().taken == 1; }));
}

TEST_CASE("a worker has at most 128 offers to answer, on all its listeners together")
{
  worker_test test;
  test.get_clients(128, 128);
  CHECK(test.run_until([&] { return test.peer->offers == 128; }));
  auto taken = test.last_offered();
  test.peer->heard.clear();
  test.come_listening(128, 1);
  test.clients.connect(test.bound(), 2);
  CHECK(test.run_until([&] { return test.cluster.listeners.counters().accepted == 130; }));
  CHECK(test.cluster.listeners.counters().offered == 128);
  test.peer->send(taken);
  ++taken.first;
  test.peer->send(taken);
  CHECK(test.run_until([&] { return test.peer->offers == 130; }));
}

TEST_CASE("connections that come together are offered with one message")
{
  worker_test test;
  test.get_clients(16, 16);
  test.tells({"offer 16"});
}

TEST_CASE("a disconnect drains the worker, and its bye is confirmed")
{
  worker_test test;
  test.come_online();
  test.worker().disconnect(30s);
  test.tells({"drain"});
  CHECK(test.worker().state().exited_after_disconnect());
  test.peer->send(wire::bye());
  test.tells({"bye_ack"});
  test.peer->close();
  test.publishes({"disconnect"});
  // Its end was agreed upon: it is given time for it.
  CHECK_FALSE(test.status.has_value());
  test.kill();
  CHECK(test.cluster.exit.voluntary);
}

TEST_CASE("a worker that wants to leave is told that no offer follows")
{
  worker_test test;
  test.come_online();
  test.peer->send(wire::leaving());
  test.tells({"drain"});
  test.peer->send(wire::bye());
  test.tells({"bye_ack"});
}

TEST_CASE("a listen while draining is refused")
{
  worker_test test;
  test.come_online();
  test.worker().disconnect(30s);
  test.tells({"drain"});
  test.listen();
  test.tells({"no listen"});
  CHECK(test.peer->reply.category == wire::error_kind::cohort);
  CHECK(test.peer->reply.value == static_cast<int>(cohort::error::draining));
  CHECK(test.cluster.said.empty());
}

TEST_CASE("past its deadline a worker gets SIGTERM")
{
  worker_test test;
  test.come_online();
  test.worker().disconnect(1ms);
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGTERM));
  CHECK(test.cluster.exit.voluntary);
}

TEST_CASE("a worker that does not heed SIGTERM is killed")
{
  const char* const script = "trap '' TERM; echo ready >&3; kill -STOP $$";
  worker_test test(cohort::settings().kill_grace(10ms), script);
  pollfd ready{test.script_says.get(), POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 10'000) == 1);
  test.worker().disconnect(1ms);
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
}

TEST_CASE("an earlier deadline counts, a later one does not")
{
  worker_test test;
  test.come_online();
  test.worker().disconnect(30s);
  test.worker().disconnect(1ms);
  test.worker().disconnect(30s);
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGTERM));
}

TEST_CASE("a channel that ends without a word fences the worker: it is killed after a grace")
{
  worker_test test;
  test.come_online();
  test.peer->close();
  test.publishes({"disconnect"});
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
  CHECK_FALSE(test.cluster.exit.voluntary);
}

TEST_CASE("a disconnect of a fenced worker does not put its end off")
{
  worker_test test(cohort::settings().fence_grace(100ms));
  test.come_online();
  test.peer->close();
  test.publishes({"disconnect"});
  const auto begin = std::chrono::steady_clock::now();
  test.worker().disconnect(30s);
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a fence does not put off the end that a disconnect has set")
{
  SUBCASE("before the deadline")
  {
    worker_test test(cohort::settings().fence_grace(30s));
    test.come_online();
    test.worker().disconnect(100ms);
    test.peer->close();
    CHECK(test.run_until([&] { return test.status.has_value(); }));
    CHECK(test.status == exit_status::signalled(SIGTERM));
  }
  SUBCASE("after the deadline")
  {
    const char* const script = "trap '' TERM; echo ready >&3; while :; do read x <&3; done";
    worker_test test(cohort::settings().fence_grace(30s).kill_grace(200ms), script);
    test.come_online();
    pollfd ready{test.script_says.get(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    test.worker().disconnect(1ms);
    const auto begin = std::chrono::steady_clock::now();
    const auto has_passed = [&] { return std::chrono::steady_clock::now() - begin > 50ms; };
    test.run_until(has_passed);
    test.peer->close();
    CHECK(test.run_until([&] { return test.status.has_value(); }));
    CHECK(test.status == exit_status::signalled(SIGKILL));
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
  }
}

TEST_CASE("the last worker of a listener that wants to leave gets what waits there first")
{
  worker_test test;
  test.get_clients(1, 2);
  test.tells({"offer 1"});
  test.peer->send(wire::leaving());
  test.take_offered();
  test.tells({"offer 1"});
  test.take_offered();
  test.tells({"drain"});
  CHECK(test.worker().state().exited_after_disconnect());
}

TEST_CASE("a worker that wants to leave is the last one where the primary ends too, and is called")
{
  worker_test test;
  test.get_clients(1, 2);
  test.tells({"offer 1"});
  const auto listener = test.listener();
  listener->hold();
  test.peer->send(wire::leaving());
  // The primary has got the same signal, and acts on it next.
  CHECK(test.run_until([&] { return test.worker().state().exited_after_disconnect(); }));
  listener->release();
  test.take_offered();
  test.tells({"offer 1"});
  test.take_offered();
  test.tells({"drain"});
}

TEST_CASE("a last call goes on when the worker wants to leave meanwhile")
{
  worker_test test;
  test.get_clients(1, 2);
  test.tells({"offer 1"});
  test.worker().disconnect(30s);
  test.peer->send(wire::leaving());
  test.take_offered();
  test.tells({"offer 1"});
  test.take_offered();
  test.tells({"drain"});
}

TEST_CASE("a worker that asks and asks and does not read the answers is condemned")
{
  worker_test test(cohort::settings(), "exec sleep 100", false);
  test.peer->send(wire::hello());
  // Each is answered, all but the first with an error.
  for (int i = 0; i != 20'000 && !test.status; ++i) {
    test.listen();
    if (i % 100 == 0) test.run();
  }
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
  CHECK(test.cluster.failure.what == "protocol");
  CHECK(test.cluster.failure.code == std::errc::no_buffer_space);
}

TEST_CASE("what a worker took behind its violation is not handed to another one")
{
  worker_test test;
  test.get_clients(4, 2);
  CHECK(test.run_until([&] { return test.peer->offers == 2; }));
  test.peer->send(wire::hello());
  test.take_offered();
  test.is_condemned(cohort::error::protocol_violation);
  CHECK(test.cluster.listeners.counters().taken == 1);
  CHECK(test.cluster.listeners.counters().redispatched == 1);
}

TEST_CASE("what a fenced worker was offered is taken back only when it is dead")
{
  worker_test test(cohort::settings().fence_grace(30s));
  test.get_clients(4);
  test.tells({"offer 1"});
  test.peer->close();
  test.publishes({"disconnect"});
  CHECK(test.cluster.listeners.counters().redispatched == 0);
  test.kill();
  CHECK(test.cluster.listeners.counters().redispatched == 1);
}

TEST_CASE("a channel that is cut ends the worker, which nobody had announced")
{
  worker_test test(cohort::settings().fence_grace(30s));
  test.come_online();
  test.worker().close_channel();
  CHECK_FALSE(test.worker().state().is_connected());
  CHECK(test.cluster.said.empty());
  test.worker().close_channel();
  test.tells({"end"});
  // It hears of it and ends.
  test.peer->close();
  test.publishes({"disconnect"});
  test.kill();
  test.publishes({"removed", "exit", "ended"});
  CHECK_FALSE(test.cluster.exit.voluntary);
  test.worker().close_channel();
  test.run();
  CHECK(test.cluster.said.empty());
}

TEST_CASE("a worker whose channel was cut is killed after a grace")
{
  worker_test test;
  test.come_online();
  test.worker().close_channel();
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
}

TEST_CASE("what a worker says of its connections after the cut still counts, and nothing else")
{
  worker_test test(cohort::settings().fence_grace(30s));
  test.get_clients(4, 3);
  CHECK(test.run_until([&] { return test.peer->offers == 3; }));
  test.worker().close_channel();
  wire::taken taken = test.last_offered();
  taken.first = 1;
  test.peer->send(taken);
  wire::credit credit;
  credit.listener = taken.listener;
  credit.window = 100;
  test.peer->send(credit);
  test.peer->send(wire::leaving());
  test.listen(1);
  test.run_until([&] { return test.cluster.listeners.counters().taken == 1; });
  CHECK(test.cluster.listeners.counters().taken == 1);
  CHECK_FALSE(test.worker().state().exited_after_disconnect());
  test.kill();
  const auto counters = test.cluster.listeners.counters();
  CHECK(counters.lost == 1);
  CHECK(counters.redispatched == 2);
  CHECK(test.cluster.said == strings({"disconnect", "removed", "exit", "ended"}));
}

TEST_CASE("a worker that lies about its connections after the cut is condemned")
{
  worker_test test(cohort::settings().fence_grace(30s));
  test.get_clients(4);
  test.tells({"offer 1"});
  test.worker().close_channel();
  wire::taken taken = test.last_offered();
  taken.first = 100;
  test.peer->send(taken);
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("a last call of a worker ends when its channel is cut")
{
  worker_test test(cohort::settings().fence_grace(30s));
  test.get_clients(1, 3);
  test.tells({"offer 1"});
  test.worker().disconnect(30s);
  test.worker().close_channel();
  // Nothing of the drain, nor of those who waited.
  test.tells({"end"});
  CHECK(test.cluster.listeners.size() == 1);
  test.kill();
  CHECK(test.cluster.listeners.size() == 0);
}

TEST_CASE("what a worker said before its death still counts")
{
  worker_test test;
  test.get_clients(4, 2);
  test.run_until([&] { return test.cluster.listeners.counters().offered == 2; });
  test.run_until([&] { return !test.peer->heard.empty(); });
  test.take_offered();
  test.kill();
  const auto counters = test.cluster.listeners.counters();
  CHECK(counters.taken == 1);
  CHECK(counters.lost == 1);
  CHECK(counters.redispatched == 1);
}

TEST_CASE("a frame before the hello is a violation")
{
  worker_test test;
  test.peer->send(wire::leaving());
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("a second hello is a violation")
{
  worker_test test;
  test.come_online();
  test.peer->send(wire::hello());
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("a bye that nobody asked for is a violation")
{
  worker_test test;
  test.come_online();
  test.peer->send(wire::bye());
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("an answer to an offer that was never made is a violation")
{
  worker_test test;
  test.come_online();
  wire::taken taken;
  taken.listener = 1;
  taken.count = 1;
  test.peer->send(taken);
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("a frame that only a primary may send is a violation")
{
  worker_test test;
  test.come_online();
  test.peer->send(wire::bye_ack());
  test.is_condemned(cohort::error::protocol_violation);
}

TEST_CASE("a hello of another version is told apart")
{
  worker_test test;
  wire::hello hello;
  hello.protocol = wire::protocol_version + 1;
  test.peer->send(hello);
  test.is_condemned(cohort::error::version_mismatch);
}

TEST_CASE("a frame that announces too much is a violation before it is read")
{
  worker_test test;
  const std::vector<std::byte> bytes(wire::header_size, std::byte(0xff));
  test.peer->send_raw(bytes);
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(std::ranges::count(test.cluster.said, "error") == 1);
  CHECK(test.cluster.failure.code.category() == cohort::error_category());
}

TEST_CASE("a worker that outlives its cluster is fenced and tells nobody")
{
  worker_test test;
  test.come_online();
  test.worker().orphan();
  test.tells({"end"});
  CHECK(test.run_until([&] { return test.status.has_value(); }));
  CHECK(test.status == exit_status::signalled(SIGKILL));
  CHECK(test.cluster.said.empty());
  // The handle is still good for this.
  std::error_code error;
  test.worker().kill(SIGTERM, error);
  CHECK(error == std::errc::no_such_process);
  test.worker().disconnect(1s);
}

TEST_CASE("a worker is told whose turn it is, and its end needs no telling")
{
  worker_test test;
  test.come_online();
  wire::turn turn;
  turn.go = 0;
  CHECK(test.worker().send_turn(turn));
  turn.go = 1;
  CHECK(test.worker().send_turn(turn));
  test.tells({"wait", "go"});
  test.peer->close();
  CHECK_FALSE(test.worker().send_turn(turn));
  CHECK_FALSE(test.cluster.offer_failures);
  test.kill();
  test.run();
}

TEST_CASE("an offer to a worker that has just gone fails without a report: its end is one")
{
  worker_test test;
  test.come_online();
  test.peer->close();
  std::error_code error;
  const auto connection = posix::stream_pair(error);
  const std::array<int, 1> numbers{connection.first.get()};
  wire::offer message;
  message.listener = 1;
  message.first = 1;
  message.count = 1;
  CHECK_FALSE(test.worker().send_offer(message, numbers));
  CHECK_FALSE(test.cluster.offer_failures);
  test.kill();
  test.run();
}

TEST_CASE("a program that cannot be started leaves nothing behind")
{
  asio::io_context context;
  noted_cluster cluster(context.get_executor());
  std::error_code error;
  auto control = posix::stream_pair(error);
  auto messages = posix::stream_pair(error);
  const auto worker = std::make_shared<noted_cluster::worker_type>(context.get_executor(),
      cohort::candidate(5), cluster, std::move(control.first),
      cohort_test::no_messages().open(
          context.get_executor(), std::move(messages.first), cohort::channel_options(), 5),
      cohort::settings());
  posix::child_options options;
  options.path = "/nowhere/to/be/found";
  posix::start_error failure;
  worker->start(options, failure);
  CHECK(failure.code == std::errc::no_such_file_or_directory);
  CHECK(failure.step == posix::start_step::execute);
  context.run();
  CHECK(cluster.said.empty());
}

} // namespace managed_worker_test
