// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"
#include "support/sleeping_process.hpp"

#include <cohort/candidate.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker_id.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort_test {

/// A worker of a kind such as `limited_worker<Cluster>`: with a process that does nothing, and a
/// message channel that is nobody's. What it says is for the test to make up.
template <class Kind>
struct sleeping_worker : Kind {
  static constexpr cohort::worker_id number = 5;

  template <class Cluster>
  sleeping_worker(asio::io_context& context, Cluster& owner,
      cohort::detail::posix::unique_fd messages, const cohort::settings& how)
      : Kind(context.get_executor(), cohort::candidate(number), owner,
            no_messages().open(
                context.get_executor(), std::move(messages), cohort::channel_options(), number),
            how)
  {
    this->process_ = start_sleeping(this->executor_, [this](cohort::exit_status status) {
      this->state_.exited(status);
      this->set_gone();
    });
  }
  ~sleeping_worker() { this->messages_->close(); }

  void disconnect(typename Kind::duration) override {}
  void close_channel() override {}

  void come_ready()
  {
    this->state_.hello();
    this->state_.ready();
    this->publish_ready();
  }
  void drain() { this->state_.drain_requested(); }
  template <class Message>
  void hear(const Message& message)
  {
    this->note(message);
  }
};

/// A cluster with one such worker. In the end that is killed, and nobody holds it.
template <class Worker, class Cluster>
struct cluster_of_one {
  explicit cluster_of_one(const cohort::settings& how)
  {
    std::error_code error;
    auto sockets = cohort::detail::posix::stream_pair(error);
    REQUIRE(!error);
    peer = std::move(sockets.second);
    worker = std::make_shared<Worker>(context, cluster, std::move(sockets.first), how);
  }
  ~cluster_of_one()
  {
    std::error_code ignored; // it may have ended
    worker->kill(SIGKILL, ignored);
    CHECK(until([this] { return worker->state().is_dead(); }));
    run_ready(context);
    CHECK(worker.use_count() == 1);
  }

  template <class Done>
  bool until(Done done)
  {
    return run_until(context, done);
  }

  asio::io_context context{1};
  Cluster cluster;
  cohort::detail::posix::unique_fd peer;
  std::shared_ptr<Worker> worker;
};

} // namespace cohort_test
