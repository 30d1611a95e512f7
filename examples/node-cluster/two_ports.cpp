// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers of nc_master that serve two ports, and tell each client by which one it came.
//
// node-cluster: a group that was registered with a list of ports, and the second argument of the
// function for connections. Here each port is listened on by an acceptor of its own.
//
//   nc_two_ports [FIRST SECOND]      ports 33750 and 33751 unless said

#include "../node/http.hpp"
#include "worker.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <string>

unsigned short first_port = 33750;
unsigned short second_port = 33751;

asio::awaitable<void> serve_port(cohort::this_worker& self, unsigned short port)
{
  auto acceptor = co_await self.listen(node_cluster::here(port));
  co_await web::answer_all(acceptor, "you came by port " + std::to_string(port) + '\n');
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  asio::co_spawn(self.get_executor(), serve_port(self, first_port), asio::detached);
  co_await serve_port(self, second_port);
}

int main(int argc, char** argv)
{
  first_port = node_cluster::port_argument(argc, argv, 1, first_port);
  second_port = node_cluster::port_argument(argc, argv, 2, second_port);
  return node_cluster::run_worker(argc, argv, serve);
}
