// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers of nc_master that answer HTTP requests.
//
// node-cluster: the program of the group "http", with `worker.ready` and a function for
// connections.
//
//   nc_http [PORT]      port 33749 unless said

#include "../node/http.hpp"
#include "worker.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <string>
#include <unistd.h>

unsigned short port = 33749;

asio::awaitable<void> answer_one(cohort::connection<asio::ip::tcp>& client, cohort::session)
{
  const std::string path = co_await web::read_request(client);
  co_await web::write_answer(client, "process " + std::to_string(getpid()) + ": " + path + '\n');
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  cohort::connection_scope scope(self);
  auto acceptor = co_await self.listen(node_cluster::here(port));
  std::error_code drains;
  while (!drains) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, drains));
    if (drains) break;
    scope.spawn(std::move(client), answer_one);
    self.request_done(); // for the primary, which counts up to max_requests
  }
  co_await scope.ended();
}

int main(int argc, char** argv)
{
  port = node_cluster::port_argument(argc, argv, 1, port);
  return node_cluster::run_worker(argc, argv, serve);
}
