// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/this_worker.hpp>

#include "support/time_factor.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <boost/describe/class.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

/// Messages between a primary and workers that do what they are told, see
/// process/message_roles.cpp.
namespace cohort_test::jobs {

struct task {
  std::string what;
  std::uint64_t number = 0;
};
struct result {
  std::string what;
  std::uint64_t number = 0;
};
struct blob {
  std::vector<std::byte> bytes;
};
struct only_new {
  int value = 0;
};
BOOST_DESCRIBE_STRUCT(task, (), (what, number))
BOOST_DESCRIBE_STRUCT(result, (), (what, number))
BOOST_DESCRIBE_STRUCT(blob, (), (bytes))
BOOST_DESCRIBE_STRUCT(only_new, (), (value))

using job_protocol = cohort::protocol<cohort::to_primary<result, blob>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
// What a later version of the program may have.
using later_protocol = cohort::protocol<cohort::to_primary<result, only_new>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
using cluster_type = cohort::cluster<cohort::round_robin, job_protocol>;
using worker_type = cluster_type::worker_type;
using self_type = cohort::basic_this_worker<job_protocol>;

inline task make_task(std::string what, std::uint64_t number = 0)
{
  task made;
  made.what = std::move(what);
  made.number = number;
  return made;
}

inline result answer_to(const task& asked)
{
  result answer;
  answer.what = asked.what;
  answer.number = asked.number + 1;
  return answer;
}

inline cohort::environment job_role(const char* name)
{
  return cohort::environment().set("COHORT_TEST_ROLE", name);
}

/// Runs a test's coroutine against a cluster, within bounds.
template <class Cluster = cluster_type, class Test>
void with_cluster(Test test, cohort::settings how = cohort::settings())
{
  asio::io_context context(1);
  Cluster cluster(context, how);
  bool done = false;
  asio::co_spawn(context, test(cluster), [&](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
    done = true;
  });
  context.run_for(std::chrono::seconds(60) * time_factor());
  CHECK(done);
  CHECK(cluster.workers().empty());
}

/// A new file that says which one it is.
inline cohort::handle numbered_file(std::uint64_t number)
{
  auto file = cohort::handle::adopt(::memfd_create("numbered", MFD_CLOEXEC));
  if (::pwrite(file.native_handle(), &number, sizeof number, 0) != sizeof number) file.close();
  return file;
}
inline bool is_numbered(const cohort::handle& file, std::uint64_t number)
{
  std::uint64_t found = 0;
  return file.kind() == cohort::handle_kind::memfd &&
         ::pread(file.native_handle(), &found, sizeof found, 0) == sizeof found && found == number;
}

/// Sends numbered messages, each with one to three files of its own, as fast as they leave.
template <class Message, class Endpoint>
asio::awaitable<void> send_files(Endpoint& to, std::uint64_t count)
{
  for (std::uint64_t i = 0; i != count; ++i) {
    std::vector<cohort::handle> files;
    for (std::uint64_t n = 0; n != 1 + i % 3; ++n) files.push_back(numbered_file(3 * i + n));
    Message message;
    message.what = "files";
    message.number = i;
    to.send(std::move(message), std::move(files));
    if (i % 16 == 15) co_await to.flushed(asio::use_awaitable);
  }
  co_await to.flushed(asio::use_awaitable);
}

/// Receives what `send_files` sends: how many messages were as they should be.
template <class Message, class Endpoint>
asio::awaitable<std::uint64_t> receive_files(Endpoint& from, std::uint64_t count)
{
  std::uint64_t right = 0;
  for (std::uint64_t i = 0; i != count; ++i) {
    auto next = co_await from.template receive<Message>(asio::use_awaitable);
    bool good = next.message.number == i && next.handles.size() == 1 + i % 3 && !next.handles_lost;
    for (std::uint64_t n = 0; good && n != next.handles.size(); ++n)
      good = is_numbered(next.handles[n], 3 * i + n);
    right += good ? 1 : 0;
  }
  co_return right;
}

/// Both at once.
template <class Out, class In, class Endpoint>
asio::awaitable<std::uint64_t> trade_files(Endpoint& with, std::uint64_t count)
{
  using namespace asio::experimental::awaitable_operators;
  auto both = send_files<Out>(with, count) && receive_files<In>(with, count);
  const std::uint64_t right = co_await std::move(both);
  co_return right;
}

} // namespace cohort_test::jobs
