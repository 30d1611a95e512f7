// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Gives workers variables in their environment.
//
// Node: `cluster.fork(env)`. What is set here is added to the primary's own variables, for this one
// worker.
//
//   node_fork_with_environment       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <cstdlib>
#include <iostream>

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const char* const role = std::getenv("ROLE");
  self.send(role ? role : "nothing in particular");
  co_return;
}

asio::awaitable<void> tell(cohort::worker worker)
{
  auto role = co_await worker.receive();
  std::cout << "worker " << worker.id() << " does " << role.message << std::endl;
  co_await worker.disconnect();
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto web = co_await cluster.co_fork(cohort::environment().set("ROLE", "the web"));
  co_await tell(web);
  auto mailer = co_await cluster.co_fork(cohort::environment().set("ROLE", "the mail"));
  co_await tell(mailer);
  auto other = co_await cluster.co_fork();
  co_await tell(other);
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
