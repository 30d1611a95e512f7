// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Two kinds of workers in one cluster: settings change between one fork and the next.
//
// Node: the example of `cluster.setupPrimary()` called twice, for a worker with https and one with
// http. A setup counts for later forks and leaves alone what it does not name: both are silent. TLS
// itself is left out, each worker only says what it was told to use.
//
//   node_two_worker_types [--port N] [--https-port N]        ports 8000 and 8443 unless said

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

std::string use; // what this worker was told
unsigned short port = 8000;
int https_port = 8443;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  co_await web::answer_all(acceptor, "this would be " + use + '\n');
}

cohort::settings of_kind(const std::string& kind, int where)
{
  std::vector<std::string> arguments = {"--use", kind, "--port", std::to_string(where)};
  return cohort::settings().args(std::move(arguments));
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  cluster.setup(of_kind("https", https_port).silent(true));
  auto https = co_await cluster.co_fork(); // https worker
  cluster.setup(of_kind("http", port));
  auto http = co_await cluster.co_fork(); // http worker

  auto first = co_await https.listening();
  std::cout << "https on port " << first.port << std::endl;
  auto second = co_await http.listening();
  std::cout << "http on port " << second.port << std::endl;
  std::cout << std::boolalpha << "silent: " << cluster.current_settings().silent() << std::endl;
}

int main(int argc, char** argv)
{
  if (argc > 2 && std::string(argv[1]) == "--use") use = argv[2];
  port = web::port_option(argc, argv);
  https_port = web::option(argc, argv, "--https-port", 8443);
  return cohort::run(argc, argv, supervise, serve);
}
