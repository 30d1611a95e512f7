// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Tells an end that somebody wanted from an accident.
//
// Node: the example of `worker.exitedAfterDisconnect` (until 9 `suicide`), which starts no
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
  if (end) co_return;
  if (asked.message == "leave") co_await self.disconnect();
  else self.kill(); // at once, without a drain, but announced
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  auto workers = co_await cluster.co_fork_all(4);
  workers[0].disconnect(asio::detached);
  workers[1].send("leave");
  workers[2].send("end");
  workers[3].kill(SIGKILL); // a signal announces nothing

  for (int i = 0; i != 4; ++i) {
    auto event = co_await exits.next();
    std::cout << "worker " << event.worker << ": ";
    if (event.voluntary) std::cout << "it was meant to end, all is well" << std::endl;
    else std::cout << event.status << ", which nobody wanted" << std::endl;
  }
  std::cout << std::boolalpha
            << "also known to the handle: " << workers[0].exited_after_disconnect() << std::endl;
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
