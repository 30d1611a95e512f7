// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// An echo server on one worker process for each processor.
//
// Shows the two coroutines of a clustered program: `supervise` runs in the primary, where it starts
// the workers and replaces those that end, and `serve` runs in every worker. All of them listen on
// port 8000; the primary hands each connection to the next worker in turn.
//
//   meson setup build && ninja -C build examples/01_hello && build/examples/01_hello
//   echo hello | nc -q 1 127.0.0.1 8000        prints: hello
//   pkill -9 -n 01_hello                       and the primary prints: worker 2 killed by SIGKILL,
//                                              restarting
//
// Ctrl-C or SIGTERM lets the connections that are open end, and then the program with status 0.

#include <asio.hpp>
#include <array>
#include <cohort.hpp>
#include <iostream>
using asio::ip::tcp;

asio::awaitable<void> echo(cohort::connection<tcp> client)           // an ordinary Asio coroutine
{
  std::array<char, 1024> data;
  for (;;) {
    auto size = co_await client.async_read_some(asio::buffer(data));
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

asio::awaitable<void> serve(cohort::this_worker& self)               // runs in every worker
{
  auto acceptor = co_await self.listen(tcp::endpoint(tcp::v4(), 8000));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), echo(std::move(client)), asio::detached);
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)          // runs in the primary
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  for (unsigned i = 0; i != cohort::available_parallelism(); ++i) {
    auto worker = co_await cluster.co_fork();
    co_await worker.online();
  }
  for (;;) {
    auto event = co_await exits.next();
    std::cout << "worker " << event.worker << ' ' << event.status << ", restarting\n";
    co_await cluster.co_fork();
  }
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
