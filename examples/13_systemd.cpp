// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A service of systemd: which addresses it serves is said by socket units, and systemd hears how it
// is. The units are in examples/systemd, and docs/systemd.md explains them.
//
// Shows `inherited_socket`, by which the primary and its workers name what systemd has bound, and
// what a `supervisor` tells its service manager by itself.
//
//   systemd-socket-activate -l 8000 --fdname=http ./13_systemd
//
// Then: nc 127.0.0.1 8000. With a second socket named "admin" a group of one worker serves that.
// Started by hand, without a socket of systemd, it says so and ends.

#include <asio.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <string>

using asio::ip::tcp;

asio::awaitable<void> greet(cohort::connection<tcp> client, std::string group)
{
  const std::string text = "hello from " + group + "\n";
  co_await asio::async_write(client, asio::buffer(text), asio::use_awaitable);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  // Each group has the name of its socket. The worker need not know where that is bound.
  auto acceptor = co_await self.listen<tcp>(cohort::inherited_socket(self.group()));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), greet(std::move(client), self.group()), asio::detached);
  }
}

asio::awaitable<void> supervise(cohort::supervisor<>& master)
{
  const auto given = cohort::inherited_socket_names();
  cohort::group http("http"), admin("admin");
  master.add(http.workers(2).listen(cohort::inherited_socket("http")));
  if (std::ranges::count(given, "admin") != 0)
    master.add(admin.workers(1).listen(cohort::inherited_socket("admin")));
  co_await master.run();
}

int main(int argc, char** argv)
{
  // A group that cannot be kept up is for systemd to see, which has Restart= for it.
  const auto how = cohort::supervisor_options().end_when_given_up(true);
  return cohort::run(argc, argv, supervise, serve, how);
}
