// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A server whose number of workers follows how many clients there are: one for every two.
//
// Shows `cohort::autoscale` with a rule that is there, what `supervisor::metrics` gives, and
// counters that outlive the program in a file.
//
//   14_autoscaling [PORT [COOLDOWN [FILE]]]
//
// PORT is 8000 unless said; then, more than once: nc 127.0.0.1 8000. Workers that were not needed
// for COOLDOWN milliseconds, 5000 unless said, leave, and the connections that they have still end
// where nothing is under way. What was counted is read from FILE and written to it at the end; by
// an upgrade it goes to the next program without that. Ctrl-C or SIGTERM lets all end.

#include <asio.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

using asio::ip::tcp;
tcp::endpoint address(asio::ip::address_v4::loopback(), 8000);
std::chrono::milliseconds cooldown(5000);
std::string totals_file;

asio::awaitable<void> echo(cohort::connection<tcp>& client, cohort::session session)
{
  std::string data(1024, '\0');
  while (!session.closing()) {
    std::size_t size = 0;
    {
      const auto idle = session.idle();
      size = co_await client.async_read_some(asio::buffer(data));
    }
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  cohort::connection_scope scope(self);
  auto acceptor = co_await self.listen(address);
  std::error_code drains;
  while (!drains) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, drains));
    if (!drains) scope.spawn(std::move(client), echo);
  }
  co_await scope.ended();
}

asio::awaitable<void> tell_changes(cohort::subscription<cohort::ready_count_event> changes)
{
  for (;;) {
    const cohort::ready_count_event event = co_await changes.next();
    std::cout << event.ready << " of " << event.workers << " workers are ready" << std::endl;
  }
}

// What earlier runs have counted; of a file that is none, nothing.
cohort::totals read_totals()
{
  std::ifstream file(totals_file);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::error_code error;
  cohort::totals earlier = cohort::totals_from_text(text, error);
  if (error) std::cerr << totals_file << ": " << error.message() << std::endl;
  return earlier;
}

asio::awaitable<void> supervise(cohort::supervisor<>& master)
{
  const auto rule = cohort::autoscale(1, 4, cohort::connections_per_worker(2))
                        .interval(std::chrono::milliseconds(50))
                        .cooldown(cooldown);
  master.add(cohort::group("echo").workers(1).listen(address).autoscale(rule));
  if (!totals_file.empty() && !master.started_by_upgrade()) master.restore(read_totals());
  asio::co_spawn(master.get_executor(), tell_changes(master.subscribe<cohort::ready_count_event>()),
      asio::detached);
  co_await master.run();
  const cohort::supervisor_metrics metrics = master.metrics();
  std::cout << metrics.counters.accepted << " connections, " << metrics.groups[0].counters.started
            << " workers in all" << std::endl;
  if (!totals_file.empty()) std::ofstream(totals_file) << to_text(master.totals());
}

int main(int argc, char** argv)
{
  if (argc > 1) address.port(static_cast<unsigned short>(std::atoi(argv[1])));
  if (argc > 2) cooldown = std::chrono::milliseconds(std::atoi(argv[2]));
  if (argc > 3) totals_file = argv[3];
  return cohort::run(argc, argv, supervise, serve);
}
