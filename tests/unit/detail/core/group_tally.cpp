// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/group_tally.hpp>

#include "support/no_messages.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

namespace group_tally_test {

using namespace cohort::detail;
using cohort::group_counters;
using cohort::retire_reason;
using cohort::worker_id;

namespace {

// A worker without a process.
struct said_worker final : worker_core {
  said_worker(asio::io_context& context, worker_id id, posix::unique_fd messages)
      : worker_core(context.get_executor(), cohort::candidate(id),
            cohort_test::no_messages().open(
                context.get_executor(), std::move(messages), cohort::channel_options(), id))
  {
  }
  ~said_worker() { messages_->close(); }

  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}

  using worker_core::hung_;
  using worker_core::requests_;
};

// A group of which each worker is started and ready, and its counters.
struct tally_test {
  explicit tally_test(unsigned workers) : state(cohort::restart_policy(), workers, false, 1)
  {
    state.begin(now);
    run();
    for (const auto& each : workers_) state.ready(each->id(), now);
    run();
  }

  void run()
  {
    while (const auto action = state.next()) {
      if (action->what != group_action::kind::start) continue;
      std::error_code error;
      auto sockets = posix::stream_pair(error);
      REQUIRE(!error);
      peers.push_back(std::move(sockets.second));
      const auto id = static_cast<worker_id>(workers_.size() + 1);
      workers_.push_back(std::make_shared<said_worker>(context, id, std::move(sockets.first)));
      tally.started(workers_.back());
      state.started(action->place, id, now);
    }
  }
  group_counters ended(worker_id worker, worker_end how = worker_end::died)
  {
    tally.ended(worker, state, how);
    state.exited(worker, how, now);
    run();
    return tally.counters();
  }

  group_time now{std::chrono::hours(1)};
  asio::io_context context{1};
  std::vector<posix::unique_fd> peers;
  std::vector<std::shared_ptr<said_worker>> workers_;
  group_state state;
  group_tally tally;
};

} // namespace

TEST_CASE("each reason to replace a worker has a counter of its own")
{
  group_counters counters;
  std::set<std::uint64_t*> all;
  for (const auto reason : {retire_reason::requests, retire_reason::asked, retire_reason::age,
           retire_reason::memory, retire_reason::descriptors})
    CHECK(all.insert(&retired_for(counters, reason)).second);
}

TEST_CASE("a worker that nobody has told to leave has died, has left, or never was ready")
{
  tally_test test(3);
  CHECK(test.tally.counters().started == 3);
  CHECK(test.ended(1).died == 1);
  CHECK(test.ended(2, worker_end::normal).left == 1);
  CHECK(test.ended(3, worker_end::announced).left == 2);
  // Those that followed at once are not ready.
  CHECK(test.ended(4).never_ready == 1);
  test.workers_[4]->hung_ = true;
  CHECK(test.ended(5).hung == 1);
  CHECK(test.tally.counters().died == 1);
}

TEST_CASE("a worker that was told to leave counts for why, however it ended")
{
  tally_test test(2);
  test.tally.retires(1, retire_reason::age);
  // The first reason counts.
  test.tally.retires(1, retire_reason::memory);
  test.state.retire(1, test.now);
  test.run();
  test.state.ready(3, test.now);
  CHECK(test.ended(1).retired_age == 1);
  test.state.resize(1, test.now);
  CHECK(test.ended(2).dismissed == 1);
  REQUIRE(test.state.reload(1, cohort::reload_options(), test.now));
  test.run();
  test.state.ready(4, test.now);
  CHECK(test.ended(3).reloaded == 1);
  test.tally.retires(4, retire_reason::asked);
  test.state.stop(test.now);
  const group_counters all = test.ended(4);
  CHECK((all.dismissed == 2 && all.retired_asked == 0 && all.retired_memory == 0));
  CHECK((all.started == 4 && all.died == 0));
}

TEST_CASE("requests count while a worker lives and when it has ended")
{
  tally_test test(2);
  test.workers_[0]->requests_ = 5;
  test.workers_[1]->requests_ = 7;
  CHECK(test.tally.counters().requests == 12);
  CHECK(test.ended(1).requests == 12);
  // Nobody is counted twice.
  CHECK(test.ended(1).requests == 12);
  CHECK(test.tally.counters().died == 1);
}

} // namespace group_tally_test
