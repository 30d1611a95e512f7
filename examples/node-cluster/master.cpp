// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// One primary with three groups of workers, each with a program and ports of its own.
//
// node-cluster: `new Master()`, `register` for each group, `dispatch`. The supervisor is used
// without `cohort::run` here, in an io_context of the program's own: no worker runs this program.
//
//   nc_master [HTTP ECHO FIRST SECOND]      ports 33749, 8080, 33750 and 33751 unless said
//
//   curl http://127.0.0.1:33749/            nc_http, by the process with the least to do
//   nc 127.0.0.1 8080                       nc_echo
//   curl http://127.0.0.1:33751/            nc_two_ports, which tells the port
//
// kill -USR1 replaces all workers, kill -TERM or Ctrl-C ends them and then this program.

#include "worker.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

using node_cluster::here;
using master_type = cohort::supervisor<cohort::slow_start<cohort::least_load>>;

struct ports {
  unsigned short http, echo, first, second;
};

// Another of these programs, beside this one.
std::string beside_this(const std::string& name)
{
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename(name).string();
}

void add_groups(master_type& master, const ports& at)
{
  const auto gone = cohort::overflow::refuse(
      "HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
  const auto policy = cohort::restart_policy().intensity(5, std::chrono::minutes(1));
  const auto number = [](unsigned short port) { return std::to_string(port); };
  master.add(cohort::group("http")
                 .program(beside_this("nc_http"), {number(at.http)})
                 .workers(2)
                 .listen(here(at.http))
                 .gone(gone)
                 .max_requests(100'000)
                 .restarts(policy));
  master.add(cohort::group("echo")
                 .program(beside_this("nc_echo"), {number(at.echo)})
                 .workers(1)
                 .listen(here(at.echo)));
  master.add(cohort::group("both")
                 .program(beside_this("nc_two_ports"), {number(at.first), number(at.second)})
                 .workers(2)
                 .listen(here(at.first))
                 .listen(here(at.second)));
}

asio::awaitable<void> tell_ready(
    master_type& master, cohort::subscription<cohort::ready_event> events)
{
  for (;;) {
    const cohort::ready_event event = co_await events.next();
    const auto worker = master.cluster().find(event.worker);
    if (worker) std::cout << worker->group() << ": " << event.pid << " serves" << std::endl;
  }
}

asio::awaitable<void> tell_given_up(cohort::subscription<cohort::gave_up_event> events)
{
  for (;;) {
    const cohort::gave_up_event event = co_await events.next();
    std::cout << event.group << ": has given up for now" << std::endl;
  }
}

int main(int argc, char** argv)
try {
  using node_cluster::port_argument;
  const ports at = {port_argument(argc, argv, 1, 33749), port_argument(argc, argv, 2, 8080),
      port_argument(argc, argv, 3, 33750), port_argument(argc, argv, 4, 33751)};
  asio::io_context io(1);
  std::error_code result;
  {
    master_type master(io);
    add_groups(master, at);
    asio::co_spawn(io, tell_ready(master, master.subscribe<cohort::ready_event>()), asio::detached);
    asio::co_spawn(io, tell_given_up(master.subscribe<cohort::gave_up_event>()), asio::detached);
    master.run([&](std::error_code error) {
      result = error;
      io.stop(); // the coroutines that wait for events would wait for ever
    });
    io.run();
  }
  if (!result) return EXIT_SUCCESS;
  std::cerr << "nc_master: " << result.message() << std::endl;
  return EXIT_FAILURE;
} catch (const std::exception& error) {
  std::cerr << "nc_master: " << error.what() << std::endl;
  return EXIT_FAILURE;
}
