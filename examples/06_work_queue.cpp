// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Spreads work over processes: the primary asks, the workers answer, and a job whose worker dies is
// given to another one.
//
// Shows `worker.request<Reply>()` with a deadline, `self.serve<Request>()` by a coroutine, and what
// a request ends with when its worker is gone.
//
//   06_work_queue          counts the primes below 100,000 in ten pieces; the worker of one crashes

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <boost/describe.hpp>
#include <cohort.hpp>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <vector>

struct count_primes {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  bool crash = false;
};
struct primes_counted {
  std::uint32_t count = 0;
};
BOOST_DESCRIBE_STRUCT(count_primes, (), (from, to, crash))
BOOST_DESCRIBE_STRUCT(primes_counted, (), (count))

using namespace asio::experimental::awaitable_operators;

using protocol = cohort::protocol<cohort::to_primary<primes_counted>,
    cohort::to_worker<count_primes>, cohort::binary_codec>;
using cluster_type = cohort::cluster<cohort::round_robin, protocol>;

asio::awaitable<primes_counted> count(count_primes job)
{
  if (job.crash) std::abort();
  primes_counted result;
  for (std::uint32_t n = job.from; n != job.to; ++n) {
    bool prime = n > 1;
    for (std::uint32_t divisor = 2; prime && divisor * divisor <= n; ++divisor)
      prime = n % divisor != 0;
    result.count += prime ? 1 : 0;
  }
  co_return result;
}

asio::awaitable<void> serve(cohort::basic_this_worker<protocol>& self)
{
  self.serve<count_primes>(count);
  co_await self.drain_requested();
}

struct queue {
  std::deque<count_primes> jobs;
  std::uint32_t found = 0;
};

// Works the queue off with one worker at a time.
asio::awaitable<void> employ(cluster_type& cluster, queue& work)
{
  auto worker = co_await cluster.co_fork();
  while (!work.jobs.empty()) {
    count_primes job = work.jobs.front();
    work.jobs.pop_front();
    std::error_code error;
    primes_counted result = co_await worker.request<primes_counted>(
        job, std::chrono::seconds(30), asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      work.found += result.count;
      continue;
    }
    std::cout << job.from << " to " << job.to << ": " << error.message() << std::endl;
    job.crash = false;
    work.jobs.push_back(job);
    worker = co_await cluster.co_fork();
  }
}

asio::awaitable<void> supervise(cluster_type& cluster)
{
  queue work;
  for (std::uint32_t from = 0; from != 100'000; from += 10'000) {
    count_primes job;
    job.from = from;
    job.to = from + 10'000;
    job.crash = from == 50'000;
    work.jobs.push_back(job);
  }
  auto both = employ(cluster, work) && employ(cluster, work);
  co_await std::move(both);
  std::cout << work.found << " primes" << std::endl;
  co_await cluster.disconnect();
}

int main(int argc, char** argv) { return cohort::run(argc, argv, supervise, serve); }
