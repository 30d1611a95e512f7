// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers, and a primary, that exchange handles and die at it.

#include "support/job_protocol.hpp"
#include "support/pipe_handles.hpp"
#include "support/worker_roles.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace message_handle_roles {

namespace {

using namespace cohort_test::jobs;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;

// Takes so many handles, and keeps them until the process is gone.
awaitable<void> keep_handles(self_type& self, std::uint64_t count)
{
  std::vector<std::vector<cohort::handle>> kept;
  while (kept.size() != count) {
    auto next = co_await self.receive<task>();
    if (next.handles.size() != 2) std::_Exit(4);
    kept.push_back(std::move(next.handles));
    self.send(answer_to(next.message));
  }
  co_await self.flushed();
}

// Takes all messages up to the last one, and tells how many handles came along.
awaitable<void> count_handles(self_type& self)
{
  result counted;
  std::string what;
  while (what != "last") {
    auto next = co_await self.receive<task>();
    what = next.message.what;
    counted.number += next.handles.size();
  }
  self.send(counted);
}

// Sends so many messages with the handle twice.
awaitable<void> send_copies(self_type& self, cohort::handle sent, std::uint64_t count)
{
  for (std::uint64_t i = 0; i != count; ++i) {
    std::vector<cohort::handle> copies;
    for (int n = 0; n != 2; ++n) copies.push_back(sent.duplicate());
    result message;
    message.number = i;
    self.send(message, std::move(copies));
  }
  co_await self.flushed();
}

awaitable<void> obey(self_type& self)
{
  auto order = co_await self.receive<task>();
  const std::string what = order.message.what;
  const std::uint64_t number = order.message.number;
  if (what == "trade") {
    result report;
    report.what = "traded";
    report.number = co_await trade_files<result, task>(self, number);
    self.send(report);
  } else if (what == "count") {
    co_await count_handles(self);
  } else if (what == "keep and be killed") {
    co_await keep_handles(self, number);
    std::raise(SIGKILL);
  } else if (what == "keep and exit") {
    co_await keep_handles(self, number);
    std::_Exit(3);
  } else if (what == "send and be killed") {
    co_await send_copies(self, std::move(order.handles.front()), number);
    std::raise(SIGKILL);
  }
}

const cohort_test::worker_role obeying_role("handles", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  asio::co_spawn(context, obey(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

// What a primary that dies and its worker are told by COHORT_TEST_RUN: "PATH KEPT LOST".
struct orders {
  std::string path;
  unsigned kept = 0;
  std::string lost;

  orders() { std::istringstream(cohort_test::variable("COHORT_TEST_RUN")) >> path >> kept >> lost; }
};

// Sends the writing end of a FIFO again and again.
awaitable<void> send_for_ever(self_type& self, orders told)
{
  const auto end = cohort::handle::adopt(::open(told.path.c_str(), O_WRONLY | O_CLOEXEC));
  if (told.kept == 0) {
    // So much there is room for although nobody receives.
    co_await send_copies(self, end.duplicate(), 50);
    std::cout << "sent" << std::endl;
  }
  std::error_code error;
  while (!error) {
    for (int i = 0; i != 8; ++i) {
      std::vector<cohort::handle> copies;
      for (int n = 0; n != 2; ++n) copies.push_back(end.duplicate());
      self.send(result(), std::move(copies));
    }
    co_await self.flushed(redirect_error(use_awaitable, error));
  }
}

// How many descriptors of this process are open on that file.
int count_holders(const std::string& path)
{
  struct stat file;
  if (::stat(path.c_str(), &file) != 0) return -1;
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  int count = 0;
  for (int fd = 0; fd != static_cast<int>(limit.rlim_cur); ++fd)
    count += cohort_test::file_identity(fd) == file.st_ino ? 1 : 0;
  return count;
}

const cohort_test::worker_role sending_role("sends handles for ever", [](int, char**) {
  const orders told;
  asio::io_context context(1);
  self_type self(context);
  if (told.lost == "drain") self.set_on_primary_lost(cohort::on_primary_lost::drain);
  asio::co_spawn(context, send_for_ever(self, told), asio::detached);
  context.run();
  std::cout << "held " << count_holders(told.path) << std::endl;
  return EXIT_SUCCESS;
});

awaitable<void> keep_and_die(cluster_type& cluster, unsigned count)
{
  worker_type worker = co_await cluster.co_fork(job_role("sends handles for ever"));
  std::vector<std::vector<cohort::handle>> kept;
  while (kept.size() != count) {
    auto next = co_await worker.receive<result>();
    kept.push_back(std::move(next.handles));
  }
  // Without any it does not read, and waits for who kills it.
  if (count != 0) std::raise(SIGKILL);
}

const cohort_test::worker_role primary_role("primary of handles", [](int, char**) {
  const orders told;
  asio::io_context context(1);
  cluster_type cluster(context);
  asio::co_spawn(context, keep_and_die(cluster, told.kept), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

} // namespace

} // namespace message_handle_roles
