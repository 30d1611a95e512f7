// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Groups to which anything is done at any time, in an order that a seed decides; behind it they are
// what a model says that knows only numbers. With programs that are replaced indeed:
// tests/process/upgrade_runs.cpp.

#include "support/event_watcher.hpp"
#include "support/failing_upgrades.hpp"
#include "support/group_model.hpp"
#include "support/seeds.hpp"
#include "support/supervisor_fixture.hpp"

#include <cohort/autoscale.hpp>
#include <cohort/detail/posix/terminal.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/signal_set.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

namespace supervised_runs_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using cohort::reload_options;
using cohort::reload_outcome;
using cohort::reload_result;
using cohort::restart_policy;

namespace {

constexpr std::array signals{SIGTTIN, SIGTTOU, SIGWINCH, SIGHUP, SIGUSR1, SIGUSR2};

// While it lives no signal ends or stops this process, whether a supervisor acts on them or not.
class harmless_signals {
public:
  explicit harmless_signals(asio::io_context& context) : set_(context)
  {
    for (const int each : signals) set_.add(each);
  }

private:
  // Nobody waits for it.
  asio::signal_set set_;
};

class random_run : public supervisor_fixture {
public:
  explicit random_run(unsigned seed)
      : supervisor_fixture(cohort::supervisor_options().upgrade(failing_upgrades::by_signal().how)),
        random_(seed)
  {
    // Everything may happen soon, and nothing is given up.
    const auto policy =
        restart_policy().backoff(1ms, 5ms).intensity(1'000, 60s).boot_failures(1'000);
    const auto rule = [wanted = wanted_](const cohort::group_metrics&) { return *wanted; };
    const auto scale = cohort::autoscale(1, 3, rule).interval(2ms).cooldown(0s);
    master().add(group("plain", 1).restarts(policy));
    master().add(group("scaled", 2).restarts(policy).scalable(1, 3));
    master().add(group("ruled", 1).restarts(policy).autoscale(scale));
  }

  awaitable<void> body()
  {
    begin();
    for (const modelled& each : groups_) co_await serving(each.name, each.model.count());
    const std::size_t before = count_descriptors() - 3 * all_workers();
    for (int step = 0; step != 40; ++step) {
      one_step();
      const bool waits = below(3) != 0;
      if (!waits) continue;
      // Until something has happened, or a little later.
      const auto some_time = std::chrono::milliseconds(below(20));
      const auto never = [] { return false; };
      co_await eventually(never, some_time / time_factor());
      compare_counts();
    }
    // From now on everybody behaves, but who has begun already, and all that was begun comes to its
    // end.
    behave("serve");
    const std::set<cohort::worker_id> early = ids(master().workers());
    const auto all_is_over = [this] {
      return open_reloads_ == 0 && open_signals_ == 0 && !upgrades_.under_way();
    };
    const bool over = co_await eventually(all_is_over, 20s);
    CHECK(over);
    for (const modelled& each : groups_) {
      const bool all_serve = co_await serving(each.name, each.model.count());
      CHECK_MESSAGE(all_serve, each.name);
    }
    for (const modelled& each : groups_)
      for (const cohort::worker& one : master().workers(each.name)) CHECK(one.group() == each.name);
    // Groups hear of the last end a moment after that process is gone.
    const auto is_said = [this] { return is_as_modelled(master().status_text()); };
    const bool said = co_await eventually(is_said);
    CHECK_MESSAGE(said, master().status_text());
    // Each worker has two channels and a pidfd here.
    const auto none_is_left_open = [&] {
      return count_descriptors() == before + 3 * all_workers();
    };
    const bool closed = co_await eventually(none_is_left_open);
    CHECK(closed);
    if (below(2) == 0) upgrades_.begin(master(), endless_);
    upgrades_.ends();
    co_await end(early);
    CHECK(master().workers().empty());
    CHECK(reloads_ == told_);
    upgrades_.check();
    CHECK(has_no_child());
    destroy();
  }

private:
  struct modelled {
    std::string name;
    group_model model;
    std::uint32_t generation = 0;
  };

  unsigned below(std::size_t bound) { return static_cast<unsigned>(random_() % bound); }

