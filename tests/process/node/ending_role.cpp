// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that end as they are told. The role "ending" says "started" as soon as it can, listens on
// a port of its own choice when it is told to, echoes there, and takes its commands as messages:
//
//   listen             on port 0
//   listen_at PORT     says "listening", or the error; with COHORT_TEST_THROWS it throws that error
//   disconnect         kill N             close_channel           exit N            raise N
//   load N             reports N loads, each in a turn of the event loop of its own
//   spin               never comes back
//   busy               says "busy" on stdout, spins until SIGUSR1 comes, and says "back"
//   inject             gives its first acceptor the socket that came with the command
//   say                says "said"
//
// Several commands in one message, separated by commas, are carried out in one go. Its environment:
//
//   COHORT_TEST_LEFT=N         when it has left it exits with N
//   COHORT_TEST_LAST_WORDS=N   when its primary is lost it says so on stdout and returns N
//   COHORT_TEST_DRAIN_FOR=N    when its primary is lost it drains, for so many milliseconds
//   COHORT_TEST_KEEPS_LISTENING  it goes on for ever, whether it has left or not
//
// "ending messages" exchanges many, see `flood`; "message before hello" says something before it
// is online, stops, and comes online when it goes on, or ends; "standalone kill" ends itself alone;
// "throwing primary" forks and then lets an exception out of the context.

#include <cohort/acceptor.hpp>
#include <cohort/cluster.hpp>
#include <cohort/detail/channel/message_encoder.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/cluster_fixture.hpp"
#include "support/job_protocol.hpp"
#include "support/time_factor.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace node_ending_role {

using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using cohort_test::variable;

