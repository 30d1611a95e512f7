// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Says once how all workers are to be started: which program, with which arguments, silently.
//
// Node: the example of `cluster.setupMaster()` (0.7) with `exec`, `args` and `silent`, and of
// `autoFork()`. The program is this one again, by its path; it could be any other.
//
//   node_setup_once       ends by itself

#include <asio.hpp>
#include <boost/json.hpp>
#include <cohort.hpp>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

std::vector<std::string> arguments; // of this process

asio::awaitable<void> serve(cohort::this_worker& self)
{
  std::cout << "nobody sees this: the worker is silent" << std::endl;
  self.send(boost::json::value(arguments.back()));
  co_return;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  cohort::settings how;
  how.exec(std::filesystem::read_symlink("/proc/self/exe"));
  how.args(std::vector<std::string>{"--use", "https"});
  how.silent(true);
  cluster.setup(how);

  auto workers = co_await cluster.co_fork_all(2);
  for (cohort::worker& each : workers) {
    auto told = co_await each.receive();
    std::cout << "worker " << each.id() << " is to use " << told.message << std::endl;
  }
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  arguments.assign(argv, argv + argc);
  return cohort::run(argc, argv, supervise, serve);
}
