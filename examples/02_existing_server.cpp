// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A server that has an io_context of its own becomes the primary of a cluster.
//
// Shows `cohort::cluster` and `cohort::this_worker` without `cohort::run`: four workers are kept
// running, silently, while the primary's context does work of its own, here asking its workers. It
// may run on several threads: then the cluster lives on a strand. The same server also runs alone.
//
//   02_existing_server                           until SIGTERM or Ctrl-C; every client is greeted
//   02_existing_server --threads 4               the same, the primary's context on four threads
//   02_existing_server --port 0 --requests 8     prints eight greetings and ends
//   02_existing_server alone                     one process without a cluster

#include <asio.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using asio::ip::tcp;
const auto loopback = asio::ip::address_v4::loopback();

asio::awaitable<void> serve(cohort::this_worker& self, unsigned short port)
{
  auto acceptor = co_await self.listen(tcp::endpoint(loopback, port));
  for (;;) {
    auto client = co_await acceptor.async_accept();
    const std::string greeting = "hello from worker " + std::to_string(self.id()) + '\n';
    std::error_code error; // a client that has gone is no reason to end
    co_await asio::async_write(
        client, asio::buffer(greeting), asio::redirect_error(asio::use_awaitable, error));
  }
}

asio::awaitable<void> ask(unsigned short port, int count)
{
  while (count-- > 0) {
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(tcp::endpoint(loopback, port), asio::use_awaitable);
    std::string greeting;
    std::error_code error; // the end of the stream
    co_await asio::async_read(
        socket, asio::dynamic_buffer(greeting), asio::redirect_error(asio::use_awaitable, error));
    std::cout << greeting;
  }
}

asio::awaitable<void> keep_four_workers(cohort::cluster<>& cluster, int requests)
{
  auto exits = cluster.subscribe<cohort::exit_event>();
  auto first = co_await cluster.co_fork();
  auto where = co_await first.listening(); // fails when the worker could not listen
  for (int i = 1; i != 4; ++i) {
    auto worker = co_await cluster.co_fork();
    co_await worker.listening();
  }
  std::cout << "listening on port " << where.port << std::endl;
  if (requests != 0) {
    co_await ask(where.port, requests);
    co_await cluster.disconnect();
    co_return;
  }
  for (;;) {
    auto event = co_await exits.next();
    std::cout << "worker " << event.worker << ' ' << event.status << std::endl;
    co_await cluster.co_fork(); // fails when the cluster ends, and ends this coroutine
  }
}

int main(int argc, char** argv)
{
  const std::vector<std::string> arguments(argv, argv + argc);
  const auto option = [&](const std::string& name, int otherwise) {
    const auto found = std::find(arguments.begin(), arguments.end() - 1, name);
    return found == arguments.end() - 1 ? otherwise : std::atoi((found + 1)->c_str());
  };
  const auto port = static_cast<unsigned short>(option("--port", 8000));
  asio::io_context io;
  const auto strand = asio::make_strand(io); // all that a cluster does stays on one strand
  std::optional<cohort::this_worker> self;
  std::optional<cohort::cluster<>> cluster;
  asio::signal_set signals(strand, SIGTERM, SIGINT);
  signals.async_wait([&](std::error_code error, int) {
    if (!error && self) self->disconnect(asio::detached);
    if (!error && cluster) cluster->disconnect(asio::detached);
  });
  int status = EXIT_SUCCESS;
  const auto ended = [&](std::exception_ptr failure) {
    signals.cancel(); // nothing else keeps the context running
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const std::system_error& error) {
      if (error.code() == cohort::condition::ending) return;
      std::cerr << error.what() << std::endl;
      status = EXIT_FAILURE;
      if (self) self->disconnect(asio::detached);
      if (cluster) cluster->disconnect(asio::detached);
    }
  };

  if (cohort::is_worker()) self.emplace(strand);
  else if (arguments.back() == "alone") self.emplace(strand, cohort::standalone);
  else cluster.emplace(strand, cohort::settings().silent(true));
  if (self) asio::co_spawn(strand, serve(*self, port), ended);
  else asio::co_spawn(strand, keep_four_workers(*cluster, option("--requests", 0)), ended);

  std::vector<std::jthread> threads;
  for (int i = cluster ? option("--threads", 1) : 1; i > 1; --i)
    threads.emplace_back([&] { io.run(); });
  io.run();
  return status;
}
