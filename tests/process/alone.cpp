// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A server without a cluster: role "alone", which echoes, and leaves on SIGTERM.

#include <cohort/acceptor.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/role_program.hpp"
#include "support/worker_roles.hpp"

#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <csignal>
#include <iostream>
#include <string>

namespace alone_role {

using namespace cohort_test;

namespace {

using asio::awaitable;
using asio::ip::tcp;

awaitable<void> echo(cohort::connection<tcp> client)
{
  std::array<char, 64> data;
  for (;;) {
    const std::size_t size = co_await client.async_read_some(asio::buffer(data));
    co_await asio::async_write(client, asio::buffer(data, size), asio::use_awaitable);
  }
}

awaitable<void> serve(cohort::this_worker& self)
{
  const tcp::endpoint where(asio::ip::address_v4::loopback(), 0);
  auto acceptor = co_await self.listen(where);
  std::cout << "listening " << acceptor.local_endpoint().port() << std::endl;
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), echo(std::move(client)), asio::detached);
  }
}

COHORT_TEST_WORKER_ROLE(alone)
{
  asio::io_context context(1);
  cohort::this_worker self(context, cohort::standalone);
  std::cout << (cohort::is_worker() || self.is_connected() || self.id() != 0 ? "wrong" : "alone")
            << std::endl;
  asio::co_spawn(context, serve(self), [](std::exception_ptr) {});
  asio::signal_set signals(context, SIGTERM);
  signals.async_wait([&](std::error_code, int) {
    self.disconnect(
        [](std::error_code error) { std::cout << "left " << error.value() << std::endl; });
  });
  context.run();
  return 0;
}

} // namespace

TEST_CASE("a worker that stands alone serves, drains and ends like another")
{
  role_program one("alone");
  CHECK(one.line() == "alone");
  const address where = one.listening();
  client live(where);
  CHECK(echoes(live));
  client another(where);
  CHECK(echoes(another));
  one.signal(SIGTERM);
  wait_for_refusal(where);
  CHECK(echoes(live));
  live.close();
  CHECK(echoes(another));
  another.close();
  CHECK(one.line() == "left 0");
  CHECK(one.wait() == 0);
  CHECK(one.errors().empty());
}

} // namespace alone_role
