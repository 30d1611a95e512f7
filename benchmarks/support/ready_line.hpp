// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdio>
#include <sys/types.h>
#include <vector>

namespace cohort_benchmark {

/// What a measured server prints when all its workers listen: `ready PORT WORKER_PID...`.
inline void print_ready(std::uint16_t port, const std::vector<pid_t>& workers)
{
  std::printf("ready %u", unsigned(port));
  for (const pid_t pid : workers) std::printf(" %d", int(pid));
  std::printf("\n");
  std::fflush(stdout);
}

} // namespace cohort_benchmark
