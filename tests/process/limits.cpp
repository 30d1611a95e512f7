// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Full workers, full queues, full descriptor tables: clients wait, and nothing spins or grows.

#include "support/conversation.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>

#include <dirent.h>
#include <set>
#include <sys/resource.h>
#include <time.h>

namespace limits_test {

using namespace cohort_test;
using namespace std::chrono_literals;

namespace {

// The smallest number that the process has no descriptor of.
rlim_t first_free_descriptor(pid_t pid)
{
  std::set<rlim_t> used;
  const std::string place = "/proc/" + std::to_string(pid) + "/fd";
  DIR* const directory = ::opendir(place.c_str());
  REQUIRE(directory);
  const bool own = pid == ::getpid();
  while (const dirent* entry = ::readdir(directory))
    if (entry->d_name[0] != '.') used.insert(std::stoul(entry->d_name));
  if (own) used.erase(static_cast<rlim_t>(::dirfd(directory)));
  ::closedir(directory);
  rlim_t number = 0;
  while (used.count(number) != 0) ++number;
  return number;
}

// Lets a process open no descriptor any more, as long as this lives.
class descriptor_limit {
public:
  explicit descriptor_limit(pid_t pid) : pid_(pid)
  {
    REQUIRE(::prlimit(pid_, RLIMIT_NOFILE, nullptr, &before_) == 0);
    const rlimit tight{first_free_descriptor(pid), before_.rlim_max};
    REQUIRE(::prlimit(pid_, RLIMIT_NOFILE, &tight, nullptr) == 0);
  }
  ~descriptor_limit() { ::prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr); }
  descriptor_limit(const descriptor_limit&) = delete;
  descriptor_limit& operator=(const descriptor_limit&) = delete;

private:
  pid_t pid_;
  rlimit before_;
};

// Processor time of this thread, which runs the primary.
std::chrono::nanoseconds processor_time()
{
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

awaitable<void> pass_time(cluster_fixture& primary, std::chrono::milliseconds time)
{
  asio::steady_timer timer(primary.context, time);
  co_await timer.async_wait(asio::use_awaitable);
}

} // namespace

TEST_CASE("a full worker is not asked again before it has room")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, server("127.0.0.1:0 max=2"));
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> holders = connect_many(where, 4, "keep");
    const std::vector<answer> held = co_await answers_to(primary, holders);
    CHECK(summary(held) == "4 ok");
    std::map<cohort::worker_id, int> shares;
    for (const answer& each : held) ++shares[each.worker];
    CHECK(shares[1] == 2);
    CHECK(shares[2] == 2);

    const auto all_are_taken = [&] { return primary.cluster().counters().taken == 4; };
    const bool quiet = co_await primary.eventually(all_are_taken);
    CHECK(quiet);
    std::vector<client> waiting = connect_many(where, 20);
    const cohort::connection_counters before = primary.cluster().counters();
    const auto used_before = processor_time();
    co_await pass_time(primary, 300ms);
    const auto used = processor_time() - used_before;
    const cohort::connection_counters after = primary.cluster().counters();
    // All are full: nothing is handed to and fro meanwhile.
    CHECK(after.taken == before.taken);
    CHECK(after.refused - before.refused <= 4);
    CHECK(after.offered - before.offered <= 4);
    CHECK(used < 60ms * time_factor());

    for (client& each : holders) each.close();
    const std::vector<answer> answers = co_await answers_to(primary, waiting);
    CHECK(summary(answers) == "20 ok");
    CHECK(primary.cluster().counters().refused <= 24);
    co_await primary.end();
  });
}

TEST_CASE("a worker with one place serves one client after another")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(server("127.0.0.1:0 max=1"));
    const address where = co_await primary.address_of(worker);
    std::vector<client> clients = connect_many(where, 50);
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "50 ok");
    co_await primary.end();
  });
}

