// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Two groups of workers under one primary: one serves clients, the other one counts them.
//
// Shows groups, one with a listener and a user of its own, and how they talk: workers of one send
// to the other one, by its name. That one's worker listens nowhere: it says `ready()`.
//
//   11_two_groups [PORT [UID]]      port 8000 unless said; then: nc 127.0.0.1 8000
//
// With a UID those who serve clients run as that user, for which the primary has to be root.

#include <asio.hpp>
#include <boost/describe.hpp>
#include <cohort.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

using asio::ip::tcp;
tcp::endpoint web_address(asio::ip::address_v4::loopback(), 8000);

struct visited {
  std::uint16_t port = 0;
};
struct counted {
  std::uint64_t visits = 0;
  cohort::worker_id last = 0;
};
BOOST_DESCRIBE_STRUCT(visited, (), (port))
BOOST_DESCRIBE_STRUCT(counted, (), (visits, last))

using protocol = cohort::protocol<cohort::to_primary<counted>, cohort::to_worker<visited>>;
using this_worker = cohort::basic_this_worker<protocol>;
using supervisor = cohort::supervisor<cohort::round_robin, protocol>;

asio::awaitable<void> welcome(this_worker& self)
{
  auto acceptor = co_await self.listen(web_address);
  for (;;) {
    auto client = co_await acceptor.async_accept();
    const std::string greeting = "welcome, says worker " + std::to_string(self.id()) + '\n';
    std::error_code error; // a client that has gone is no reason to end
    co_await asio::async_write(
        client, asio::buffer(greeting), asio::redirect_error(asio::use_awaitable, error));
    visited visit;
    visit.port = web_address.port();
    self.send_to("counter", visit);
  }
}

asio::awaitable<void> count(this_worker& self)
{
  self.ready();
  counted so_far;
  for (;;) {
    std::error_code end; // when this worker is to leave
    auto visit = co_await self.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    ++so_far.visits;
    so_far.last = visit.worker; // who has sent this
    self.send(so_far);
  }
}

asio::awaitable<void> serve(this_worker& self)
{
  if (self.group() == "web") co_await welcome(self);
  else co_await count(self);
}

asio::awaitable<void> tell_counts(supervisor& master)
{
  for (;;) {
    auto next = co_await master.cluster().receive();
    next.visit([](const counted& so_far) {
      std::cout << so_far.visits << " visits, the last one at worker " << so_far.last << std::endl;
    });
  }
}

asio::awaitable<void> tell_ready(
    supervisor& master, cohort::subscription<cohort::ready_event> events)
{
  for (;;) {
    const cohort::ready_event event = co_await events.next();
    const auto worker = master.cluster().find(event.worker);
    if (worker) std::cout << worker->group() << " is ready" << std::endl;
  }
}

unsigned web_user = 0; // as this process, unless said

asio::awaitable<void> supervise(supervisor& master)
{
  auto ready = master.subscribe<cohort::ready_event>();
  asio::co_spawn(master.get_executor(), tell_ready(master, std::move(ready)), asio::detached);
  asio::co_spawn(master.get_executor(), tell_counts(master), asio::detached);
  cohort::settings how;
  if (web_user != 0) how.uid(web_user).gid(web_user);
  master.add(cohort::group("web").workers(2).listen(web_address).settings(how));
  master.add(cohort::group("counter").workers(1));
  co_await master.run();
}

int main(int argc, char** argv)
{
  if (argc > 1) web_address.port(static_cast<unsigned short>(std::atoi(argv[1])));
  if (argc > 2) web_user = static_cast<unsigned>(std::atoi(argv[2]));
  return cohort::run(argc, argv, supervise, serve);
}
