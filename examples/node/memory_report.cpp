// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers report how much memory they use, and the primary warns of those that use too much.
//
// Node: the example of its documentation around 0.6 and 0.7, where each worker sends `memory` and
// `process` every second.
//
//   node_memory_report [--limit MIB]       50 MiB unless said; until Ctrl-C or SIGTERM

#include "http.hpp"

#include <asio.hpp>
#include <boost/json.hpp>
#include <cohort.hpp>

#include <chrono>
#include <fstream>
#include <iostream>
#include <unistd.h>

int limit = 50;

// What is in memory of this process, in MiB.
long resident()
{
  long size = 0;
  long pages = 0;
  std::ifstream("/proc/self/statm") >> size >> pages;
  return pages * sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  asio::steady_timer timer(self.get_executor());
  while (!self.draining()) {
    boost::json::object report;
    report["memory"] = resident();
    report["process"] = getpid();
    self.send(report);
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  co_await cluster.co_fork_all(2);
  for (;;) {
    auto report = co_await cluster.receive();
    const boost::json::object& said = report.message.as_object();
    if (said.at("memory").as_int64() >= limit)
      std::cout << "worker " << report.worker << ", process " << said.at("process")
                << ", uses too much memory: " << said.at("memory") << " MiB" << std::endl;
  }
}

int main(int argc, char** argv)
{
  limit = web::option(argc, argv, "--limit", 50);
  return cohort::run(argc, argv, supervise, serve);
}
