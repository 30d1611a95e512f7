// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Brings new versions of a server into service while it serves, and keeps the old one when the new
// one is no good.
//
// Shows `cohort::reload` and what it gives. Each line on stdin names a version, which the workers
// are started with; they tell it to their clients. "broken" is one that does not come up, and
// "short" one that comes up and dies at once.
//
//   10_rolling_reload [PORT]      port 8000 unless said; then: nc 127.0.0.1 8000
//
// kill -HUP reloads too, the same version. Ctrl-C or SIGTERM lets all end.

#include <asio.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <unistd.h>

using asio::ip::tcp;
using namespace std::chrono_literals;
tcp::endpoint web_address(asio::ip::address_v4::loopback(), 8000);

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const char* const name = std::getenv("VERSION");
  const std::string version = name ? name : "1";
  if (version == "broken") throw std::runtime_error("this version is broken");
  auto acceptor = co_await self.listen(web_address);
  if (version == "short") throw std::runtime_error("this version does not last");
  for (;;) {
    auto client = co_await acceptor.async_accept();
    const std::string greeting = "version " + version + '\n';
    std::error_code error; // a client that has gone is no reason to end
    co_await asio::async_write(
        client, asio::buffer(greeting), asio::redirect_error(asio::use_awaitable, error));
  }
}

asio::awaitable<void> tell_reloads(cohort::subscription<cohort::reload_event> reloads)
{
  for (;;) {
    const cohort::reload_event event = co_await reloads.next();
    std::cout << "reload of " << event.group << ": " << event.result.to_string() << std::endl;
  }
}

asio::awaitable<void> read_versions(cohort::supervisor<>& master)
{
  auto ready = master.subscribe<cohort::ready_event>();
  co_await ready.next();
  std::cout << "version 1 serves on port " << web_address.port() << std::endl;
  asio::posix::stream_descriptor input(master.get_executor(), ::dup(STDIN_FILENO));
  std::string text;
  for (;;) {
    const std::size_t size = co_await asio::async_read_until(
        input, asio::dynamic_buffer(text), '\n', asio::use_awaitable);
    const auto environment = cohort::environment().set("VERSION", text.substr(0, size - 1));
    text.erase(0, size);
    // The new version counts when all its workers have lived for a moment; until then all old ones
    // serve as well.
    const auto how = cohort::reload_options()
                         .settings(cohort::settings().env(environment))
                         .probation(100ms)
                         .drain_deadline(10s);
    std::error_code failed; // the event tells it
    co_await cohort::reload(master, "web", how, asio::redirect_error(asio::use_awaitable, failed));
  }
}

asio::awaitable<void> supervise(cohort::supervisor<>& master)
{
  master.add(cohort::group("web").workers(2).listen(web_address));
  auto reloads = master.subscribe<cohort::reload_event>();
  asio::co_spawn(master.get_executor(), tell_reloads(std::move(reloads)), asio::detached);
  asio::co_spawn(master.get_executor(), read_versions(master), asio::detached);
  co_await master.run();
}

int main(int argc, char** argv)
{
  if (argc == 2) web_address.port(static_cast<unsigned short>(std::atoi(argv[1])));
  return cohort::run(argc, argv, supervise, serve);
}
