// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Counts requests in the primary: every worker tells it about each request it has answered.
//
// Shows typed messages from the workers (`cluster.receive()`) and `basic_this_worker<protocol>`. It
// is the program that Node's documentation counts requests with.
//
//   05_request_counter                   until SIGTERM or Ctrl-C, on port 8000; prints every second
//   05_request_counter --requests 100    asks itself a hundred times, prints the count and ends

#include <asio.hpp>
#include <boost/describe.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

using asio::ip::tcp;

struct request_served {
  std::string path;
  std::uint32_t microseconds = 0;
};
BOOST_DESCRIBE_STRUCT(request_served, (), (path, microseconds))

using protocol = cohort::protocol<cohort::to_primary<request_served>, cohort::to_worker<>>;

int requests = 0; // requests to make, none: serve for others

asio::awaitable<void> answer(
    cohort::basic_this_worker<protocol>& self, cohort::connection<tcp> client)
{
  std::string request;
  co_await asio::async_read_until(
      client, asio::dynamic_buffer(request), "\r\n\r\n", asio::use_awaitable);
  const auto start = std::chrono::steady_clock::now();
  const std::string reply = "HTTP/1.0 200 OK\r\n\r\nhello world\n";
  co_await asio::async_write(client, asio::buffer(reply), asio::use_awaitable);
  const auto taken = std::chrono::steady_clock::now() - start;

  request_served served;
  served.path = request.substr(4, request.find(' ', 4) - 4);
  served.microseconds = static_cast<std::uint32_t>(taken / std::chrono::microseconds(1));
  self.send(served);
}

asio::awaitable<void> serve(cohort::basic_this_worker<protocol>& self)
{
  const tcp::endpoint where(asio::ip::address_v4::loopback(), requests == 0 ? 8000 : 0);
  auto acceptor = co_await self.listen(where);
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer(self, std::move(client)), asio::detached);
  }
}

asio::awaitable<void> ask(unsigned short port)
{
  for (int i = 0; i != requests; ++i) {
    tcp::socket socket(co_await asio::this_coro::executor);
    const tcp::endpoint where(asio::ip::address_v4::loopback(), port);
    co_await socket.async_connect(where, asio::use_awaitable);
    const std::string request = "GET /" + std::to_string(i) + " HTTP/1.0\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
    std::string reply;
    std::error_code end;
    co_await asio::async_read(
        socket, asio::dynamic_buffer(reply), asio::redirect_error(asio::use_awaitable, end));
  }
}

asio::awaitable<void> print_every_second(const int& count)
{
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    timer.expires_after(std::chrono::seconds(1));
    co_await timer.async_wait(asio::use_awaitable);
    std::cout << "requests: " << count << std::endl;
  }
}

asio::awaitable<void> supervise(cohort::cluster<cohort::round_robin, protocol>& cluster)
{
  auto workers = co_await cluster.co_fork_all(2);
  auto where = co_await workers.front().listening();
  co_await workers.back().listening();
  int count = 0;
  if (requests == 0)
    asio::co_spawn(cluster.get_executor(), print_every_second(count), asio::detached);
  else asio::co_spawn(cluster.get_executor(), ask(where.port), asio::detached);
  while (requests == 0 || count != requests) {
    auto served = co_await cluster.receive();
    ++count;
  }
  std::cout << "requests: " << count << std::endl;
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  if (argc == 3 && std::string(argv[1]) == "--requests") requests = std::atoi(argv[2]);
  return cohort::run(argc, argv, supervise, serve);
}
