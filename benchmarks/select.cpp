// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What choosing a worker costs: nanoseconds per call of `select`, beside an index that is counted
// up and nothing else. All members are ready; in the second part one in four is.
//
// Then what one connection costs least_connections, the choice and all that it hears of it, beside
// the same connection with a look at all members.

#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/power_of_two.hpp>
#include <cohort/scheduling/random.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/weighted.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>
#include <span>
#include <vector>

namespace {

using members = std::vector<cohort::candidate>;

// Of everything, and while something was measured.
std::size_t allocated = 0, allocated_by_calls = 0;

// The least that goes round.
struct increment {
  std::size_t select(
      std::span<const cohort::candidate> all, const cohort::connection_info&) noexcept
  {
    if (++next == all.size()) next = 0;
    return next;
  }
  std::size_t next = 0;
};

// What most people write.
struct look_at_all {
  std::size_t select(
      std::span<const cohort::candidate> all, const cohort::connection_info&) noexcept
  {
    std::size_t best = cohort::wait;
    for (std::size_t i = 0; i != all.size(); ++i)
      if (all[i].ready() && (best == cohort::wait || all[i].connections + all[i].offers <
                                                         all[best].connections + all[best].offers))
        best = i;
    return best;
  }
};

// The thread's own time: what else the machine does is not counted.
double processor_time()
{
  std::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The median of eleven runs, each after one call that is not measured.
template <class Action>
double nanoseconds(std::size_t calls, Action action)
{
  std::array<double, 11> runs;
  for (double& each : runs) {
    action();
    const std::size_t before = allocated;
    const double start = processor_time();
    for (std::size_t i = 0; i != calls; ++i) action();
    const double took = processor_time() - start;
    allocated_by_calls += allocated - before;
    each = took / static_cast<double>(calls);
  }
  std::nth_element(runs.begin(), runs.begin() + runs.size() / 2, runs.end());
  return runs[runs.size() / 2];
}

// A run of any policy is to take about as long.
std::size_t calls_for(std::size_t cost) { return std::max<std::size_t>(2'000'000 / cost, 2'000); }

// The compiler must not look through the calls.
template <class Policy>
std::size_t select(Policy& policy, const members& all, const cohort::connection_info& connection)
{
  asm volatile("" : : "r"(all.data()), "r"(&policy), "r"(&connection) : "memory");
  const std::size_t chosen = policy.select(all, connection);
  asm volatile("" : : "r"(chosen));
  return chosen;
}

// How a policy chooses among members that nothing happens to.
template <class Policy>
double choices(Policy policy, const members& all, std::size_t cost)
{
  // Clients come and go.
  std::array<cohort::connection_info, 64> connections;
  for (std::size_t i = 0; i != connections.size(); ++i) {
    const std::array<std::byte, 4> address = {
        std::byte(10), std::byte(0), std::byte(1), static_cast<std::byte>(i)};
    connections[i] = {address, 1, std::chrono::steady_clock::now()};
  }
  // As a listener does: whoever keeps an index has it.
  if constexpr (requires { policy.on_change(all, 0); }) policy.on_change(all, 0);
  std::size_t n = 0;
  return nanoseconds(
      calls_for(cost), [&] { select(policy, all, connections[n++ % connections.size()]); });
}

// A connection is offered, taken by its member, and another one of the same member ends.
template <class Policy>
double connections(Policy policy, members all, std::size_t cost)
{
  const cohort::connection_info connection;
  const auto change = [&](std::size_t i, auto apply) {
    apply(all[i]);
    if constexpr (requires { policy.on_change(all, i); }) policy.on_change(all, i);
  };
  // Who has how many is by chance: what ends now came long ago.
  std::uint32_t random = 1;
  for (cohort::candidate& member : all)
    member.connections = 100 + (random = random * 1664525 + 1013904223) % 8;
  return nanoseconds(calls_for(cost), [&] {
    const std::size_t i = select(policy, all, connection);
    change(i, [](cohort::candidate& member) { ++member.offers; });
    change(i, [](cohort::candidate& member) { --member.offers; });
    change(i, [](cohort::candidate& member) { ++member.connections; });
    random = random * 1664525 + 1013904223;
    const std::size_t ends = (random >> 8) % all.size();
    if (all[ends].connections != 0)
      change(ends, [](cohort::candidate& member) { --member.connections; });
  });
}

members members_of(std::size_t count, std::size_t ready_every)
{
  members all;
  for (std::size_t i = 0; i != count; ++i) {
    all.emplace_back(static_cast<cohort::worker_id>(i + 1));
    all.back().slot = static_cast<std::uint32_t>(i);
    all.back().joined = i + 1;
    all.back().window = i % ready_every == 0 ? 16 : 0;
  }
  return all;
}

void print(const char* scenario, std::size_t count, const char* which, double cohort,
    const char* peer, double figure)
{
  std::printf("select | %s, %zu members, %s | ns | %.2f | %s | %.2f | %.2f\n", scenario, count,
      which, cohort, peer, figure, figure / cohort);
  std::fflush(stdout);
}

template <class Policy>
void compare(const char* name, const Policy& policy, const members& all, const char* which,
    std::size_t cost, double least)
{
  print(name, all.size(), which, choices(policy, all, cost), "plain index", least);
}

void compare_all(std::size_t count, std::size_t ready_every, const char* which)
{
  const members all = members_of(count, ready_every);
  const double least = choices(increment(), all, 1);
  // Some look at all members.
  const std::size_t each = 1 + count / 4;
  compare("round_robin", cohort::round_robin(), all, which, 1, least);
  compare("random", cohort::random(1), all, which, 2, least);
  compare("power_of_two", cohort::power_of_two(1), all, which, 4, least);
  compare("weighted", cohort::weighted(), all, which, each, least);
  compare("sticky", cohort::sticky(), all, which, 10 * each, least);
  print("least_connections", count, which, choices(cohort::least_connections(), all, 4),
      "look at all", choices(look_at_all(), all, each));
}

} // namespace

void* operator new(std::size_t size)
{
  ++allocated;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

int main()
{
  for (const std::size_t count : {2u, 16u, 128u, 1024u}) compare_all(count, 1, "all ready");
  for (const std::size_t count : {16u, 128u, 1024u}) compare_all(count, 4, "a quarter ready");
  for (const std::size_t count : {2u, 16u, 128u, 1024u}) {
    const members all = members_of(count, 1);
    print("least_connections", count, "a connection from choice to end",
        connections(cohort::least_connections(), all, 8), "look at all",
        connections(look_at_all(), all, 1 + count / 4));
  }
  std::printf("select | allocations in all calls | number | %zu | plain index | 0 | %s\n",
      allocated_by_calls, allocated_by_calls == 0 ? "1.00" : "0.00");
  return allocated_by_calls == 0 ? 0 : 1;
}
