// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// One server, and the policy that spreads its connections chosen on the command line.
//
// Shows the policies that cohort brings along, `cohort::any_policy`, which holds one of them, and
// `run` with a policy that has a state. One request in ten keeps its connection for longer:
// round_robin does not mind, least_connections gives the others to who has fewer.
//
//   03_policies                                 round_robin on port 8000, until SIGTERM or Ctrl-C
//   03_policies sticky                          each client to the same worker; nc 127.0.0.1 8000
//   03_policies least_connections --requests 200     asks itself, prints who got how many, and ends

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;
using cohort::overflow;

template <class Policy>
cohort::any_policy make()
{
  return Policy();
}

cohort::any_policy make_when_full()
{
  return cohort::when_full(overflow::refuse("come back later\n"), cohort::round_robin());
}

// How each is made when it is chosen.
const std::map<std::string, cohort::any_policy (*)()> policies = {
    {"round_robin", make<cohort::round_robin>},
    {"weighted", make<cohort::weighted>},
    {"least_connections", make<cohort::least_connections>},
    {"power_of_two", make<cohort::power_of_two>},
    {"random", make<cohort::random>},
    {"sticky", make<cohort::sticky>},
    {"slow_start", make<cohort::slow_start<cohort::least_connections>>},
    {"when_full", make_when_full},
    {"shared", make<cohort::shared>},
    {"reuse_port", make<cohort::reuse_port>},
    {"environment", make<cohort::policy_from_environment>},
};

int requests = 0; // requests to make, none: serve for others

// In the workers: a greeting, for some after a while.

asio::awaitable<void> answer(std::string greeting, bool is_slow, cohort::connection<tcp> client)
{
  if (is_slow) {
    asio::steady_timer timer(client.get_executor(), 50ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_await asio::async_write(client, asio::buffer(greeting), asio::use_awaitable);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  const tcp::endpoint where(asio::ip::address_v4::loopback(), requests == 0 ? 8000 : 0);
  auto acceptor = co_await self.listen(where);
  const std::string greeting = "worker " + std::to_string(self.id()) + '\n';
  for (int count = 1;; ++count) {
    auto client = co_await acceptor.async_accept();
    auto answering = answer(greeting, count % 10 == 0, std::move(client));
    asio::co_spawn(self.get_executor(), std::move(answering), asio::detached);
  }
}

// In the primary: four workers, and clients that ask one time after the other.

using shares = std::map<std::string, int>;

asio::awaitable<void> ask(tcp::endpoint where, int times, shares& answers)
{
  for (; times != 0; --times) {
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(where, asio::use_awaitable);
    std::string greeting;
    std::error_code end;
    co_await asio::async_read(
        socket, asio::dynamic_buffer(greeting), asio::redirect_error(asio::use_awaitable, end));
    ++answers[greeting];
  }
}

asio::awaitable<void> supervise(cohort::cluster<cohort::any_policy>& cluster)
{
  auto workers = co_await cluster.co_fork_all(4);
  std::uint16_t port = 0;
  for (auto& worker : workers) {
    auto where = co_await worker.listening();
    port = where.port;
  }
  if (requests == 0) co_return;
  shares answers;
  const tcp::endpoint where(asio::ip::address_v4::loopback(), port);
  const int each = requests / 4;
  auto clients = ask(where, each, answers) && ask(where, each, answers) &&
                 ask(where, each, answers) && ask(where, requests - 3 * each, answers);
  co_await std::move(clients);
  for (const auto& [greeting, count] : answers) std::cout << count << " answers of " << greeting;
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  const std::string name = argc > 1 ? argv[1] : "round_robin";
  if (argc == 4 && std::string(argv[2]) == "--requests") requests = std::max(std::atoi(argv[3]), 0);
  if (const auto policy = policies.find(name); policy != policies.end())
    return cohort::run(argc, argv, supervise, serve, cohort::run_options(), policy->second());
  std::cerr << "03_policies does not know '" << name << "'; it knows:";
  for (const auto& [known, policy] : policies) std::cerr << ' ' << known;
  std::cerr << std::endl;
  return 2;
}
