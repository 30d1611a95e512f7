// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Random sequences of all that can be done to workers, against a model: whatever is seen of a
// worker has to be possible after what was done to it, and nothing of it is an error. A failure
// names its seed.

#include "support/ending_workers.hpp"
#include "support/life_model.hpp"
#include "support/worker_roles.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace node_mixed_runs {

using namespace cohort_test;
using namespace std::chrono_literals;
using enum life_command;

namespace {

class mixed_run {
public:
  explicit mixed_run(unsigned seed) : random_(seed) {}

  void run();

private:
  using life_events = cohort::subscription<cohort::fork_event, cohort::online_event,
      cohort::listening_event, cohort::disconnect_event, cohort::exit_event, cohort::error_event>;
  using event = life_events::value_type;

  static constexpr std::size_t most_workers_ = 4;
  static constexpr int operations_ = 24;

  struct life {
    cohort::worker worker;
    life_model model;
    bool online = false;
  };

  std::size_t below(std::size_t limit)
  {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  // Runs what is ready: what has happened so far is seen then, and what is done next comes after
  // it.
  void catch_up()
  {
    context_.restart();
    context_.poll();
  }
  template <class Done>
  bool run_until(Done done);

  void do_something();
  void fork();
  void hang_up();
  void act_on(life& one);
  void tell_something(life& one);

  void see_events();
  void see(const event& what);
  void see_messages();
  void check(const std::string& wrong, cohort::worker_id worker)
  {
    CHECK_MESSAGE(wrong.empty(), "worker ", worker, ": ", wrong);
  }

  std::mt19937 random_;
  asio::io_context context_{1};
  // Nobody is killed for being slow.
  cohort::cluster<> cluster_{context_, cohort::settings().fence_grace(60s)};
  life_events events_ = cluster_.subscribe<cohort::fork_event, cohort::online_event,
      cohort::listening_event, cohort::disconnect_event, cohort::exit_event, cohort::error_event>();
  std::map<cohort::worker_id, life> lives_;
  std::vector<std::uint16_t> ports_;
  std::vector<client> clients_;
};

void mixed_run::run()
{
  see_events();
  see_messages();
  for (int i = 0; i != operations_; ++i) {
    catch_up();
    do_something();
    // Sometimes the next thing is done at once, sometimes after something has happened.
    if (below(2) == 0) {
      context_.restart();
      context_.run_one_for(5ms);
    }
  }
  // Who is served would hold a drain up.
  clients_.clear();
  catch_up();
  bool ended = false;
  for (auto& [id, one] : lives_)
    if (!one.worker.is_dead()) one.model.disconnected();
  cluster_.disconnect(60s, [&](std::error_code error, const std::vector<cohort::exit_event>&) {
    CHECK_FALSE(error);
    ended = true;
  });
  CHECK(run_until([&] { return ended; }));
  catch_up();
  for (const auto& [id, one] : lives_) {
    CAPTURE(id);
    CHECK(one.model.is_over());
    CHECK(one.worker.is_dead());
    CHECK_FALSE(one.worker.is_connected());
  }
  CHECK(cluster_.workers().empty());
  const cohort::connection_counters counters = cluster_.counters();
  CHECK(counters.accepted == counters.taken + counters.closed);
}

template <class Done>
bool mixed_run::run_until(Done done)
{
  const auto deadline = std::chrono::steady_clock::now() + 30s * time_factor();
  context_.restart();
  while (!done() && context_.run_one_until(deadline) != 0) {
  }
  return done();
}

void mixed_run::do_something()
{
  std::vector<life*> living;
  for (auto& [id, one] : lives_)
    if (!one.worker.is_dead()) living.push_back(&one);
  if (living.size() < most_workers_ && below(4) <= 1) return fork();
  if (living.empty()) return fork();
  if (!ports_.empty() && below(4) == 0) {
    // To one that listens, or did: then it is refused.
    clients_.emplace_back(address::tcp4(ports_[below(ports_.size())]));
    return;
  }
  if (!clients_.empty() && below(4) == 0) return hang_up();
  act_on(*living[below(living.size())]);
}

void mixed_run::fork()
{
  cluster_.co_fork(ending(), [this](std::error_code error, cohort::worker worker) {
    CHECK_FALSE(error);
    life& one = lives_[worker.id()];
    one.worker = worker;
    // Who waits at the worker is told of it before whatever follows.
    worker.online([&one](std::error_code gone) { one.online = !gone; });
  });
  // The handle comes with the next turn, before anything is done to it.
  catch_up();
}

// Whether it was served, waits, or was refused.
void mixed_run::hang_up()
{
  std::swap(clients_[below(clients_.size())], clients_.back());
  if (below(2) == 0) clients_.back().abort();
  clients_.pop_back();
}

void mixed_run::act_on(life& one)
{
  switch (below(8)) {
  case 0:
    one.worker.disconnect(60s, [](std::error_code, cohort::exit_status) {});
    one.model.disconnected();
    return;
  case 1: {
    const int signal = below(2) == 0 ? SIGTERM : SIGKILL;
    std::error_code error;
    one.worker.kill(signal, error);
    if (!error) one.model.signalled(signal);
    return;
  }
  case 2:
    if (one.worker.is_connected()) one.model.cut();
    one.worker.close_channel();
    return;
  default: tell_something(one);
  }
}

void mixed_run::tell_something(life& one)
{
  static const std::map<life_command, std::string> words{{listen, "listen"},
      {disconnect, "disconnect"}, {kill, "kill 4"}, {close_channel, "close_channel"},
      {exit, "exit 3"}, {load, "load 200"}};
  std::string message;
  life_model::commands commands;
  // Most are told to listen, some to end, some to end twice at once, some to talk while they end.
  for (std::size_t count = 1 + below(2); count != 0; --count) {
    const life_command next =
        below(2) == 0 ? listen : static_cast<life_command>(below(words.size()));
    commands.push_back(next);
    message += (message.empty() ? "" : ",") + words.at(next);
  }
  if (cohort::is_sent(one.worker.send(boost::json::value(message)))) one.model.told(commands);
}

void mixed_run::see_events()
{
  events_.next([this](std::error_code error, const event& next) {
    if (error) return;
    see(next);
    see_events();
  });
}

void mixed_run::see(const event& what)
{
  // Whatever is done here a worker may do: one that is blamed is blamed by mistake.
  if (const auto* error = std::get_if<cohort::error_event>(&what))
    return check(error->what + ": " + error->code.message(), error->worker);
  const auto look = [this](const auto& each) {
    using kind = std::decay_t<decltype(each)>;
    life& one = lives_[each.worker];
    std::string wrong;
    if constexpr (std::is_same_v<kind, cohort::fork_event>) {
      wrong = one.model.saw_fork();
    } else if constexpr (std::is_same_v<kind, cohort::online_event>) {
      wrong = one.model.saw_online();
    } else if constexpr (std::is_same_v<kind, cohort::listening_event>) {
      wrong = one.model.saw_listening();
      ports_.push_back(each.port);
    } else if constexpr (std::is_same_v<kind, cohort::disconnect_event>) {
      wrong = one.model.saw_disconnect();
    } else if constexpr (std::is_same_v<kind, cohort::exit_event>) {
      wrong = one.model.saw_exit(each.status, each.voluntary);
    }
    check(wrong, each.worker);
    // The handle has left the cluster before the second end is told.
    if (one.model.is_over()) CHECK_FALSE(cluster_.find(each.worker));
  };
  std::visit(look, what);
}

// Each says one thing, when it is online; what is left of one that died before comes afterwards.
void mixed_run::see_messages()
{
  cluster_.receive([this](std::error_code error, const auto& next) {
    if (error) return;
    const life& one = lives_[next.worker];
    const bool too_early = !one.online && one.worker.is_connected();
    check(too_early ? "a message before it was online" : "", next.worker);
    see_messages();
  });
}

} // namespace

TEST_CASE("whatever is done to workers in whatever order, each ends as it may, and nothing is left")
{
  // Sanitizers and the like make do with fewer.
  const unsigned runs = 100 / time_factor();
  const std::string chosen = variable("COHORT_TEST_SEED");
  const unsigned first =
      chosen.empty() ? std::random_device()() : static_cast<unsigned>(std::stoul(chosen));
  for (unsigned i = 0; i != runs; ++i) {
    const unsigned seed = first + i;
    CAPTURE(seed);
    mixed_run one(seed);
    one.run();
  }
}

} // namespace node_mixed_runs
