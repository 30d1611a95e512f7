// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Tells primary and workers apart, without `cohort::run`.
//
// Node: the example of `cluster.worker`, with `isPrimary` (before 16 `isMaster`) and `isWorker`.
// The program is started anew for each worker, and comes to the same question with another answer.
//
//   node_i_am_worker       ends by itself

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>

int main(int, char**)
{
  asio::io_context context(1);
  if (cohort::is_primary()) {
    std::cout << "I am primary" << std::endl;
    cohort::cluster<> cluster(context);
    cluster.co_fork(asio::detached);
    cluster.co_fork(asio::detached);
    context.run(); // until no worker is left
  } else if (cohort::is_worker()) {
    cohort::this_worker self(context);
    std::cout << "I am worker #" << self.id() << std::endl;
    self.disconnect(asio::detached); // there is nothing more to do
    context.run();
  }
  return 0;
}
