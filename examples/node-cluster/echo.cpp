// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers of nc_master that send back what they get.
//
// node-cluster: the program of the group "echo", with `transact` and `release` around each
// connection, by which the primary knows how much there is to do here.
//
//   nc_echo [PORT]      port 8080 unless said

#include "worker.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

unsigned short port = 8080;

asio::awaitable<void> echo(cohort::connection<asio::ip::tcp>& client, cohort::session session)
{
  std::array<char, 1024> data;
  while (!session.closing()) {
    std::size_t size = 0;
    {
      const auto idle = session.idle(); // here a drain may end it, and nobody loses anything
      size = co_await client.async_read_some(asio::buffer(data));
    }
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  cohort::connection_scope scope(self);
  auto acceptor = co_await self.listen(node_cluster::here(port));
  std::error_code drains;
  while (!drains) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, drains));
    if (drains) break;
    scope.spawn(std::move(client), echo);
    self.report_load(static_cast<std::uint32_t>(scope.size()));
  }
  co_await scope.ended();
}

int main(int argc, char** argv)
{
  port = node_cluster::port_argument(argc, argv, 1, port);
  return node_cluster::run_worker(argc, argv, serve);
}
