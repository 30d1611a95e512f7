// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Every way to end a worker, alone, twice, together with every other one, and of a worker that can
// do nothing any more: each event once, and a status and an announcement that one of them explains.

#include "support/ending_workers.hpp"
#include "support/life_model.hpp"
#include "support/stopped_worker.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <csignal>
#include <string>
#include <vector>

namespace node_ending_matrix {

using namespace cohort_test;
using namespace std::chrono_literals;
using enum life_command;

namespace {

/// What the primary does, or what a worker is told to do, and what comes of it.
struct way {
  const char* name;
  const char* told;
  cohort::exit_status status;
  bool announced;
};

const way ways[] = {
    {"the primary disconnects it", nullptr, cohort::exit_status::exited(0), true},
    {"the primary sends SIGTERM", nullptr, cohort::exit_status::signalled(SIGTERM), false},
    {"the primary cuts its channel", nullptr, cohort::exit_status::exited(0), false},
    {"the primary sends SIGKILL", nullptr, cohort::exit_status::signalled(SIGKILL), false},
    {"it leaves", "disconnect", cohort::exit_status::exited(0), true},
    {"it ends itself", "kill 4", cohort::exit_status::exited(4), true},
    {"it cuts its channel", "close_channel", cohort::exit_status::exited(0), false},
    {"it exits", "exit 3", cohort::exit_status::exited(3), false},
};

life_command command_of(const way& how)
{
  const std::string told = how.told;
  return told == "disconnect" ? disconnect
         : told == "kill 4"   ? kill
         : told == "exit 3"   ? exit
                              : close_channel;
}

// Both in one message when it is the worker's to do both.
void end(cohort::worker worker, life_model& model, const std::vector<const way*>& together)
{
  std::string commands;
  life_model::commands told;
  const auto say = [&] {
    if (!told.empty() && cohort::is_sent(worker.send(boost::json::value(commands))))
      model.told(told);
    told.clear();
  };
  for (const way* each : together) {
    if (each->told) {
      commands += (told.empty() ? "" : ",") + std::string(each->told);
      told.push_back(command_of(*each));
      continue;
    }
    say();
    const std::string name = each->name;
    std::error_code ignored;
    if (name.ends_with("disconnects it")) {
      worker.disconnect([](std::error_code, cohort::exit_status) {});
      model.disconnected();
    } else if (name.ends_with("cuts its channel")) {
      worker.close_channel();
      model.cut();
    } else {
      const int signal = each->status.signal();
      worker.kill(signal, ignored);
      model.signalled(signal);
    }
  }
  say();
}

class matrix {
public:
  explicit matrix(cluster_fixture& primary) : primary_(primary) {}

  // One worker that ends in these ways at once; frozen it cannot do anything itself.
  awaitable<void> one(std::vector<const way*> together, bool frozen = false);

private:
  awaitable<void> events_of(cohort::worker worker, life_model& model, bool& announced);

  cluster_fixture& primary_;
  cohort::subscription<cohort::fork_event, cohort::online_event, cohort::disconnect_event,
      cohort::exit_event>
      events_ = primary_.cluster()
                    .subscribe<cohort::fork_event, cohort::online_event, cohort::disconnect_event,
                        cohort::exit_event>();
};

awaitable<void> matrix::one(std::vector<const way*> together, bool frozen)
{
  std::string name;
  for (const way* each : together) name += (name.empty() ? "" : ", ") + std::string(each->name);
  if (frozen) name += ", frozen and killed";
  CAPTURE(name);
  cohort::worker worker = co_await primary_.cluster().co_fork(ending());
  const std::string first = co_await heard(worker);
  CHECK(first == "started");
  life_model model;
  auto forked = co_await events_.next();
  CHECK(forked.index() == 0);
  CHECK(model.saw_fork().empty());
  auto online = co_await events_.next();
  CHECK(online.index() == 1);
  CHECK(model.saw_online().empty());
  if (frozen) {
    CHECK(cohort_test::stop_worker(worker));
  }
  end(worker, model, together);
  if (frozen) {
    worker.kill(SIGKILL);
    model.signalled(SIGKILL);
  }
  const cohort::exit_status status = co_await worker.exited();
  bool announced = false;
  co_await events_of(worker, model, announced);
  CHECK(announced == worker.exited_after_disconnect());
  bool status_explained = frozen && status.signal() == SIGKILL;
  bool announcement_explained = frozen && !announced;
  for (const way* each : together) {
    status_explained = status_explained || status == each->status;
    announcement_explained = announcement_explained || announced == each->announced;
  }
  CHECK_MESSAGE(status_explained, status.to_string());
  CHECK_MESSAGE(announcement_explained, announced);
}

// The two ends, once each and in some order; nothing else has happened to it.
awaitable<void> matrix::events_of(cohort::worker worker, life_model& model, bool& announced)
{
  for (int i = 0; i != 2; ++i) {
    auto event = co_await events_.next();
    std::string wrong = "it is no end";
    if (event.index() == 2) wrong = model.saw_disconnect();
    if (event.index() == 3) {
      const auto& exit = std::get<cohort::exit_event>(event);
      CHECK(exit.worker == worker.id());
      announced = exit.voluntary;
      wrong = model.saw_exit(exit.status, announced);
    }
    CHECK_MESSAGE(wrong.empty(), wrong);
  }
  CHECK(model.is_over());
  CHECK_FALSE(primary_.cluster().find(worker.id()));
}

// Nobody is killed for being slow.
const cohort::settings patient = cohort::settings().fence_grace(30s);

} // namespace

TEST_CASE("a worker ends in each way with its status, announced or not, once and twice")
{
  cluster_fixture primary(patient);
  matrix all(primary);
  primary.run([&]() -> awaitable<void> {
    for (const way& each : ways) {
      const std::vector<const way*> once(1, &each);
      co_await all.one(once);
      const std::vector<const way*> twice(2, &each);
      co_await all.one(twice);
    }
  });
}

TEST_CASE("a worker that ends in two ways at the same time ends in one of them")
{
  cluster_fixture primary(patient);
  matrix all(primary);
  primary.run(
      [&]() -> awaitable<void> {
        for (const way& first : ways)
          for (const way& second : ways) {
            if (&first == &second) continue;
            std::vector<const way*> both(1, &first);
            both.push_back(&second);
            co_await all.one(both);
          }
      },
      60s);
}

TEST_CASE("a frozen worker that is killed has done nothing of what it was told")
{
  cluster_fixture primary(patient);
  matrix all(primary);
  primary.run([&]() -> awaitable<void> {
    for (const way& each : ways) {
      const std::vector<const way*> once(1, &each);
      co_await all.one(once, true);
    }
  });
}

} // namespace node_ending_matrix
