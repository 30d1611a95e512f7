// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Replaces itself by whatever program is at its path by then, while it serves: compile a new
// version, move it to the place of this one, and send SIGUSR2.
//
// Shows the binary upgrade. The new program gets the listeners, and counts when its workers are
// ready; then those of the old one finish what they have. If it is no good, the old one goes on.
//
//   12_binary_upgrade [PORT]      port 8000 unless said; then: nc 127.0.0.1 8000
//
// kill -USR2 PID upgrades. Ctrl-C or SIGTERM lets all end.

#include <asio.hpp>
#include <cohort.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <unistd.h>
#include <utility>

using asio::ip::tcp;
using namespace std::chrono_literals;
tcp::endpoint web_address(asio::ip::address_v4::loopback(), 8000);

asio::awaitable<void> serve(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen(web_address);
  const std::string greeting = "program " + std::to_string(::getppid()) + " serves\n";
  for (;;) {
    auto client = co_await acceptor.async_accept();
    std::error_code error; // a client that has gone is no reason to end
    co_await asio::async_write(
        client, asio::buffer(greeting), asio::redirect_error(asio::use_awaitable, error));
  }
}

asio::awaitable<void> tell_failures(cohort::subscription<cohort::error_event> errors)
{
  for (;;) {
    const cohort::error_event event = co_await errors.next();
    std::cerr << event.what << std::endl;
  }
}

asio::awaitable<void> tell_begin(cohort::subscription<cohort::ready_event> ready)
{
  co_await ready.next();
  std::cout << "program " << ::getpid() << " begins" << std::endl;
}

asio::awaitable<void> supervise(cohort::supervisor<>& master)
{
  cohort::group web("web");
  master.add(web.workers(2).listen(web_address));
  auto errors = master.subscribe<cohort::error_event>();
  asio::co_spawn(master.get_executor(), tell_failures(std::move(errors)), asio::detached);
  auto ready = master.subscribe<cohort::ready_event>();
  asio::co_spawn(master.get_executor(), tell_begin(std::move(ready)), asio::detached);
  co_await master.run();
  std::cout << "program " << ::getpid() << " has ended" << std::endl;
}

int main(int argc, char** argv)
{
  if (argc > 1) web_address.port(static_cast<asio::ip::port_type>(std::stoul(argv[1])));
  // A new program that hangs is given up after a while.
  const auto upgrade = cohort::upgrade_options().ready_deadline(30s).drain_deadline(1min);
  const auto how = cohort::supervisor_options().upgrade(upgrade);
  return cohort::run(argc, argv, supervise, serve, how);
}
