// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that messages are exchanged with.

#include "support/job_protocol.hpp"
#include "support/worker_roles.hpp"

#include <cohort/message/json.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace message_roles {

namespace {

using namespace cohort_test::jobs;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;

// Does what it is told, one task after another.
awaitable<void> work(self_type& self)
{
  std::error_code end;
  for (;;) {
    auto next = co_await self.receive<task>(redirect_error(use_awaitable, end));
    if (end) co_return;
    const std::string what = next.message.what;
    if (what == "leave") {
      for (std::uint64_t i = 0; i != next.message.number; ++i) {
        task each;
        each.number = i;
        self.send(answer_to(each));
      }
      self.disconnect(asio::detached);
    } else if (what == "die") {
      for (std::uint64_t i = 0; i != next.message.number; ++i) self.send(answer_to(next.message));
      co_await self.flushed();
      std::raise(SIGKILL);
    } else if (what == "flood") {
      blob full;
      full.bytes.resize(64 * 1024);
      auto status = cohort::send_status::accepted;
      while (status == cohort::send_status::accepted) status = self.send(full);
      self.send(answer_to(next.message));
    } else if (what == "map") {
      const std::size_t size = next.message.number;
      void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
          next.handles.front().native_handle(), 0);
      static_cast<char*>(memory)[size - 1] = 'w';
      ::munmap(memory, size);
      self.send(answer_to(next.message), std::move(next.handles.front()));
    } else {
      self.send(answer_to(next.message));
    }
  }
}

awaitable<result> serve_one(task asked)
{
  if (asked.what == "throw") throw std::runtime_error("no");
  if (asked.what == "die") std::raise(SIGKILL);
  if (asked.what == "never") {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    co_await timer.async_wait(use_awaitable);
  }
  co_return answer_to(asked);
}

const cohort_test::worker_role worker_role("messages", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  asio::co_spawn(context, work(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role serving_role("message server", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  self.serve<task>(serve_one);
  context.run();
  return EXIT_SUCCESS;
});

// Asks for what is too large, then for something small, and says how both went.
awaitable<void> ask_primary(self_type& self)
{
  result large;
  large.number = 100'000;
  std::error_code refused;
  co_await self.request<task>(large, 20s, redirect_error(use_awaitable, refused));
  result small;
  small.number = 1;
  task answer = co_await self.request<task>(small, 20s);
  result report;
  report.what = refused.message() + ", then " + answer.what;
  self.send(report);
}

const cohort_test::worker_role asking_role("asks its primary", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  asio::co_spawn(context, ask_primary(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role later_role("messages of tomorrow", [](int, char**) {
  asio::io_context context(1);
  cohort::basic_this_worker<later_protocol> self(context);
  only_new unknown;
  result known;
  known.what = "known";
  self.send(unknown);
  self.send(known);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role json_role("json echo", [](int, char**) {
  asio::io_context context(1);
  cohort::this_worker self(context);
  const auto echo = [](cohort::this_worker& from) -> awaitable<void> {
    std::error_code end;
    for (;;) {
      auto next = co_await from.receive(redirect_error(use_awaitable, end));
      if (end) co_return;
      from.send(next.message);
    }
  };
  asio::co_spawn(context, echo(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role rude_role("rude messages", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  // The message channel has this number, see docs/protocol.md; all ones are no header.
  const std::string garbage(64, '\xff');
  [[maybe_unused]] const auto written = ::write(4, garbage.data(), garbage.size());
  context.run();
  return EXIT_SUCCESS;
});

} // namespace

} // namespace message_roles
