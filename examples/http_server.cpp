// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// An HTTP/1.1 server on a cluster of workers, one for each processor unless said.
//
// Shows a primary that keeps its workers alive, by itself or by a supervisor, and workers that
// drain without losing a client.
//
//   examples/run --port 8000          builds and starts it; --help names the options
//   curl -i http://127.0.0.1:8000/                     hello world, from one worker after the other
//   curl http://127.0.0.1:8000/slow?ms=500             answers half a second later
//   curl -d something http://127.0.0.1:8000/echo       answers: something
//   curl http://127.0.0.1:8000/crash                   ends a worker, which is replaced
//
// It prints a line for each worker that is online and where it listens. Ctrl-C or SIGTERM lets the
// requests that are under way end, and then the program with status 0; a second one ends it at
// once. With --supervise SIGHUP or SIGUSR1 bring new workers into service, and then end the old
// ones.

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

// What it says of its workers.
class announcer {
public:
  explicit announcer(const http::options& how) : how_(how) {}

protected:
  void announce(const cohort::online_event& event);
  void announce(const cohort::listening_event& event);

  const http::options& how_;
  std::set<cohort::worker_id> listening_;

private:
  bool announced_ = false;
};

// Keeps the workers alive by itself.
class keeper : announcer {
public:
  using announcer::announcer;

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

  bool can_listen_ = false;
  unsigned failures_ = 0;
  std::string failure_;
};

// Has a supervisor keep them alive.
class manager : announcer {
public:
  using announcer::announcer;

  template <class Policy>
  asio::awaitable<void> run(cohort::supervisor<Policy>& master);

  /// Why it could not begin, if it could not.
  const std::string& failure() const noexcept { return failure_; }

private:
  using events = cohort::subscription<cohort::online_event, cohort::listening_event,
      cohort::exit_event, cohort::reload_event, cohort::gave_up_event, cohort::error_event>;

  asio::awaitable<void> watch(events all);

  void handle(const cohort::online_event& event) { announce(event); }
  void handle(const cohort::listening_event& event) { announce(event); }
  void handle(const cohort::exit_event& event);
  void handle(const cohort::reload_event& event);
  void handle(const cohort::gave_up_event& event);
  void handle(const cohort::error_event& event);

  std::string failure_;
};

void announcer::announce(const cohort::online_event& event)
{
  std::cout << "worker " << event.worker << " (pid " << event.pid << ") online" << std::endl;
}

void announcer::announce(const cohort::listening_event& event)
{
  listening_.insert(event.worker);
  if (announced_ || listening_.size() != how_.workers) return;
  announced_ = true;
  std::cout << "listening on " << http::url(event.address, event.port) << std::endl;
}

std::string describe(const cohort::exit_event& event)
{
  std::ostringstream what;
  what << "worker " << event.worker << " (pid " << event.pid << ") " << event.status;
  return what.str();
}

std::string describe(const cohort::error_event& event)
{
  return event.what + ": " + event.code.message();
}

template <class Policy>
asio::awaitable<void> keeper::run(cohort::cluster<Policy>& cluster)
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

auto keeper::handle(const cohort::online_event& event) -> duration
{
  announce(event);
  return duration(0);
}

auto keeper::handle(const cohort::listening_event& event) -> duration
{
  failures_ = 0;
  can_listen_ = true;
  announce(event);
  return duration(0);
}

auto keeper::handle(const cohort::error_event& event) -> duration
{
  if (event.what == "listen" && !can_listen_) {
    failure_ = "cannot listen on " + http::url(how_.host.to_string(), how_.port) + ": " +
               event.code.message();
    return duration(0);
  }
  std::cerr << "http_server: " << describe(event) << std::endl;
  return duration(0);
}

auto keeper::handle(const cohort::exit_event& event) -> duration
{
  const bool has_listened = listening_.erase(event.worker) != 0;
  if (!has_listened) return failed(describe(event) + " before it listened");
  if (!event.voluntary) std::cout << describe(event) << std::endl;
  return duration(0);
}

auto keeper::failed(const std::string& what) -> duration
{
  ++failures_;
  if (listening_.empty() && failures_ >= most_failures_) {
    failure_ = what;
    return duration(0);
  }
  std::cerr << "http_server: " << what << std::endl;
  return std::min(longest_pause_, duration(100) * (1 << std::min(failures_ - 1, 6U)));
}

template <class Policy>
asio::awaitable<void> manager::run(cohort::supervisor<Policy>& master)
{
  auto all = master.template subscribe<cohort::online_event, cohort::listening_event,
      cohort::exit_event, cohort::reload_event, cohort::gave_up_event, cohort::error_event>();
  asio::co_spawn(master.get_executor(), watch(std::move(all)), asio::detached);
  cohort::group web("web");
  web.workers(how_.workers);
  // Where any port will do the workers have one chosen.
  if (how_.port != 0) web.listen(how_.endpoint());
  master.add(web);
  std::error_code error;
  co_await master.run(asio::redirect_error(asio::use_awaitable, error));
  if (error)
    failure_ =
        "cannot listen on " + http::url(how_.host.to_string(), how_.port) + ": " + error.message();
}

asio::awaitable<void> manager::watch(events all)
{
  for (;;) {
    const auto event = co_await all.next();
    std::visit([this](const auto& each) { this->handle(each); }, event);
  }
}

void manager::handle(const cohort::exit_event& event)
{
  listening_.erase(event.worker);
  if (!event.voluntary) std::cout << describe(event) << std::endl;
}

void manager::handle(const cohort::reload_event& event)
{
  std::cout << "reload: " << event.result.to_string() << std::endl;
}

void manager::handle(const cohort::gave_up_event&)
{
  std::cerr << "http_server: too many workers end, there are no new ones for a while" << std::endl;
}

void manager::handle(const cohort::error_event& event)
{
  std::cerr << "http_server: " << describe(event) << std::endl;
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
  keeper primary(how);
  manager supervised(how);
  const auto work = [&](cohort::this_worker& self) { return serve(self, how); };
  const auto run = [&]<class Policy>(const Policy& policy) {
    const auto keep = [&](cohort::cluster<Policy>& cluster) { return primary.run(cluster); };
    const auto manage = [&](cohort::supervisor<Policy>& master) { return supervised.run(master); };
    if (how.supervise)
      return cohort::run(argc, argv, manage, work, cohort::supervisor_options(), policy);
    return cohort::run(argc, argv, keep, work, cohort::run_options(), policy);
  };
  // A policy that looks at the first bytes is of a kind that `any_policy` does not hold.
  const int status = how.proxied ? run(cohort::sticky_by_proxy()) : run(how.policy);
  const std::string failure = primary.failure() + supervised.failure();
  if (failure.empty()) return status;
  std::cerr << "http_server: " << failure << std::endl;
  return EXIT_FAILURE;
}
