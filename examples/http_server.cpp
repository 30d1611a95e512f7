// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// An HTTP/1.1 server on a cluster of workers, one for each processor unless said.
//
// Shows a primary that keeps its workers alive, and workers that drain without losing a client.
//
//   examples/run --port 8000          builds and starts it; --help names the options
//   curl -i http://127.0.0.1:8000/                     hello world, from one worker after the other
//   curl http://127.0.0.1:8000/slow?ms=500             answers half a second later
//   curl -d something http://127.0.0.1:8000/echo       answers: something
//   curl http://127.0.0.1:8000/crash                   ends a worker, which is replaced
//
// It prints a line for each worker that is online and where it listens. Ctrl-C or SIGTERM lets the
// requests that are under way end, and then the program with status 0; a second one ends it at
// once.

#include "http/options.hpp"
#include "http/server.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <unistd.h>

namespace {

// A worker.

asio::awaitable<void> serve(cohort::this_worker& self, const http::options& how)
{
  // Without a worker the primary keeps the clients waiting, for the one that is being started.
  const auto held = cohort::listen_options().hold_when_empty(true);
  std::error_code error;
  auto acceptor =
      co_await self.listen(how.endpoint(), held, asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    // The primary knows why.
    co_await self.disconnect();
    co_return;
  }
  const auto server = std::make_shared<http::server>(self,
      "X-Worker: " + std::to_string(self.id()) + "\r\nX-Pid: " + std::to_string(getpid()) + "\r\n",
      how.timeout, how.proxied);
  while (!error) {
    auto client = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) server->serve(std::move(client));
  }
  // Nobody comes any more: the drain has begun.
  co_await http::server::ended(server);
}

// The primary.

class supervisor {
public:
  explicit supervisor(const http::options& how) : how_(how) {}

  template <class Policy>
  asio::awaitable<void> run(cohort::cluster<Policy>& cluster);

  /// Why it gave up, if it did.
  const std::string& failure() const noexcept { return failure_; }

private:
  using duration = std::chrono::milliseconds;

  // How many workers in a row may end before they listen, when there is no other one.
  static constexpr unsigned most_failures_ = 5;
  static constexpr duration longest_pause_{5000};

  // Each returns how long to wait before workers are started.
  duration handle(const cohort::online_event& event);
  duration handle(const cohort::listening_event& event);
  duration handle(const cohort::error_event& event);
  duration handle(const cohort::exit_event& event);
  duration failed(const std::string& what);

  // One worker shows whether the address can be had before the others are started.
  std::size_t wanted() const noexcept { return can_listen_ ? how_.workers : 1; }

  const http::options& how_;
  bool can_listen_ = false;
  bool announced_ = false;
  std::set<cohort::worker_id> listening_;
  unsigned failures_ = 0;
  std::string failure_;
};

template <class Policy>
asio::awaitable<void> supervisor::run(cohort::cluster<Policy>& cluster)
{
  auto events = cluster.template subscribe<cohort::online_event, cohort::listening_event,
      cohort::error_event, cohort::exit_event>();
  asio::steady_timer timer(cluster.get_executor());
  duration pause(0);
  while (failure_.empty()) {
    if (pause != duration(0)) {
      timer.expires_after(std::exchange(pause, duration(0)));
      co_await timer.async_wait(asio::use_awaitable);
    }
    std::error_code error;
    while (!error && cluster.workers().size() < wanted())
      co_await cluster.co_fork(asio::redirect_error(asio::use_awaitable, error));
    if (error == cohort::error::shutting_down) co_return;
    if (error) {
      pause = failed("cannot start a worker: " + error.message());
      continue;
    }
    const auto event = co_await events.next();
    pause = std::visit([this](const auto& each) { return this->handle(each); }, event);
  }
  co_await cluster.disconnect(std::chrono::seconds(1));
}

auto supervisor::handle(const cohort::online_event& event) -> duration
{
  std::cout << "worker " << event.worker << " (pid " << event.pid << ") online" << std::endl;
  return duration(0);
}

auto supervisor::handle(const cohort::listening_event& event) -> duration
{
  listening_.insert(event.worker);
  failures_ = 0;
  can_listen_ = true;
  if (announced_ || listening_.size() != how_.workers) return duration(0);
  announced_ = true;
  std::cout << "listening on " << http::url(event.address, event.port) << std::endl;
  return duration(0);
}

auto supervisor::handle(const cohort::error_event& event) -> duration
{
  if (event.what == "listen" && !can_listen_) {
    failure_ = "cannot listen on " + http::url(how_.host.to_string(), how_.port) + ": " +
               event.code.message();
    return duration(0);
  }
  std::cerr << "http_server: " << event.what << ": " << event.code.message() << std::endl;
  return duration(0);
}

auto supervisor::handle(const cohort::exit_event& event) -> duration
{
  const bool has_listened = listening_.erase(event.worker) != 0;
  std::ostringstream what;
  what << "worker " << event.worker << " (pid " << event.pid << ") " << event.status;
  if (!has_listened) return failed(what.str() + " before it listened");
  if (!event.voluntary) std::cout << what.str() << std::endl;
  return duration(0);
}

auto supervisor::failed(const std::string& what) -> duration
{
  ++failures_;
  if (listening_.empty() && failures_ >= most_failures_) {
    failure_ = what;
    return duration(0);
  }
  std::cerr << "http_server: " << what << std::endl;
  return std::min(longest_pause_, duration(100) * (1 << std::min(failures_ - 1, 6U)));
}

} // namespace

int main(int argc, char** argv)
{
  http::options how;
  try {
    how = http::parse_options(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::cerr << "http_server: " << error.what() << std::endl;
    return 2;
  }
  if (how.help) {
    std::cout << http::usage;
    return EXIT_SUCCESS;
  }
  supervisor primary(how);
  const auto run = [&]<class Policy>(const Policy& policy) {
    return cohort::run(
        argc, argv, [&](cohort::cluster<Policy>& cluster) { return primary.run(cluster); },
        [&](cohort::this_worker& self) { return serve(self, how); }, cohort::run_options(), policy);
  };
  // A policy that looks at the first bytes is of a kind that `any_policy` does not hold.
  const int status = how.proxied ? run(cohort::sticky_by_proxy()) : run(how.policy);
  if (primary.failure().empty()) return status;
  std::cerr << "http_server: " << primary.failure() << std::endl;
  return EXIT_FAILURE;
}
