// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/announced_worker.hpp>

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace announced_worker_test {

using namespace cohort::detail;
using strings = std::vector<std::string>;

namespace {

struct noted_cluster {
  void publish(const cohort::fork_event&) { said.push_back("fork"); }
  void publish(const cohort::online_event& event)
  {
    said.push_back(event.schemas_agree ? "online" : "online, other messages");
  }
  void publish(const cohort::listening_event& event)
  {
    CHECK(event.worker == 5);
    said.push_back("listening " + event.address + ' ' + std::to_string(event.port));
  }
  void publish(const cohort::ready_event& event)
  {
    CHECK(event.worker == 5);
    said.push_back("ready");
  }
  void publish(const cohort::reload_request_event& event)
  {
    said.push_back("reload of '" + event.group + '\'');
  }
  void publish(const cohort::disconnect_event&) { said.push_back("disconnect"); }
  void publish(const cohort::exit_event&) { said.push_back("exit"); }
  void publish(const cohort::error_event& event)
  {
    said.push_back("error " + event.what);
    last_error = event.code;
  }
  bool relay(cohort::worker_id sender, const wire::message_view&)
  {
    CHECK(sender == 5);
    return anybody;
  }
  void ended(const cohort::exit_event& event)
  {
    said.push_back(event.voluntary ? "ended, as announced" : "ended");
  }

  strings said;
  std::error_code last_error;
  bool anybody = false;
};

struct told_worker final : announced_worker<noted_cluster> {
  using base = announced_worker<noted_cluster>;

  told_worker(asio::io_context& context, noted_cluster& owner, posix::unique_fd messages)
      : base(context.get_executor(), cohort::candidate(5), owner,
            cohort_test::no_messages().open(
                context.get_executor(), std::move(messages), cohort::channel_options(), 5))
  {
    group_ = "web";
  }
  ~told_worker() { messages_->close(); }

  // A worker has a process.
  void run_process(bool& ended)
  {
    posix::child_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", ":"};
    std::error_code error;
    process_ = process::start(
        executor_, options, [&ended](cohort::exit_status) { ended = true; }, error);
    REQUIRE_MESSAGE(!error, error.message());
  }
  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}

  void fork() { publish_fork(); }
  void come_online(bool agree) { publish_online(agree); }
  void come_ready()
  {
    state_.hello();
    state_.ready();
    publish_ready();
  }
  template <class Message>
  void hear(const Message& message)
  {
    note(message);
  }
  void listens(std::uint16_t port)
  {
    std::error_code error;
    listening_place place;
    place.bound = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
    publish_listening(place);
  }
  void complain() { report("protocol", cohort::error::protocol_violation); }
  void end()
  {
    set_gone();
    publish_disconnect();
    state_.drain_requested();
    state_.exited(cohort::exit_status::exited(0));
    publish_exit();
  }
  void lose_cluster() { leave_cluster(); }
};

struct announced_test {
  announced_test()
  {
    std::error_code error;
    auto sockets = posix::stream_pair(error);
    REQUIRE(!error);
    peer = std::move(sockets.second);
    worker = std::make_shared<told_worker>(context, cluster, std::move(sockets.first));
    worker->run_process(ended);
  }
  ~announced_test()
  {
    CHECK(cohort_test::run_until(context, [this] { return ended; }));
  }

  asio::io_context context{1};
  noted_cluster cluster;
  posix::unique_fd peer;
  bool ended = false;
  std::shared_ptr<told_worker> worker;
};

} // namespace

TEST_CASE("a cluster is told all of a worker's life")
{
  announced_test test;
  test.worker->fork();
  test.worker->come_online(true);
  test.worker->come_online(false);
  test.worker->listens(8000);
  test.worker->complain();
  test.worker->end();
  CHECK(test.cluster.said == strings{"fork", "online", "online, other messages",
                                 "listening 127.0.0.1 8000", "error protocol", "disconnect", "exit",
                                 "ended, as announced"});
}

