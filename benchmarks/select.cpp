// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What choosing a worker costs: nanoseconds per call of `select`, beside an index that is counted
// up and nothing else. All members are ready; in the second half one in four is.

#include <cohort/scheduling/round_robin.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

namespace {

// The least that goes round.
struct increment {
  std::size_t select(
      std::span<const cohort::candidate> members, const cohort::connection_info&) noexcept
  {
    if (++next == members.size()) next = 0;
    return next;
  }
  std::size_t next = 0;
};

// The median of eleven runs.
template <class Policy>
double nanoseconds(std::span<const cohort::candidate> members)
{
  constexpr std::size_t calls = 2'000'000;
  const cohort::connection_info connection;
  std::vector<double> runs;
  for (int run = 0; run != 11; ++run) {
    Policy policy;
    std::size_t sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i != calls; ++i) {
      // The compiler must not look through the calls.
      asm volatile("" : : "r"(members.data()), "r"(&policy) : "memory");
      sum += policy.select(members, connection);
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    asm volatile("" : : "r"(sum));
    runs.push_back(took.count() / calls);
  }
  std::nth_element(runs.begin(), runs.begin() + 5, runs.end());
  return runs[5];
}

void compare(std::size_t count, std::size_t ready_every, const char* which)
{
  std::vector<cohort::candidate> members;
  for (std::size_t i = 0; i != count; ++i) {
    members.emplace_back(static_cast<cohort::worker_id>(i + 1));
    members.back().joined = i + 1;
    members.back().window = i % ready_every == 0 ? 16 : 0;
  }
  const double round_robin = nanoseconds<cohort::round_robin>(members);
  const double least = nanoseconds<increment>(members);
  std::printf("select | round_robin, %zu members, %s | ns | %.2f | plain index | %.2f | %.2f\n",
      count, which, round_robin, least, least / round_robin);
}

} // namespace

int main()
{
  for (const std::size_t count : {2u, 16u, 128u, 1024u}) compare(count, 1, "all ready");
  for (const std::size_t count : {16u, 128u, 1024u}) compare(count, 4, "a quarter ready");
}
