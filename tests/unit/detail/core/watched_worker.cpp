// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/watched_worker.hpp>

#include "support/event_loop.hpp"
#include "support/no_messages.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace watched_worker_test {

using namespace std::chrono_literals;
using namespace cohort::detail;
using strings = std::vector<std::string>;

namespace {

struct noted_cluster {
  struct noted_connections {
    void set_weight(cohort::worker_id worker, std::uint32_t weight)
    {
      CHECK(worker == 5);
      said.push_back("weight " + std::to_string(weight));
    }
    strings& said;
  };

  void publish(const any_event& event)
  {
    if (std::holds_alternative<cohort::ready_event>(event)) said.push_back("ready");
    if (std::holds_alternative<cohort::stalled_event>(event)) said.push_back("stalled");
    if (std::holds_alternative<cohort::recovered_event>(event)) said.push_back("recovered");
  }
  void ended(const cohort::exit_event&) {}
  bool relay(cohort::worker_id, const wire::message_view&) { return false; }
  noted_connections connections() { return noted_connections{said}; }

  strings said;
};

struct idle_worker final : watched_worker<noted_cluster> {
  using base = watched_worker<noted_cluster>;

  idle_worker(asio::io_context& context, noted_cluster& owner, posix::unique_fd messages,
      const cohort::settings& how)
      : base(context.get_executor(), cohort::candidate(5), owner,
            cohort_test::no_messages().open(
                context.get_executor(), std::move(messages), cohort::channel_options(), 5),
            how)
  {
    posix::child_options options;
    options.path = "/bin/sleep";
    options.argv = {"sleep", "1000"};
    std::error_code error;
    process_ = process::start(
        executor_, options, [this](cohort::exit_status status) { ended = status; }, error);
    REQUIRE_MESSAGE(!error, error.message());
    state_.hello();
    state_.ready();
  }
  ~idle_worker() { messages_->close(); }

  void disconnect(duration) override {}
  void close_channel() override {}

  void serve() { publish_ready(); }
  void drain() { state_.drain_requested(); }
  void hear(std::uint32_t lag) { note(wire::beat{lag}); }
  void go() { set_gone(); }

  std::optional<cohort::exit_status> ended;
};

struct watched_test {
  explicit watched_test(const cohort::settings& how)
  {
    std::error_code error;
    auto sockets = posix::stream_pair(error);
    REQUIRE(!error);
    peer = std::move(sockets.second);
    worker = std::make_shared<idle_worker>(context, cluster, std::move(sockets.first), how);
  }
  ~watched_test()
  {
    std::error_code ignored;
    worker->go();
    worker->kill(SIGKILL, ignored);
    CHECK(run_until([this] { return worker->ended.has_value(); }));
    cohort_test::run_ready(context);
    CHECK(worker.use_count() == 1);
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_until(context, done);
  }

  asio::io_context context{1};
  noted_cluster cluster;
  posix::unique_fd peer;
  std::shared_ptr<idle_worker> worker;
};

} // namespace

TEST_CASE("a worker that is not heard gets no connections until it is, whatever its weight becomes")
{
  watched_test test(cohort::settings().heartbeat(2ms));
  test.worker->set_weight(3);
  test.worker->serve();
  CHECK(test.run_until([&] { return test.worker->is_stalled(); }));
  CHECK(test.cluster.said == strings{"weight 3", "ready", "weight 0", "stalled"});
  test.worker->set_weight(7);
  CHECK(test.worker->description().weight == 7);
  test.worker->hear(1500);
  CHECK(test.worker->lag() == 1500us);
  CHECK_FALSE(test.worker->is_stalled());
  CHECK(test.cluster.said ==
        strings{"weight 3", "ready", "weight 0", "stalled", "weight 7", "recovered"});
}

TEST_CASE("a worker that hangs is aborted")
{
  watched_test test(cohort::settings().heartbeat(2ms, 2));
  test.worker->serve();
  CHECK(test.run_until([&] { return test.worker->ended.has_value(); }));
  CHECK(test.worker->ended == cohort::exit_status::signalled(SIGABRT));
}

TEST_CASE("a worker that drains is not judged by its silence")
{
  watched_test test(cohort::settings().heartbeat(1ms, 2));
  test.worker->serve();
  test.worker->drain();
  test.context.restart();
  test.context.run_for(20ms);
  CHECK(test.cluster.said == strings{"ready"});
  CHECK_FALSE(test.worker->ended);
}

} // namespace watched_worker_test
