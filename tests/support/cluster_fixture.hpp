// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/environment.hpp>
#include <cohort/event.hpp>
#include <cohort/message/json.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker.hpp>

#include "support/client.hpp"
#include "support/context_fixture.hpp"
#include "support/scratch.hpp"

#include <asio/connect.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <csignal>
#include <doctest/doctest.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cohort_test {

/// What `co_fork` is given so that the worker plays that role.
inline cohort::environment role(const std::string& name)
{
  return cohort::environment().set("COHORT_TEST_ROLE", name);
}

/// A worker that listens as `tests/process/server_role.cpp` says: "127.0.0.1:0 credit=4 accept=1".
inline cohort::environment server(const std::string& listen = "127.0.0.1:0")
{
  return role("server").set("COHORT_TEST_LISTEN", listen);
}

/// A primary inside the test: its context, its cluster, and a bound on all it does.
template <class Policy>
class basic_cluster_fixture : public context_fixture {
public:
  explicit basic_cluster_fixture(
      const cohort::settings& how = cohort::settings(), Policy policy = Policy())
      : cluster_storage_(std::in_place, context, how, std::move(policy))
  {
  }

  /// Workers that a failed test has left are killed.
  ~basic_cluster_fixture()
  {
    join();
    if (!cluster_storage_ || cluster().workers().empty()) return;
    cluster().kill(SIGKILL);
    context.restart();
    context.run_for(std::chrono::seconds(10));
  }
  basic_cluster_fixture(const basic_cluster_fixture&) = delete;
  basic_cluster_fixture& operator=(const basic_cluster_fixture&) = delete;

  cohort::cluster<Policy>& cluster() { return *cluster_storage_; }
  void destroy_cluster() { cluster_storage_.reset(); }

  /// Forks, and waits until the worker listens.
  awaitable<cohort::worker> start(cohort::environment variables = server());
  /// The same for several, one after another, so that they join in the order of their ids.
  awaitable<std::vector<cohort::worker>> start(
      unsigned count, cohort::environment variables = server());

  /// The port on which the worker, which listens, listens.
  awaitable<address> address_of(cohort::worker worker);

  /// Ends the cluster and expects that all workers end with code 0.
  awaitable<void> end();

  /// Has the worker carry out a command, see `tests/process/server_role.cpp`; its answer. For
  /// workers whose environment has `controlled`.
  awaitable<std::string> command(cohort::worker worker, std::string line);
  /// To be laid over a role so that the worker takes commands.
  cohort::environment controlled(cohort::environment variables)
  {
    return std::move(variables).set("COHORT_TEST_CONTROL", scratch.path());
  }

  scratch_directory scratch;

private:
  std::optional<cohort::cluster<Policy>> cluster_storage_;
};

using cluster_fixture = basic_cluster_fixture<cohort::round_robin>;

// Implementation

template <class Policy>
awaitable<cohort::worker> basic_cluster_fixture<Policy>::start(cohort::environment variables)
{
  cohort::worker worker = co_await cluster().co_fork(std::move(variables));
  co_await worker.listening();
  co_return worker;
}

template <class Policy>
awaitable<std::vector<cohort::worker>> basic_cluster_fixture<Policy>::start(
    unsigned count, cohort::environment variables)
{
  std::vector<cohort::worker> workers;
  while (workers.size() != count) {
    cohort::worker worker = co_await start(variables);
    workers.push_back(worker);
  }
  co_return workers;
}

template <class Policy>
awaitable<address> basic_cluster_fixture<Policy>::address_of(cohort::worker worker)
{
  const cohort::listening_event event = co_await worker.listening();
  switch (event.type) {
  case cohort::address_type::tcp6: co_return address::tcp6(event.port);
  case cohort::address_type::unix_path: co_return address::local(event.address);
  default: co_return address::tcp4(event.port);
  }
}

template <class Policy>
awaitable<void> basic_cluster_fixture<Policy>::end()
{
  const std::vector<cohort::exit_event> exits = co_await cluster().disconnect();
  for (const cohort::exit_event& each : exits) {
    CHECK_MESSAGE(each.status.success(), "worker ", each.worker, ' ', each.status.to_string());
    CHECK(each.voluntary);
  }
  CHECK(cluster().workers().empty());
}

template <class Policy>
awaitable<std::string> basic_cluster_fixture<Policy>::command(
    cohort::worker worker, std::string line)
{
  asio::local::stream_protocol::socket socket(context);
  const asio::local::stream_protocol::endpoint where(scratch.file(std::to_string(worker.id())));
  co_await socket.async_connect(where, asio::use_awaitable);
  line += '\n';
  co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
  std::string reply;
  auto buffer = asio::dynamic_buffer(reply);
  co_await asio::async_read_until(socket, buffer, '\n', asio::use_awaitable);
  reply.pop_back();
  co_return reply;
}

} // namespace cohort_test
