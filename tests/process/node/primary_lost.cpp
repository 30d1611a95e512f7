// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers whose primary was killed: how they end, and with which status. The role "doomed primary"
// writes "worker PID", tells its worker, which plays the role "ending", what COHORT_TEST_TELL says,
// writes "listening PORT" when the worker listens, and ends only when it is killed.

#include "support/ending_workers.hpp"
#include "support/role_program.hpp"
#include "support/worker_roles.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace node_primary_lost {

using namespace cohort_test;

namespace {

awaitable<void> raise_one(cohort::cluster<>& cluster)
{
  const cohort::environment variables = ending();
  cohort::worker worker = co_await cluster.co_fork(variables);
  co_await heard(worker);
  std::cout << "worker " << worker.pid() << std::endl;
  const std::string commands = variable("COHORT_TEST_TELL");
  if (commands.empty()) co_return;
  worker.send(boost::json::value(commands));
  const cohort::listening_event event = co_await worker.listening();
  std::cout << "listening " << event.port << std::endl;
}

const worker_role doomed_role("doomed primary", [](int, char**) {
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  asio::co_spawn(context, raise_one(cluster), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
  return 0;
});

/// Has this process inherit the children of those it has started.
class guardian {
public:
  guardian() { REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); }
  ~guardian() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
  guardian(const guardian&) = delete;
  guardian& operator=(const guardian&) = delete;
};

/// A primary in a process of its own, and its worker, which is this process's child when the
/// primary is dead; that is how its status is known here.
class doomed_cluster {
public:
  explicit doomed_cluster(const std::vector<std::string>& variables)
  {
    primary_.emplace("doomed primary", variables);
    worker_ = primary_->number("worker");
  }
  ~doomed_cluster()
  {
    primary_.reset();
    if (worker_lives()) ::kill(worker_, SIGKILL);
    if (worker_ > 0) ::waitpid(worker_, nullptr, 0);
  }
  doomed_cluster(const doomed_cluster&) = delete;
  doomed_cluster& operator=(const doomed_cluster&) = delete;

  address listening() { return primary_->listening(); }
  std::string line() { return primary_->line(); }

  void kill_primary()
  {
    primary_->signal(SIGKILL);
    REQUIRE(primary_->wait() == 128 + SIGKILL);
  }

  // When the primary is dead:

  bool worker_lives() const
  {
    siginfo_t info{};
    const auto child = static_cast<id_t>(worker_);
    return worker_ > 0 && ::waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  void signal_worker(int number) { CHECK(::kill(worker_, number) == 0); }
  int worker_status()
  {
    primary_->wait_for_all();
    const int status = program::wait_for(worker_);
    worker_ = -1;
    return status;
  }

private:
  guardian guardian_;
  std::optional<role_program> primary_;
  pid_t worker_ = -1;
};

std::vector<std::string> telling(const std::string& commands, const std::string& last_words)
{
  std::vector<std::string> variables(1, "COHORT_TEST_TELL=" + commands);
  variables.push_back("COHORT_TEST_LAST_WORDS=" + last_words);
  return variables;
}

} // namespace

TEST_CASE("last words are said when the primary was killed, and give the status")
{
  doomed_cluster one(telling("", "42"));
  one.kill_primary();
  CHECK(one.line() == "last words");
  CHECK(one.worker_status() == 42);
}

TEST_CASE("a worker that drains when its primary was killed has last words at its deadline alone")
{
  for (const std::string limit : {"1", "60000"}) {
    CAPTURE(limit);
    std::vector<std::string> variables = telling("listen", "42");
    variables.push_back("COHORT_TEST_DRAIN_FOR=" + limit);
    doomed_cluster one(variables);
    const address where = one.listening();
    client live(where);
    CHECK(echoes(live));
    one.kill_primary();
    if (limit == "1") {
      CHECK(one.line() == "last words");
      CHECK(one.worker_status() == 42);
      CHECK(live.receive_end() != outcome::timeout);
      continue;
    }
    wait_for_refusal(where);
    CHECK(echoes(live));
    live.close();
    CHECK(one.worker_status() == 0);
  }
}

TEST_CASE("a busy worker whose primary was killed ends as soon as it returns to its event loop")
{
  for (const std::string words : {"", "42"}) {
    CAPTURE(words);
    doomed_cluster one(telling("busy", words));
    CHECK(one.line() == "busy");
    one.kill_primary();
    CHECK(one.worker_lives());
    one.signal_worker(SIGUSR1);
    CHECK(one.line() == "back");
    if (!words.empty()) CHECK(one.line() == "last words");
    CHECK(one.worker_status() == (words.empty() ? 0 : 42));
  }
}

} // namespace node_primary_lost
