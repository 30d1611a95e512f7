// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A chat whose users are connected to different workers: what one writes goes through the primary
// to all.
//
// Shows messages both ways, `cluster.receive()` from any worker and `cluster.broadcast()` to all.
//
//   08_chat [PORT]        port 8000 unless said; try `nc 127.0.0.1 8000` in two terminals

#include <asio.hpp>
#include <boost/describe.hpp>
#include <cohort.hpp>

#include <cstdlib>
#include <iostream>
#include <list>
#include <memory>
#include <string>

using asio::ip::tcp;

struct line {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(line, (), (text))

using protocol = cohort::protocol<cohort::to_primary<line>, cohort::to_worker<line>>;
using self_type = cohort::basic_this_worker<protocol>;
using client_type = std::shared_ptr<cohort::connection<tcp>>;

unsigned short port = 8000;
std::list<client_type> clients; // of this worker

asio::awaitable<void> listen_to(self_type& self, client_type client)
{
  const auto place = clients.insert(clients.end(), client);
  std::string read;
  std::error_code error;
  for (;;) {
    const std::size_t size = co_await asio::async_read_until(*client,
        asio::dynamic_buffer(read, 4096), '\n', asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    line said;
    said.text = read.substr(0, size);
    read.erase(0, size);
    self.send(said);
  }
  clients.erase(place);
}

asio::awaitable<void> tell_everybody(self_type& self)
{
  for (;;) {
    auto heard = co_await self.receive<line>();
    const auto now = clients; // others may come and go meanwhile
    // One after another: a client that does not read holds up the others of its worker. A real chat
    // has a queue for each.
    for (const client_type& each : now) {
      std::error_code error; // `listen_to` sees a client go
      co_await asio::async_write(*each, asio::buffer(heard.message.text),
          asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> hang_up(self_type& self)
{
  co_await self.drain_requested();
  for (const client_type& each : clients) each->close();
}

asio::awaitable<void> serve(self_type& self)
{
  asio::co_spawn(self.get_executor(), tell_everybody(self), asio::detached);
  asio::co_spawn(self.get_executor(), hang_up(self), asio::detached);
  auto acceptor = co_await self.listen(tcp::endpoint(asio::ip::address_v4::loopback(), port));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    auto shared = std::make_shared<cohort::connection<tcp>>(std::move(client));
    asio::co_spawn(self.get_executor(), listen_to(self, shared), asio::detached);
  }
}

asio::awaitable<void> supervise(cohort::cluster<cohort::round_robin, protocol>& cluster)
{
  auto workers = co_await cluster.co_fork_all(2);
  auto where = co_await workers.front().listening();
  co_await workers.back().listening();
  std::cout << "listening on port " << where.port << std::endl;
  for (;;) {
    auto said = co_await cluster.receive();
    const line& heard = std::get<line>(said.message);
    cluster.broadcast(heard);
  }
}

int main(int argc, char** argv)
{
  if (argc == 2) port = static_cast<unsigned short>(std::atoi(argv[1]));
  return cohort::run(argc, argv, supervise, serve);
}
