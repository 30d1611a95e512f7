// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Lets workers end in good order, and by force where two seconds were not enough.
//
// Node: the example of `worker.disconnect()` whose connections never end: it sends 'shutdown', and
// sets a timer that kills. Here the deadline is an argument. One worker heeds the message, the
// other does not.
//
//   node_disconnect_with_timeout [--port N]       ends by itself

#include "http.hpp"

#include <asio.hpp>
#include <cohort.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

using asio::ip::tcp;

unsigned short port = 8000;

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web::here(port));
  auto client = co_await acceptor.async_accept();
  const std::string greeting = "welcome\n";
  co_await asio::async_write(client, asio::buffer(greeting), asio::use_awaitable);
  auto shutdown = co_await self.receive();
  if (!std::getenv("STUBBORN")) co_return; // the client's connection ends here
  // Nobody ever sends anything.
  std::string request;
  co_await asio::async_read(client, asio::dynamic_buffer(request), asio::use_awaitable);
}

asio::awaitable<void> shut_down(cohort::worker worker)
{
  auto where = co_await worker.listening();
  tcp::socket client(worker.get_executor());
  co_await client.async_connect(web::here(where.port), asio::use_awaitable);
  std::array<char, 8> greeting;
  co_await asio::async_read(client, asio::buffer(greeting), asio::use_awaitable);

  worker.send("shutdown");
  auto status = co_await worker.disconnect(std::chrono::seconds(2));
  std::cout << "worker " << worker.id() << ' ' << status << std::endl;
}

asio::awaitable<void> supervise(cohort::cluster<>& cluster)
{
  auto polite = co_await cluster.co_fork();
  co_await shut_down(polite);
  auto stubborn = co_await cluster.co_fork(cohort::environment().set("STUBBORN", "yes"));
  co_await shut_down(stubborn);
}

int main(int argc, char** argv)
{
  port = web::port_option(argc, argv);
  return cohort::run(argc, argv, supervise, serve);
}