namespace {

class ending_worker {
public:
  int run()
  {
    if (const std::string status = variable("COHORT_TEST_LEFT"); !status.empty())
      self_.left([code = std::stoi(status)](std::error_code) { std::exit(code); });
    if (const std::string status = variable("COHORT_TEST_LAST_WORDS"); !status.empty())
      self_.set_on_primary_lost([code = std::stoi(status)] {
        std::cout << "last words" << std::endl;
        return code;
      });
    if (const std::string limit = variable("COHORT_TEST_DRAIN_FOR"); !limit.empty())
      self_.set_on_primary_lost(
          cohort::on_primary_lost::drain, std::chrono::milliseconds(std::stoi(limit)));
    if (!variable("COHORT_TEST_KEEPS_LISTENING").empty()) work_.emplace(context_.get_executor());
    spawn(take_commands());
    for (;;) {
      try {
        context_.run();
        return 0;
      } catch (const std::system_error&) {
        // Whatever a program makes of an error: its worker goes on.
      }
    }
  }

private:
  // What goes wrong in it reaches `run`.
  void spawn(awaitable<void> task)
  {
    asio::co_spawn(context_, std::move(task), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }

  void say(const std::string& words) { self_.send(boost::json::value(words)); }

  awaitable<void> take_commands()
  {
    say("started");
    for (;;) {
      std::error_code end;
      auto next = co_await self_.receive(redirect_error(use_awaitable, end));
      if (end) co_return;
      std::istringstream commands(std::string(next.message.as_string()));
      for (std::string each; std::getline(commands >> std::ws, each, ',');)
        carry_out(each, next.handles);
    }
  }

  void carry_out(const std::string& command, std::vector<cohort::handle>& handles)
  {
    std::istringstream words(command);
    std::string verb;
    int number = 0;
    words >> verb >> number;
    if (verb == "listen") spawn(listen(0));
    else if (verb == "listen_at") spawn(listen(static_cast<std::uint16_t>(number)));
    else if (verb == "disconnect") self_.disconnect(asio::detached);
    else if (verb == "kill") self_.kill(number);
    else if (verb == "close_channel") self_.close_channel();
    else if (verb == "exit") std::exit(number);
    else if (verb == "raise") std::raise(number);
    else if (verb == "load") report_loads(number);
    else if (verb == "spin") spin();
    else if (verb == "busy") be_busy();
    else if (verb == "inject") inject(handles.at(0));
    else say("said");
  }

  // What is reported in one turn is said once. It goes on while this leaves, and afterwards.
  void report_loads(int count)
  {
    if (count == 0) return;
    self_.report_load(++load_);
    asio::post(context_, [this, count] { report_loads(count - 1); });
  }

  static void spin()
  {
    for (volatile bool for_ever = true; for_ever;) {
    }
  }

  // The alarm ends it when nobody is left who could send the signal.
  static void be_busy()
  {
    std::signal(SIGUSR1, [](int) { called_back_ = 1; });
    ::alarm(60 * cohort_test::time_factor());
    std::cout << "busy" << std::endl;
    while (!called_back_) continue;
    ::alarm(0);
    std::cout << "back" << std::endl;
  }

  void inject(cohort::handle& brought)
  {
    const bool taken = acceptors_.front()->inject(brought.to<tcp::socket>(context_));
    say(taken ? "injected" : "not injected");
  }

  awaitable<void> listen(std::uint16_t port)
  {
    const tcp::endpoint where(asio::ip::address_v4::loopback(), port);
    std::error_code error;
    auto acceptor = co_await self_.listen(where, redirect_error(use_awaitable, error));
    if (port != 0) say(error ? error.message() : "listening");
    if (error && !variable("COHORT_TEST_THROWS").empty()) throw std::system_error(error);
    if (error) co_return;
    auto shared = std::make_shared<cohort::acceptor<tcp>>(std::move(acceptor));
    acceptors_.push_back(shared);
    for (;;) {
      auto client = co_await shared->async_accept(redirect_error(use_awaitable, error));
      if (error) co_return;
      asio::co_spawn(context_, echo(std::move(client)), asio::detached);
    }
  }

  static awaitable<void> echo(cohort::connection<tcp> client)
  {
    std::array<char, 64> data;
    for (;;) {
      const std::size_t size = co_await client.async_read_some(asio::buffer(data));
      co_await asio::async_write(client, asio::buffer(data, size), use_awaitable);
    }
  }

  static inline volatile std::sig_atomic_t called_back_ = 0;

  asio::io_context context_{1};
  cohort::this_worker self_{context_};
  std::uint32_t load_ = 0;
  std::vector<std::shared_ptr<cohort::acceptor<tcp>>> acceptors_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

COHORT_TEST_WORKER_ROLE(ending)
{
  ending_worker one;
  return one.run();
}

// Told "count" it counts the bytes of all blobs until nothing comes any more; told something else
// it sends so many MiB and ends in that way.
awaitable<void> flood(cohort_test::jobs::self_type& self)
{
  using namespace cohort_test::jobs;
  auto first = co_await self.receive<task>();
  const std::string how = first.message.what;
  if (how == "count") {
    result counted;
    std::error_code end;
    while (counted.number != first.message.number) {
      auto next = co_await self.receive<blob>(redirect_error(use_awaitable, end));
      if (end) co_return;
      counted.number += next.message.bytes.size();
    }
    self.send(counted);
    co_return;
  }
  for (std::uint64_t i = 0; i != first.message.number; ++i) {
    blob each;
    each.bytes.resize(1024 * 1024);
    self.send(std::move(each));
  }
  if (how == "disconnect") self.disconnect(asio::detached);
  if (how == "kill") self.kill(4);
  // Else the primary does.
}

const cohort_test::worker_role flood_role("ending messages", [](int, char**) {
  asio::io_context context(1);
  cohort_test::jobs::self_type self(context);
  asio::co_spawn(context, flood(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role early_role("message before hello", [](int, char**) {
  namespace wire = cohort::detail::wire;
  const auto& mine = cohort::detail::posix::role();
  cohort::detail::message_encoder<cohort::json_codec> encoder{cohort::channel_options()};
  encoder.encode(boost::json::value("early"), wire::message_kind::message, 0, {}, 0);
  const auto bytes = encoder.frame().bytes();
  if (::send(mine.messages, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return 99;
  std::raise(SIGSTOP);
  if (!variable("COHORT_TEST_DIES").empty()) return 7;
  asio::io_context context(1);
  cohort::this_worker self(context);
  context.run();
  return 0;
});

const cohort_test::worker_role lonely_role("standalone kill", [](int, char**) {
  asio::io_context context(1);
  cohort::this_worker self(context, cohort::standalone);
  self.left([](std::error_code) { std::cout << "left" << std::endl; });
  self.kill(6);
  self.kill(7);
  context.run();
  return 0;
});

const cohort_test::worker_role throwing_role("throwing primary", [](int, char**) {
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  auto begin = [&]() -> awaitable<void> {
    const cohort::environment variables = cohort_test::server();
    cohort::worker worker = co_await cluster.co_fork(variables);
    const cohort::listening_event event = co_await worker.listening();
    std::cout << "listening " << event.port << std::endl;
    throw std::runtime_error("nobody catches this");
  };
  asio::co_spawn(context, begin(), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
  return 0;
});

} // namespace

} // namespace node_ending_role
