// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A whole server that is kept up, in 40 lines: an echo by two workers.
//
// Shows `cohort::supervisor` under `cohort::run`, and `connection_scope`, by which connections end
// when their worker is to leave.
//
//   09_supervised_server [PORT]      port 8000 unless said; then: nc 127.0.0.1 8000
//
// A worker that is killed is replaced. kill -HUP reloads: new workers come, what is under way ends
// at the old ones. Ctrl-C or SIGTERM lets all end, a second one ends it at once. With
// COHORT_DEBUG=cluster in the environment it tells what happens to each, with its pid.

#include <asio.hpp>
#include <cohort.hpp>

#include <iostream>
#include <string>

using asio::ip::tcp;
tcp::endpoint echo_address(asio::ip::address_v4::loopback(), 8000);

asio::awaitable<void> echo(cohort::connection<tcp>& client, cohort::session session)
{
  std::string data(1024, '\0');
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
  auto acceptor = co_await self.listen(echo_address);
  std::cout << "worker " << self.id() << " serves" << std::endl;
  std::error_code drains;
  while (!drains) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, drains));
    if (!drains) scope.spawn(std::move(client), echo);
  }
  co_await scope.ended();
}

asio::awaitable<void> supervise(cohort::supervisor<>& master)
{
  master.add(cohort::group("echo").workers(2).listen(echo_address));
  co_await master.run();
}

int main(int argc, char** argv)
{
  if (argc == 2) echo_address.port(static_cast<unsigned short>(std::stoi(argv[1])));
  return cohort::run(argc, argv, supervise, serve);
}
