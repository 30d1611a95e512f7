// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>

#include "support/time_factor.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cohort_test {

/// Another program whose output is read line by line; killed when it goes out of scope.
class program {
public:
  explicit program(std::vector<std::string> arguments);
  ~program();
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  /// The next line of its stdout, empty at the end.
  std::string line() { return read_line(out_); }
  /// Everything it has still to say on stderr.
  std::string errors();

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) { ::kill(pid_, number); }
  /// To it and all that it has started, when it leads a process group.
  void signal_group(int number) { ::kill(-pid_, number); }

  /// Its exit code once it has ended, 128 and more for a signal.
  int wait();
  /// The same of any child of this process.
  static int wait_for(pid_t child);

private:
  struct stream {
    cohort::detail::posix::unique_fd pipe;
    std::string ahead;
    bool ended = false;
  };

  static void wait_readable(int descriptor);
  static void read_more(stream& from);
  static std::string read_line(stream& from);

  stream out_;
  stream err_;
  pid_t pid_ = -1;
};

/// The path of one of the examples, which were built beside the tests.
inline std::string example(const std::string& name)
{
  const char* folder = std::getenv("COHORT_EXAMPLES");
  return folder ? std::string(folder) + '/' + name : std::string();
}

// Implementation

inline program::program(std::vector<std::string> arguments)
{
  std::array<int, 2> out;
  std::array<int, 2> err;
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)
    throw std::system_error(errno, std::system_category(), "pipe2");
  out_.pipe.reset(out[0]);
  err_.pipe.reset(err[0]);
  const cohort::detail::posix::unique_fd out_end(out[1]);
  const cohort::detail::posix::unique_fd err_end(err[1]);
  std::vector<char*> argv;
  for (std::string& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error) throw std::system_error(error, std::system_category(), arguments.front());
}

inline program::~program()
{
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

inline void program::wait_readable(int descriptor)
{
  pollfd waiting{descriptor, POLLIN, 0};
  const int limit = 20'000 * static_cast<int>(time_factor());
  if (::poll(&waiting, 1, limit) != 1) throw std::runtime_error("the program says nothing");
}

inline void program::read_more(stream& from)
{
  wait_readable(from.pipe.get());
  std::array<char, 4096> data;
  const ssize_t size = ::read(from.pipe.get(), data.data(), data.size());
  if (size > 0) from.ahead.append(data.data(), static_cast<std::size_t>(size));
  else from.ended = true;
}

inline std::string program::read_line(stream& from)
{
  while (!from.ended && from.ahead.find('\n') == from.ahead.npos) read_more(from);
  const std::size_t end = std::min(from.ahead.find('\n'), from.ahead.size());
  std::string result = from.ahead.substr(0, end);
  from.ahead.erase(0, end + 1);
  return result;
}

inline std::string program::errors()
{
  while (!err_.ended) read_more(err_);
  return std::exchange(err_.ahead, std::string());
}

inline int program::wait()
{
  const int status = wait_for(pid_);
  pid_ = -1;
  return status;
}

inline int program::wait_for(pid_t child)
{
  const cohort::detail::posix::unique_fd process(
      static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  wait_readable(process.get());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace cohort_test
