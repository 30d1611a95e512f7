// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Ends all workers on request, and says when all of them have ended.
//
// Node: `cluster.disconnect(callback)`. Its callback comes when the first worker has gone; here the
// call completes after the last one, and has how each ended.
//
//   node_disconnect_all [--port N]        then: curl http://127.0.0.1:8000/shutdown

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>
#include <utility>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> answer(cohort::this_worker& self, cohort::connection<tcp> client)
{
  const std::string path = co_await web::read_request(client);
  const bool last = path == "/shutdown";
  if (last) self.send("shutdown");
  const std::string body = last ? "good-bye\n" : "hello world\n";
  co_await web::write_answer(client, body);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer(self, std::move(client)), asio::detached);
  }
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto workers = co_await cluster.co_fork_all(3);
  auto where = co_await workers.front().listening();
  std::cout << "listening on port " << where.port << std::endl;

  co_await cluster.receive(); // they send nothing but "shutdown"
  auto exits = co_await cluster.disconnect();
  for (const cohort::exit_event& each : exits)
    std::cout << "worker " << each.worker << ' ' << each.status << std::endl;
  std::cout << "All workers have ended" << std::endl;
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
