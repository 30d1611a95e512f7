// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/worker_id.hpp>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cohort::detail::posix {

/// The environment variables by which a cluster tells a process what it is.
inline constexpr const char* worker_id_variable = "COHORT_WORKER_ID";
inline constexpr const char* control_variable = "COHORT_CONTROL_FD";
inline constexpr const char* messages_variable = "COHORT_MESSAGE_FD";
inline constexpr const char* group_variable = "COHORT_GROUP";

/// What the environment said when this process was first asked.
struct process_role {
  worker_id id = 0;
  int control = -1;
  int messages = -1;
  /// Empty for none.
  std::string group;

  bool is_worker() const noexcept { return id != 0; }
};

/// This process's role, read once: adopting the channels clears the environment, and the process
/// stays what it is.
const process_role& role() noexcept;

/// The channels of a worker.
struct worker_channels {
  unique_fd control;
  unique_fd messages;
};

/// Takes the channels this process was started with, keeps them from its children, and clears the
/// role from the environment; `not_a_worker` when there are none or they were taken before.
worker_channels adopt_channels(std::error_code& ec);

/// The arguments this process was started with, its own name left out. They are read by the first
/// call: a program may write something else over them, for `ps` to show.
const std::vector<std::string>& program_arguments();

/// This process's environment, "NAME=value" each.
std::vector<std::string_view> environment_entries();

/// This process's number.
inline pid_t own_pid() noexcept { return ::getpid(); }

/// A descriptor, CLOEXEC, for /dev/null.
unique_fd open_null(std::error_code& ec) noexcept;

/// Flushes the standard streams and ends the process without running destructors. Nobody may read
/// what is flushed any more: it ends within half a second all the same.
[[noreturn]] void exit_at_once(int code) noexcept;

// Implementation

inline int number_from_environment(const char* name) noexcept
{
  const char* const text = std::getenv(name);
  if (!text) return -1;
  int value = -1;
  const char* const end = text + std::strlen(text);
  const auto result = std::from_chars(text, end, value);
  return result.ec == std::errc() && result.ptr == end && value >= 0 ? value : -1;
}

inline const process_role& role() noexcept
{
  static const process_role role = [] {
    process_role read;
    const int id = number_from_environment(worker_id_variable);
    if (id < 1) return read;
    read.id = static_cast<worker_id>(id);
    read.control = number_from_environment(control_variable);
    read.messages = number_from_environment(messages_variable);
    if (const char* const group = std::getenv(group_variable)) read.group = group;
    return read;
  }();
  return role;
}

inline worker_channels adopt_channels(std::error_code& ec)
{
  static bool adopted = false;
  worker_channels channels;
  const process_role& mine = role();
  if (!mine.is_worker() || std::exchange(adopted, true) || !is_unix_stream(mine.control) ||
      !is_unix_stream(mine.messages)) {
    ec = error::not_a_worker;
    return channels;
  }
  channels.control.reset(mine.control);
  channels.messages.reset(mine.messages);
  for (const unique_fd* fd : {&channels.control, &channels.messages}) {
    set_cloexec(fd->get(), ec);
    if (!ec) set_nonblocking(fd->get(), ec);
    if (ec) return worker_channels();
  }
  for (const char* name : {worker_id_variable, control_variable, messages_variable, group_variable})
    ::unsetenv(name);
  return channels;
}

inline const std::vector<std::string>& program_arguments()
{
  static const std::vector<std::string> arguments = [] {
    std::vector<std::string> all;
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    for (std::string each; std::getline(file, each, '\0');) all.push_back(each);
    if (!all.empty()) all.erase(all.begin());
    return all;
  }();
  return arguments;
}

inline std::vector<std::string_view> environment_entries()
{
  std::vector<std::string_view> all;
  for (char** each = environ; each && *each; ++each) all.emplace_back(*each);
  return all;
}

inline unique_fd open_null(std::error_code& ec) noexcept
{
  unique_fd null(sys::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) ec = last_error();
  return null;
}

inline void exit_at_once(int code) noexcept
{
  // A signal interrupts whatever blocks in writing; no other way does, on every kind of stream.
  static std::atomic<int> result;
  result = code;
  struct sigaction end {};
  end.sa_handler = [](int) { ::_exit(result); };
  ::sigaction(SIGALRM, &end, nullptr);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  itimerval limit{};
  limit.it_value.tv_usec = 500'000;
  ::setitimer(ITIMER_REAL, &limit, nullptr);
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  ::_exit(code);
}

} // namespace cohort::detail::posix