  std::size_t all_workers() const
  {
    std::size_t all = 0;
    for (const modelled& each : groups_) all += each.model.count();
    return all;
  }
  // What there is to be does not wait for anything, but for the next time that the rule is asked.
  void compare_counts()
  {
    for (const cohort::group_metrics& each : master().metrics().groups) {
      const modelled& one = *std::ranges::find(groups_, each.name, &modelled::name);
      CHECK_MESSAGE(each.resting == one.model.rests(), each.name);
      if (each.name != "ruled") CHECK_MESSAGE(each.workers == one.model.count(), each.name);
    }
  }
  bool is_as_modelled(const std::string& status) const
  {
    return std::ranges::all_of(groups_, [&](const modelled& each) {
      const std::string count = std::to_string(each.model.count());
      const std::string line = "group " + each.name + " workers " + count + " ready " + count +
                               " starting 0 leaving 0 generation " +
                               std::to_string(each.generation) + " state up\n";
      return status.find(line) != status.npos;
    });
  }

  void hear(const cohort::detail::any_event& event)
  {
    if (const auto* const failure = std::get_if<cohort::error_event>(&event))
      upgrades_.hear(*failure);
    // Also those for which nobody waits, or nobody any more.
    if (const auto* const reload = std::get_if<cohort::reload_event>(&event))
      std::ranges::find(groups_, reload->group, &modelled::name)->generation =
          reload->result.generation;
    if (const auto* const signal = std::get_if<cohort::signal_event>(&event))
      act_on(signal->number);
  }
  void act_on(int signal)
  {
    --open_signals_;
    if (signal == SIGUSR2) return upgrades_.begun_by_signal();
    // A terminal may have sent it for reasons of its own.
    if (signal == SIGWINCH && has_terminal_) return;
    for (modelled& each : groups_) each.model.signalled(signal);
    // It is asked again as soon as it has workers.
    follow_rule();
  }
  void follow_rule()
  {
    if (!groups_.back().model.rests()) groups_.back().model.resized(std::clamp(*wanted_, 1U, 3U));
  }

  void one_step()
  {
    modelled& any = groups_[below(groups_.size())];
    const auto workers = master().workers(any.name);
    const auto some_worker = [&] { return workers[below(workers.size())]; };
    switch (below(17)) {
    case 0: return behave("serve");
    case 1: {
      static const char* const bad[] = {"exit=1", "abort", "ready exit=0", "ready abort", "leave"};
      return behave(bad[below(std::size(bad))]);
    }
    case 2:
      any.model.resized(below(4));
      master().resize(any.name, any.model.count());
      return follow_rule();
    case 3: *wanted_ = below(6); return follow_rule();
    case 4:
      if (!workers.empty()) kill(some_worker());
      return;
    case 5:
      if (!workers.empty()) some_worker().close_channel();
      return;
    case 6:
    case 7: return reload(any);
    case 8:
      if (!signals_.empty()) signals_.back().emit(asio::cancellation_type::total);
      return;
    case 9: return upgrades_.cancel();
    case 10:
    case 11: return upgrades_.begin(master(), failing_ways()[below(failing_ways().size())]);
    default: ++open_signals_; ::kill(::getpid(), signals[below(signals.size())]);
    }
  }

  static void kill(cohort::worker worker)
  {
    // It may have ended.
    std::error_code ignored;
    worker.kill(SIGKILL, ignored);
  }

  void reload(const modelled& which)
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
    master().reload(which.name, how, asio::bind_cancellation_slot(signals_.back().slot(), ended));
  }

  std::mt19937 random_;
  const std::shared_ptr<unsigned> wanted_ = std::make_shared<unsigned>(1);
  std::vector<modelled> groups_{
      {"plain", group_model(1)}, {"scaled", group_model(2, 1, 3)}, {"ruled", group_model(1)}};
  unsigned reloads_ = 0, told_ = 0, open_reloads_ = 0;
  std::deque<asio::cancellation_signal> signals_;
  failing_upgrades upgrades_;
  // As the end of all does, not this upgrade.
  const failing_way endless_{new_program(live_on), "was not ready in time"};
  harmless_signals harmless_{context};
  int open_signals_ = 0;
  const bool has_terminal_ = cohort::detail::posix::has_terminal();
  const std::shared_ptr<event_watcher> watcher_ = event_watcher::watch(
      master().cluster(), [this](const cohort::detail::any_event& event) { hear(event); });
};

} // namespace

TEST_CASE("whatever is done to groups, they become what they should be, and no upgrade is left")
{
  const std::size_t before = count_descriptors();
  const auto run = [](unsigned seed) {
    random_run test(seed);
    auto body = [&] { return test.body(); };
    test.run(body, 60s);
  };
  for_each_seed(50, run);
  CHECK(count_descriptors() == before);
}

} // namespace supervised_runs_test
