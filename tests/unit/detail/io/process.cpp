// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/io/process.hpp>

#include <doctest/doctest.h>

#include "support/time_factor.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace process_test {

using cohort::exit_status;
using cohort::detail::process;
namespace posix = cohort::detail::posix;

namespace {

posix::child_options shell(const std::string& script)
{
  posix::child_options options;
  options.path = "/bin/sh";
  options.argv = {"sh", "-c", script};
  return options;
}

posix::child_options endless()
{
  posix::child_options options;
  options.path = "/bin/sleep";
  options.argv = {"sleep", "1000"};
  return options;
}

// Runs until nothing is pending; false if that takes too long.
bool run(asio::io_context& io)
{
  io.restart();
  io.run_for(std::chrono::seconds(20) * cohort_test::time_factor());
  return io.stopped();
}

struct recorder {
  process::exit_handler handler()
  {
    return [this](exit_status status) { statuses.push_back(status); };
  }
  std::vector<exit_status> statuses;
};

using statuses = std::vector<exit_status>;

} // namespace

TEST_CASE("the exit is told once, and the context has nothing more to do")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  const auto child = process::start(io.get_executor(), shell("exit 5"), exits.handler(), ec);
  REQUIRE(!ec);
  CHECK(child->pid() > 0);
  CHECK(!child->status());
  CHECK(exits.statuses.empty());
  REQUIRE(run(io));
  CHECK(exits.statuses == statuses{exit_status::exited(5)});
  CHECK(child->status() == exit_status::exited(5));
  CHECK(child.use_count() == 1);
}

TEST_CASE("a program that cannot be started gives an error and no exit")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  posix::child_options options;
  options.path = "/nowhere";
  CHECK(!process::start(io.get_executor(), options, exits.handler(), ec));
  CHECK(ec == std::errc::no_such_file_or_directory);
  REQUIRE(run(io));
  CHECK(exits.statuses.empty());
}

TEST_CASE("signals reach the process until it is reaped")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  const auto child = process::start(io.get_executor(), endless(), exits.handler(), ec);
  REQUIRE(!ec);
  child->signal(0, ec);
  CHECK(!ec);
  child->signal(4711, ec);
  CHECK(ec == std::errc::invalid_argument);
  child->signal(SIGSTOP, ec);
  CHECK(!ec);
  child->signal(SIGKILL, ec);
  CHECK(!ec);
  REQUIRE(run(io));
  CHECK(exits.statuses == statuses{exit_status::signalled(SIGKILL)});
  child->signal(SIGKILL, ec);
  CHECK(ec == std::errc::no_such_process);
}

TEST_CASE("a dropped handle keeps the watch, so no zombie stays")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  process::start(io.get_executor(), shell("exit 1"), exits.handler(), ec);
  REQUIRE(!ec);
  REQUIRE(run(io));
  CHECK(exits.statuses == statuses{exit_status::exited(1)});
}

TEST_CASE("nobody is told who does not want to know")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  const auto held = std::make_shared<int>(0);
  const auto child = process::start(
      io.get_executor(), shell("exit 1"), [&exits, held](exit_status s) { exits.handler()(s); },
      ec);
  REQUIRE(!ec);
  child->forget();
  CHECK(held.use_count() == 1);
  REQUIRE(run(io));
  CHECK(exits.statuses.empty());
  CHECK(child->status() == exit_status::exited(1));
}

TEST_CASE("what the handler holds is gone after the exit, also the process itself")
{
  asio::io_context io(1);
  std::error_code ec;
  auto child = process::start(io.get_executor(), endless(), nullptr, ec);
  REQUIRE(!ec);
  child->signal(SIGTERM, ec);
  REQUIRE(run(io));
  const std::weak_ptr<process> watched = child;
  child.reset();
  CHECK(watched.expired());
}

TEST_CASE("without a pidfd the exit is looked for")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  auto started = posix::start_child(endless(), ec);
  REQUIRE(!ec);
  started.pidfd.reset();
  const auto child = process::adopt(io.get_executor(), std::move(started), exits.handler());
  // A few looks in vain.
  io.run_for(std::chrono::milliseconds(50));
  CHECK(exits.statuses.empty());
  child->signal(0, ec);
  CHECK(!ec);
  child->signal(SIGTERM, ec);
  CHECK(!ec);
  REQUIRE(run(io));
  CHECK(exits.statuses == statuses{exit_status::signalled(SIGTERM)});
  child->signal(SIGTERM, ec);
  CHECK(ec == std::errc::no_such_process);
}