TEST_CASE("clients of a worker that does not accept wait in the kernel, not in the primary")
{
  constexpr std::size_t credit = 4;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    // With its first accept it grants its credit.
    const std::string spec = "127.0.0.1:0 accept=1 credit=" + std::to_string(credit);
    cohort::worker worker = co_await primary.start(primary.controlled(server(spec)));
    const address where = co_await primary.address_of(worker);
    std::vector<client> first = connect_many(where, 1);
    const std::vector<answer> taken = co_await answers_to(primary, first);
    CHECK(summary(taken) == "1 ok");
    first.clear();
    const auto& cluster = primary.cluster();
    const std::size_t descriptors = count_descriptors();
    std::vector<client> clients = connect_many(where, 200);
    const auto offered = [&] { return cluster.counters().offered >= 1 + credit; };
    const bool out = co_await primary.eventually(offered);
    CHECK(out);
    co_await pass_time(primary, 50ms);
    // The clients' own ends are in this process too.
    CHECK(count_descriptors() - descriptors - clients.size() <= credit);
    CHECK(cluster.counters().accepted == 1 + credit);
    co_await primary.command(worker, "accept 0 1000");
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "200 ok");
    co_await primary.end();
  });
}

TEST_CASE("nothing is accepted for workers that have not asked for a connection")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers =
        co_await primary.start(2, primary.controlled(server("127.0.0.1:0 accept=0")));
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> clients = connect_many(where, 20);
    co_await pass_time(primary, 50ms);
    CHECK(primary.cluster().counters().accepted == 0);
    for (const cohort::worker& each : workers) co_await primary.command(each, "accept 0 1000");
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "20 ok");
    co_await primary.end();
  });
}

TEST_CASE("a worker at its descriptor limit refuses, others serve, and it recovers")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    const std::vector<cohort::worker> workers = co_await primary.start(2);
    const address where = co_await primary.address_of(workers.front());
    std::vector<client> warm = connect_many(where, 8);
    co_await answers_to(primary, warm);
    {
      const descriptor_limit limit(workers.front().pid());
      std::vector<client> clients = connect_many(where, 30);
      const std::vector<answer> answers = co_await answers_to(primary, clients);
      CHECK(summary(answers) == "30 ok");
      for (const answer& each : answers) CHECK(each.worker == workers.back().id());
      CHECK(primary.cluster().counters().refused != 0);
    }
    bool recovered = false;
    auto ask_until_recovered = [&] {
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      while (!recovered && std::chrono::steady_clock::now() < deadline)
        recovered = ask(where).worker == workers.front().id();
    };
    co_await primary.in_thread(ask_until_recovered);
    CHECK(recovered);
    CHECK(primary.cluster().counters().closed == 0);
    co_await primary.end();
  });
}

TEST_CASE("the clients of a single worker at its descriptor limit wait until it has room")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    std::vector<client> warm = connect_many(where, 1);
    co_await answers_to(primary, warm);
    std::optional<descriptor_limit> limit(worker.pid());
    std::vector<client> clients = connect_many(where, 10);
    const auto refused = [&] { return primary.cluster().counters().refused >= 3; };
    const bool tried = co_await primary.eventually(refused);
    CHECK(tried);
    limit.reset();
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "10 ok");
    CHECK(primary.cluster().counters().closed == 0);
    co_await primary.end();
  });
}

TEST_CASE("a primary at its descriptor limit does not spin, reports it, and recovers")
{
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    auto errors = primary.cluster().subscribe<cohort::error_event>();
    cohort::worker worker = co_await primary.start();
    const address where = co_await primary.address_of(worker);
    std::vector<client> warm = connect_many(where, 1);
    co_await answers_to(primary, warm);
    // Until its copy is closed, there is a number to be had.
    const auto all_are_taken = [&] { return primary.cluster().counters().taken == 1; };
    const bool quiet = co_await primary.eventually(all_are_taken);
    CHECK(quiet);
    int reported = 0;
    const auto count_it = [&](std::error_code error, const cohort::error_event& event) {
      if (error) return;
      ++reported;
      CHECK(event.what == "accept");
      CHECK(event.code == std::errc::too_many_files_open);
    };
    errors.next(count_it);
    errors.next(count_it);
    std::vector<client> clients = connect_many(where, 10);
    {
      const descriptor_limit limit(::getpid());
      const auto used_before = processor_time();
      co_await pass_time(primary, 500ms);
      CHECK(processor_time() - used_before < 50ms * time_factor());
      // Ten attempts, one report.
      CHECK(reported == 1);
      CHECK(primary.cluster().counters().accepted == 1);
    }
    const std::vector<answer> answers = co_await answers_to(primary, clients);
    CHECK(summary(answers) == "10 ok");
    co_await primary.end();
    primary.destroy_cluster();
  });
}

} // namespace limits_test
