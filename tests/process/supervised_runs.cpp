// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A group to which anything is done at any time, in an order that a seed decides; behind it the
// group is what a model says that knows only numbers.

#include "support/supervisor_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/redirect_error.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace supervised_runs_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::reload_options;
using cohort::reload_outcome;
using cohort::reload_result;
using cohort::restart_policy;

namespace {

class random_run : public supervisor_fixture {
public:
  explicit random_run(unsigned seed) : random_(seed)
  {
    // Everything may happen soon, and nothing is given up.
    const auto policy =
        restart_policy().backoff(1ms, 5ms).intensity(1'000, 60s).boot_failures(1'000);
    master().add(group("one", count_).restarts(policy));
  }

  awaitable<void> body()
  {
    watch_reloads();
    begin();
    co_await serving("one", count_);
    const std::size_t before = count_descriptors();
    for (int step = 0; step != 30; ++step) {
      one_step();
      const bool waits = below(3) != 0;
      if (!waits) continue;
      // Until something has happened, or a little later.
      const auto some_time = std::chrono::milliseconds(below(20));
      const auto never = [] { return false; };
      co_await eventually(never, some_time / time_factor());
    }
    // From now on everybody behaves, and all that was begun comes to its end.
    behave("serve");
    const auto none_runs = [this] { return open_reloads_ == 0; };
    const bool over = co_await eventually(none_runs, 20s);
    CHECK(over);
    const bool all_serve = co_await serving("one", count_);
    CHECK(all_serve);
    for (const cohort::worker& each : master().workers("one")) CHECK(each.group() == "one");
    const std::string line = "group one workers " + std::to_string(count_) + " ready " +
                             std::to_string(count_) + " starting 0 leaving 0 generation " +
                             std::to_string(generation_) + " state up\n";
    // The group hears of the last end a moment after that process is gone.
    const auto is_said = [&] { return master().status_text().starts_with(line); };
    const bool said = co_await eventually(is_said);
    CHECK_MESSAGE(said, master().status_text());
    // Each worker has two channels and a pidfd here.
    const auto none_is_left_open = [&] {
      return count_descriptors() - 3 * count_ == before - 3 * first_count_;
    };
    const bool closed = co_await eventually(none_is_left_open);
    CHECK(closed);
    co_await end();
    CHECK(master().workers().empty());
    CHECK(reloads_ == told_);
    destroy();
  }

private:
  // Also those for which nobody waits any more may succeed.
  void watch_reloads()
  {
    reload_events_.next([this](std::error_code error, const cohort::reload_event& event) {
      if (error) return;
      generation_ = event.result.generation;
      watch_reloads();
    });
  }

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  void one_step()
  {
    auto workers = master().workers("one");
    switch (below(8)) {
    case 0: return behave("serve");
    case 1: {
      static const char* const bad[] = {"exit=1", "abort", "ready exit=0", "ready abort", "leave"};
      return behave(bad[below(std::size(bad))]);
    }
    case 2: count_ = below(4); return master().resize("one", count_);
    case 3:
      if (!workers.empty()) kill(workers[below(static_cast<unsigned>(workers.size()))]);
      return;
    case 4:
      if (!workers.empty()) workers[below(static_cast<unsigned>(workers.size()))].close_channel();
      return;
    case 5:
    case 6: return reload();
    case 7:
      if (!signals_.empty()) signals_.back().emit(asio::cancellation_type::total);
      return;
    }
  }

  static void kill(cohort::worker worker)
  {
    // It may have ended.
    std::error_code ignored;
    worker.kill(SIGKILL, ignored);
  }

  void reload()
  {
    reload_options how;
    how.at_once(1 + below(3)).probation(std::chrono::milliseconds(below(3)));
    if (below(2) == 0) how.old(cohort::old_workers::leave_one_by_one);
    ++reloads_;
    ++open_reloads_;
    signals_.emplace_back();
    const auto ended = [this](std::error_code error, const reload_result& result) {
      ++told_;
      --open_reloads_;
      if (error == cohort::error::reload_failed) CHECK_FALSE(result.succeeded());
    };
    master().reload("one", how, asio::bind_cancellation_slot(signals_.back().slot(), ended));
  }

  std::mt19937 random_;
  unsigned first_count_ = 2;
  unsigned count_ = first_count_;
  std::uint32_t generation_ = 0;
  unsigned reloads_ = 0, told_ = 0, open_reloads_ = 0;
  std::deque<asio::cancellation_signal> signals_;
  cohort::subscription<cohort::reload_event> reload_events_ =
      master().subscribe<cohort::reload_event>();
};

} // namespace

TEST_CASE("whatever is done to a group, it becomes what it should be")
{
  const std::size_t before = count_descriptors();
  const char* const chosen = std::getenv("COHORT_TEST_SEED");
  const unsigned runs = chosen ? 1 : std::max(1U, 50 / time_factor());
  for (unsigned run = 0; run != runs; ++run) {
    const unsigned seed = chosen ? static_cast<unsigned>(std::stoul(chosen)) : run;
    CAPTURE(seed);
    random_run test(seed);
    auto body = [&] { return test.body(); };
    test.run(body, 60s);
  }
  CHECK(count_descriptors() == before);
}

} // namespace supervised_runs_test