TEST_CASE("a worker that asks for a reload means its own group unless it says another one")
{
  announced_test test;
  test.worker->hear(wire::reload());
  test.worker->hear(wire::reload{wire::value_name("mail")});
  CHECK(test.cluster.said == strings{"reload of 'web'", "reload of 'mail'"});
}

TEST_CASE("what a worker tells of itself is bounded, and can be taken back")
{
  announced_test test;
  const auto tell = [&](const std::string& name, const char* text) {
    test.worker->hear(wire::value{wire::value_name(name), wire::value_text(text)});
  };
  for (int i = 0; i != 100; ++i) tell("name" + std::to_string(i), "1");
  CHECK(test.worker->values().size() == wire::max_values);
  tell("name0", "2");
  tell("name1", "");
  tell("late", "3");
  CHECK(test.worker->values().size() == wire::max_values);
  CHECK(test.worker->values().at("name0") == "2");
  CHECK(test.worker->values().at("late") == "3");
  CHECK_FALSE(test.worker->values().contains("name1"));
}

TEST_CASE("who waits at a worker is told when its cluster is gone as well")
{
  announced_test test;
  test.worker->lose_cluster();
  int told = 0;
  std::uint16_t port = 0;
  test.worker->online().add([&](std::error_code error) { told += !error; });
  test.worker->listening().add([&](std::error_code error, const cohort::listening_event& event) {
    told += !error;
    port = event.port;
  });
  test.worker->ready().add([&](std::error_code error) { told += !error; });
  test.worker->disconnected().add([&](std::error_code error) { told += !error; });
  test.worker->come_online(true);
  test.worker->listens(8000);
  test.worker->come_ready();
  test.worker->complain();
  test.worker->end();
  cohort_test::run_ready(test.context);
  CHECK(told == 4);
  CHECK(port == 8000);
  CHECK(test.cluster.said.empty());
}

TEST_CASE("what a worker says to nobody is told once, until somebody hears it again")
{
  announced_test test;
  test.worker->come_online(true);
  test.cluster.said.clear();
  const auto say = [&](std::uint64_t worker, std::string_view group) {
    wire::message_view view;
    view.kind = wire::message_kind::relay;
    view.sequence = worker;
    view.group = group;
    test.worker->messages()->on_relay(view);
  };
  say(0, "");
  CHECK(test.cluster.said == strings{});
  say(0, "web");
  say(3, "");
  CHECK(test.cluster.said == strings{"error a message to group web"});
  CHECK(test.cluster.last_error == cohort::error::worker_gone);
  test.cluster.anybody = true;
  say(3, "");
  test.cluster.anybody = false;
  say(3, "");
  say(0, "");
  say(0, "\x1b[m");
  CHECK(test.cluster.said == strings{"error a message to group web", "error a message to worker 3",
                                 "error a message to group ?[m"});
  test.worker->lose_cluster();
  say(0, "");
  say(0, "web");
  CHECK(test.cluster.said.size() == 3);
}

TEST_CASE("what others say to a worker and has no room is told once, until something has")
{
  announced_test test;
  const std::vector<std::byte> large(17 * 1024 * 1024);
  wire::message_view view;
  CHECK(test.worker->pass_on(view, 2));
  view.body = large;
  CHECK(test.worker->pass_on(view, 2));
  CHECK(test.worker->pass_on(view, 3));
  CHECK(test.cluster.said == strings{"error a message from worker 2"});
  CHECK(test.cluster.last_error == cohort::error::message_too_large);
  view.body = {};
  CHECK(test.worker->pass_on(view, 3));
  view.body = large;
  CHECK(test.worker->pass_on(view, 3));
  CHECK(test.cluster.said.size() == 2);
  test.worker->messages()->finish();
  CHECK_FALSE(test.worker->pass_on(view, 3));
  CHECK(test.cluster.said.size() == 2);
}

} // namespace announced_worker_test
