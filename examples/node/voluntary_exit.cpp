// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Tells an end that somebody wanted from an accident.
//
// Node: the example of `worker.exitedAfterDisconnect` (until 5 `suicide`), which starts no
// replacement for a worker that was told to leave.
//
//   node_voluntary_exit       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <csignal>
#include <iostream>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  std::error_code end;
  auto asked = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
  if (!end) co_await self.disconnect(); // its own decision
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  auto workers = co_await cluster.co_fork_all(3);
  workers[0].disconnect(asio::detached);
  workers[1].send("would you like to leave?");
  workers[2].kill(SIGKILL); // a signal announces nothing

  for (int i = 0; i != 3; ++i) {
    auto event = co_await exits.next();
    std::cout << "worker " << event.worker << ": ";
    if (event.voluntary) std::cout << "oh, it was just voluntary, no need to worry" << std::endl;
    else std::cout << event.status << ", worry" << std::endl;
  }
  std::cout << std::boolalpha
            << "also known to the handle: " << workers[0].exited_after_disconnect() << std::endl;
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
