// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Asks whether a worker's process lives, when it was started and when it has ended.
//
// Node: the example of `worker.isDead()`, whose workers answer one request and end themselves. A
// handle of a worker stays good after its end, so the primary keeps them.
//
//   node_is_dead [--port N]        then twice: curl http://127.0.0.1:8000/

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <csignal>
#include <iostream>
#include <map>
#include <string>
#include <unistd.h>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  auto client = co_await acceptor.async_accept();
  acceptor.close(); // who comes now is for another worker
  co_await web::answer(std::move(client), "this was process " + std::to_string(getpid()) + '\n');
  std::raise(SIGKILL);
}

void tell(const cohort::worker& worker)
{
  std::cout << "worker " << worker.id() << " is dead: " << std::boolalpha << worker.is_dead()
            << std::endl;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  std::map<cohort::worker_id, cohort::worker> known;
  for (int i = 0; i != 2; ++i) {
    auto worker = co_await cluster.co_fork();
    known.emplace(worker.id(), worker);
    tell(worker);
    auto where = co_await worker.listening();
    if (i == 1) std::cout << "listening on port " << where.port << std::endl;
  }
  for (int i = 0; i != 2; ++i) {
    auto event = co_await exits.next();
    tell(known.at(event.worker));
  }
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
