// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Watches how workers end: by a signal, with an error, or well.
//
// Node: the example of a worker's event 'exit', with its code and its signal.
//
//   node_exit_code_watcher       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

// What each worker is told to do, in its environment.
const std::array<std::string, 3> fates = {"success", "error", "signal"};

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const char* fate = std::getenv("FATE");
  if (fate == fates[1]) std::exit(3);
  if (fate == fates[2]) std::raise(SIGKILL);
  co_await self.disconnect();
}

void tell(const cohort::exit_status& status)
{
  if (status.has_signal()) std::cout << "ended by signal " << status.signal() << std::endl;
  else if (status.code() != 0) std::cout << "failed with code " << status.code() << std::endl;
  else std::cout << "ended well" << std::endl;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  for (const std::string& fate : fates) {
    auto worker = co_await cluster.co_fork(cohort::environment().set("FATE", fate));
    auto status = co_await worker.exited();
    tell(status);
  }
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
