// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <sys/types.h>
#include <sys/wait.h>

namespace cohort_test {

/// Waits until a child that was sent SIGSTOP, which nothing can ignore, stands still.
/// @return false when it has ended instead.
inline bool stands_still(pid_t child)
{
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WNOWAIT) == 0;
}

/// Stops the worker; the same then.
template <class Worker>
bool stop_worker(Worker& worker)
{
  worker.kill(SIGSTOP);
  return stands_still(worker.pid());
}

} // namespace cohort_test
