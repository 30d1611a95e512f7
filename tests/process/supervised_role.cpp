// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "supervised": a worker of a group, which does what a file says when it starts. Its
// environment:
//
//   COHORT_TEST_BEHAVIOUR  that file: words that are carried out one after the other
//   COHORT_TEST_STARTS     a file that gets a byte from each that starts
//   COHORT_TEST_LISTEN     "127.0.0.1:PORT" for "serve"
//   COHORT_TEST_EARLY      "stop": it stops itself by SIGSTOP before it has said hello
//
// Words: serve (answer each connection with "PID GROUP\n", or just be ready where there is nothing
// to listen on), ready, hang (never be ready), exit=N, abort, done=N (so many requests are
// answered), replace and reload (ask to be replaced, or all of the group), leave (by itself),
// stubborn (SIGTERM is nothing, and a connection lives that never ends), value=N (tell that "a" is
// N, "b" two words and "c" nothing). As soon as what was before is said: spin (for ever), block
// (wait for a lock that is never free), stop (itself, by SIGSTOP).

#include <cohort/acceptor.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace supervised_role {

using asio::awaitable;
using asio::ip::tcp;
using cohort_test::variable;

namespace {

awaitable<void> answer(cohort::this_worker& self, cohort::connection<tcp> client)
{
  const std::string text = std::to_string(::getpid()) + ' ' + self.group() + '\n';
  co_await asio::async_write(client, asio::buffer(text), asio::use_awaitable);
  self.request_done();
}

void end_quietly(std::exception_ptr) {}

void spin()
{
  for (volatile bool on = true; on;) {
  }
}

void block()
{
  static std::mutex lock;
  std::latch taken(1);
  std::thread([&taken] {
    lock.lock();
    taken.count_down();
    for (;;) ::pause();
  }).detach();
  taken.wait();
  lock.lock();
}

void stop() { std::raise(SIGSTOP); }

awaitable<void> serve(cohort::this_worker& self)
{
  const std::string where = variable("COHORT_TEST_LISTEN");
  if (where.empty()) {
    self.ready();
    co_return;
  }
  const auto port = static_cast<unsigned short>(std::stoi(where.substr(where.find(':') + 1)));
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
  auto acceptor = co_await self.listen(endpoint);
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer(self, std::move(client)), end_quietly);
  }
}

} // namespace

COHORT_TEST_WORKER_ROLE(supervised)
{
  // In one write each, so that none is lost.
  std::ofstream(variable("COHORT_TEST_STARTS"), std::ios::app) << '.' << std::flush;
  if (variable("COHORT_TEST_EARLY") == "stop") stop();
  asio::io_context context(1);
  cohort::this_worker self(context);
  std::unique_ptr<asio::executor_work_guard<asio::io_context::executor_type>> forever;
  std::ifstream file(variable("COHORT_TEST_BEHAVIOUR"));
  for (std::string word; file >> word;) {
    const auto equals = word.find('=');
    const int number = equals == word.npos ? 0 : std::stoi(word.substr(equals + 1));
    word.resize(std::min(word.size(), equals));
    if (word == "serve") asio::co_spawn(context, serve(self), end_quietly);
    else if (word == "ready") self.ready();
    else if (word == "exit") {
      // What was said before is to arrive.
      context.poll();
      ::_exit(number);
    } else if (word == "abort") {
      std::signal(SIGABRT, SIG_DFL);
      context.poll();
      std::abort();
    } else if (word == "done") self.request_done(static_cast<std::uint32_t>(number));
    else if (word == "replace") self.request_replacement();
    else if (word == "reload") self.request_reload();
    else if (word == "leave") self.disconnect([](std::error_code) {});
    else if (word == "value") {
      self.report_value("c", "something");
      self.report_value("a", std::to_string(number));
      self.report_value("b", "two words");
      self.report_value("c", "");
    } else if (word == "spin") asio::post(context, spin);
    else if (word == "block") asio::post(context, block);
    else if (word == "stop") asio::post(context, stop);
    else if (word == "stubborn") {
      std::signal(SIGTERM, SIG_IGN);
      forever = std::make_unique<asio::executor_work_guard<asio::io_context::executor_type>>(
          context.get_executor());
    } else if (word != "hang") return 99;
  }
  context.run();
  return 0;
}

} // namespace supervised_role