TEST_CASE("an exit that somebody else reaped is told with an unknown status")
{
  for (const bool with_pidfd : {true, false}) {
    asio::io_context io(1);
    recorder exits;
    std::error_code ec;
    auto started = posix::start_child(endless(), ec);
    REQUIRE(!ec);
    if (!with_pidfd) started.pidfd.reset();
    const auto child = process::adopt(io.get_executor(), std::move(started), exits.handler());
    child->signal(SIGTERM, ec);
    CHECK(!ec);
    REQUIRE(::waitpid(child->pid(), nullptr, 0) == child->pid());
    child->signal(SIGTERM, ec);
    CHECK(ec == std::errc::no_such_process);
    REQUIRE(run(io));
    CHECK(exits.statuses == statuses{exit_status()});
  }
}

TEST_CASE("an exit is seen when the host ignores SIGCHLD")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  const auto old = ::signal(SIGCHLD, SIG_IGN);
  process::start(io.get_executor(), shell("exit 1"), exits.handler(), ec);
  REQUIRE(!ec);
  CHECK(run(io));
  ::signal(SIGCHLD, old);
  CHECK(exits.statuses == statuses{exit_status()});
}

TEST_CASE("many processes end at once, each is told apart")
{
  asio::io_context io(1);
  std::error_code ec;
  std::vector<exit_status> seen(50);
  for (std::size_t i = 0; i != seen.size(); ++i) {
    process::start(
        io.get_executor(), shell("exit " + std::to_string(i)),
        [&seen, i](exit_status status) { seen[i] = status; }, ec);
    REQUIRE(!ec);
  }
  REQUIRE(run(io));
  for (std::size_t i = 0; i != seen.size(); ++i)
    CHECK(seen[i] == exit_status::exited(static_cast<int>(i)));
}

TEST_CASE("the handler runs on the given executor, with several threads in the context")
{
  asio::io_context io;
  const auto strand = asio::make_strand(io);
  int wrong = 0, told = 0;
  asio::post(strand, [&] {
    for (int i = 0; i != 20; ++i) {
      std::error_code ec;
      process::start(
          strand, shell("exit 0"),
          [&](exit_status status) {
            ++told;
            if (!status.success() || !strand.running_in_this_thread()) ++wrong;
          },
          ec);
      if (ec) ++wrong;
    }
  });
  std::vector<std::thread> threads;
  for (int i = 0; i != 3; ++i) threads.emplace_back([&] { io.run(); });
  for (auto& thread : threads) thread.join();
  CHECK(told == 20);
  CHECK(wrong == 0);
}

TEST_CASE("the context may go away before the process")
{
  recorder exits;
  pid_t pid;
  {
    asio::io_context io(1);
    std::error_code ec;
    pid = process::start(io.get_executor(), endless(), exits.handler(), ec)->pid();
  }
  CHECK(exits.statuses.empty());
  std::error_code ec;
  posix::send_signal(-1, pid, SIGKILL, ec);
  CHECK(!ec);
  posix::wait(-1, pid);

  // One that has ended by then is reaped.
  {
    asio::io_context io(1);
    pid = process::start(io.get_executor(), shell("exit 0"), exits.handler(), ec)->pid();
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  }
  posix::send_signal(-1, pid, 0, ec);
  CHECK(ec == std::errc::no_such_process);
}

TEST_CASE("a process that is let go is heard of no more, nor ended")
{
  asio::io_context io(1);
  recorder exits;
  std::error_code ec;
  const auto child = process::start(io.get_executor(), endless(), exits.handler(), ec);
  REQUIRE(!ec);
  const pid_t pid = child->pid();
  child->let_go();
  // Nothing is awaited.
  REQUIRE(run(io));
  child->signal(SIGKILL, ec);
  CHECK(ec == std::errc::no_such_process);
  posix::send_signal(-1, pid, 0, ec);
  CHECK(!ec);
  posix::send_signal(-1, pid, SIGKILL, ec);
  siginfo_t info{};
  // It is nobody's but this test's to reap.
  CHECK(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  io.restart();
  io.poll();
  CHECK(exits.statuses.empty());
  CHECK(child.use_count() == 1);
  posix::wait(-1, pid);
}

} // namespace process_test
