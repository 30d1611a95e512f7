// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json.hpp>
#include <cohort/supervisor.hpp>

#include "support/cluster_fixture.hpp"
#include "support/context_fixture.hpp"
#include "support/kept_port.hpp"
#include "support/scratch.hpp"

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort_test {

/// Who they are.
inline std::set<cohort::worker_id> ids(const std::vector<cohort::worker>& workers)
{
  std::set<cohort::worker_id> all;
  for (const cohort::worker& each : workers) all.insert(each.id());
  return all;
}

/// A supervisor inside the test. Its workers play the role "supervised", see
/// `tests/process/supervised_role.cpp`, unless a test says otherwise.
template <class Policy>
class basic_supervisor_fixture : public context_fixture {
public:
  using supervisor_type = cohort::supervisor<Policy>;

  explicit basic_supervisor_fixture(
      const cohort::supervisor_options& options = cohort::supervisor_options())
      : storage_(std::in_place, context, options)
  {
    behave("serve");
  }

  /// Workers that a failed test has left are killed.
  ~basic_supervisor_fixture()
  {
    join();
    if (!storage_ || master().workers().empty()) return;
    master().kill(SIGKILL);
    storage_.reset();
    context.restart();
    context.run_for(std::chrono::seconds(10));
  }

  supervisor_type& master() { return *storage_; }
  void destroy() { storage_.reset(); }

  /// What each worker does that is started from now on.
  void behave(const std::string& how)
  {
    const std::string fresh = scratch.file("behaviour.new");
    std::ofstream(fresh) << how << '\n';
    REQUIRE(std::rename(fresh.c_str(), scratch.file("behaviour").c_str()) == 0);
  }

  /// A group of such workers.
  cohort::group group(const std::string& name, unsigned workers)
  {
    auto variables = role("supervised").set("COHORT_TEST_BEHAVIOUR", scratch.file("behaviour"));
    variables.set("COHORT_TEST_STARTS", scratch.file("starts"));
    return cohort::group(name).workers(workers).settings(cohort::settings().env(variables));
  }

  /// A group of workers that listen there together with the primary.
  cohort::group server_group(const std::string& name, unsigned workers, const kept_port& port)
  {
    const asio::ip::tcp::endpoint where(asio::ip::address_v4::loopback(), port.number());
    cohort::settings how;
    how.env(cohort::environment().set("COHORT_TEST_LISTEN", port.text()));
    return group(name, workers).settings(how).listen(where);
  }

  /// How many workers have begun to run the role.
  std::size_t starts() const
  {
    std::ifstream file(scratch.file("starts"), std::ios::binary);
    return static_cast<std::size_t>(
        std::distance(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  }

  /// Begins to run it; `ended()` later waits for the end.
  void begin()
  {
    master().run([this](std::error_code error) { ended_ = error; });
  }
  /// How `run` has ended, if it has.
  const std::optional<std::error_code>& end_of_run() const { return ended_; }

  /// Waits until so many of the group's workers are ready, and there are no others.
  awaitable<bool> serving(std::string name, std::size_t workers)
  {
    const auto all_are_ready = [this, name, workers] {
      note_ready();
      const auto all = master().workers(name);
      return all.size() == workers && std::ranges::all_of(all, [this](const auto& each) {
        return ready_.contains(each.id());
      });
    };
    const bool so = co_await eventually(all_are_ready, std::chrono::seconds(10));
    co_return so;
  }

  /// Ends all, and expects that everybody leaves with code 0, but for those who may do what they
  /// like.
  awaitable<void> end(std::set<cohort::worker_id> unruly = {})
  {
    const std::vector<cohort::exit_event> exits =
        co_await master().disconnect(std::chrono::seconds(5));
    for (const cohort::exit_event& each : exits) {
      // Whose runtime has not said hello gets SIGTERM.
      const bool is_early = each.status.signal() == SIGTERM && !ready_.contains(each.worker);
      const bool is_good = each.status.success() || is_early || unruly.contains(each.worker);
      CHECK_MESSAGE(is_good, "worker ", each.worker, " ", each.status.to_string());
    }
    const auto has_ended = [this] { return ended_.has_value(); };
    const bool over = co_await eventually(has_ended);
    CHECK(over);
  }

  scratch_directory scratch;

private:
  // Who has said so.
  void note_ready()
  {
    for (const auto& each : master().workers()) {
      if (!watched_.insert(each.id()).second) continue;
      each.ready([this, id = each.id()](std::error_code error) {
        if (!error) ready_.insert(id);
      });
    }
  }

  std::optional<supervisor_type> storage_;
  std::optional<std::error_code> ended_;
  std::set<cohort::worker_id> watched_, ready_;
};

using supervisor_fixture = basic_supervisor_fixture<cohort::round_robin>;

} // namespace cohort_test
