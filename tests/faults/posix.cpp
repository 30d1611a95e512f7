// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The system call layer and the start of processes, with every call failing once.

#include "support/deep_directory.hpp"
#include "support/failing_system_calls.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"
#include "support/time_factor.hpp"

#include <cohort/detail/io/process.hpp>
#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include <asio/io_context.hpp>

#include <chrono>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace posix_faults {

using cohort::exit_status;
using cohort::detail::process;
using cohort_test::call;
using cohort_test::faults;
using namespace cohort::detail::posix;

namespace {

child_options program(const std::string& script)
{
  child_options options;
  options.path = "/bin/sh";
  options.argv = {"sh", "-c", script};
  options.cwd = "/";
  return options;
}

bool has_no_child()
{
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

bool run(asio::io_context& io)
{
  io.restart();
  io.run_for(std::chrono::seconds(20) * cohort_test::time_factor());
  return io.stopped();
}

// The status of a started `exit 3` under the given faults, which may not prevent it.
exit_status status_of_exit_3()
{
  std::error_code ec;
  const auto child = start_child(program("exit 3"), ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  return wait(child.pidfd.get(), child.pid);
}

} // namespace

TEST_CASE("whichever call of a start fails, the error comes back and nothing is left")
{
  const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto options = program("exit 3");
  options.stdio[0] = null.get();
  options.inherit = {null.get(), 0};
  for (const int code : {EMFILE, ENOMEM, EAGAIN, EPERM, EINTR}) {
    int failed = 0;
    for (unsigned n = 1;; ++n) {
      faults faults;
      faults.fail(call::any, n, code);
      start_error error;
      const auto child = start_child(options, error);
      const bool reached = faults.count(call::any) >= n;
      faults.reset();
      if (error.code) {
        ++failed;
        CHECK(error.code == std::error_code(code, std::system_category()));
        CHECK(child.pid == -1);
        CHECK(!child.pidfd);
        CHECK(has_no_child());
      } else {
        CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(3));
      }
      if (!reached) break;
    }
    CHECK(failed >= 8);
  }
}

TEST_CASE("each step is named when it fails")
{
  struct {
    call kind;
    start_step step;
  } const cases[] = {
      {call::pipe2, start_step::create},
      {call::mmap, start_step::create},
      {call::mprotect, start_step::create},
      {call::clone, start_step::create},
      {call::child_fcntl, start_step::descriptors},
      {call::child_chdir, start_step::directory},
      {call::child_execve, start_step::execute},
  };
  for (const auto& item : cases) {
    faults faults;
    faults.fail(item.kind, 1, EIO);
    start_error error;
    start_child(program("exit 0"), error);
    CHECK(error.code == std::errc::io_error);
    CHECK(error.step == item.step);
    CHECK(has_no_child());
  }
}

TEST_CASE("whichever call of a start as another user fails, nobody runs as the wrong one")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  // Only who is what was asked for ends with 3.
  auto options = program("[ \"$(id -u) $(id -g) $(id -G)\" = '12345 23456 23456 7 9' ] && exit 3");
  options.envp = {"PATH=/usr/bin:/bin"};
  options.uid = 12345;
  options.gid = 23456;
  options.groups = {7, 9};
  options.limits = {cohort::resource_limit(cohort::resource::core, 0)};
  options.group = cohort::process_group::own_session;
  options.no_new_privs = true;
  for (const int code : {ENOMEM, EAGAIN, EPERM, EINTR}) {
    int failed = 0;
    for (unsigned n = 1;; ++n) {
      faults faults;
      faults.fail(call::any, n, code);
      start_error error;
      const auto child = start_child(options, error);
      const bool reached = faults.count(call::any) >= n;
      // What makes this process dumpable again cannot be refused: that is invented here.
      const bool invented = faults.count(call::prctl) == 2 && n == faults.count(call::any);
      faults.reset();
      if (error.code) {
        ++failed;
        CHECK(error.code == std::error_code(code, std::system_category()));
        CHECK(child.pid == -1);
        CHECK(!child.pidfd);
        CHECK(has_no_child());
      } else {
        CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(3));
      }
      if (invented) ::prctl(PR_SET_DUMPABLE, 1);
      CHECK(::prctl(PR_GET_DUMPABLE) == 1);
      if (!reached) break;
    }
    // setsid, prlimit, setgroups, setresgid, getresuid, setresuid, prctl, capset; getresuid,
    // getresgid, twice getgroups and capget to verify; prctl. That root does not come back fails in
    // any case.
    CHECK(failed >= 8 + 14);
  }
}

TEST_CASE("each step to another user is named when it fails")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  struct {
    call kind;
    unsigned nth;
    start_step step;
  } const cases[] = {
      {call::prctl, 1, start_step::create},
      {call::child_setpgid, 1, start_step::process_group},
      {call::child_prlimit, 1, start_step::limits},
      {call::child_setgroups, 1, start_step::groups},
      {call::child_setresgid, 1, start_step::group_id},
      {call::child_setresuid, 1, start_step::user_id},
      {call::child_getids, 1, start_step::user_id},
      {call::child_prctl, 1, start_step::capabilities},
      {call::child_capset, 1, start_step::capabilities},
      {call::child_getids, 2, start_step::verify},
      {call::child_getids, 3, start_step::verify},
      {call::child_getgroups, 1, start_step::verify},
      {call::child_getgroups, 2, start_step::verify},
      {call::child_capget, 1, start_step::verify},
      {call::child_prctl, 2, start_step::no_new_privs},
  };
  auto options = program("exit 0");
  options.uid = 12345;
  options.gid = 23456;
  options.groups = {7};
  options.limits = {cohort::resource_limit(cohort::resource::core, 0)};
  options.group = cohort::process_group::own;
  options.no_new_privs = true;
  for (const auto& item : cases) {
    CAPTURE(static_cast<int>(item.step));
    faults faults;
    faults.fail(item.kind, item.nth, EIO);
    start_error error;
    start_child(options, error);
    CHECK(error.code == std::errc::io_error);
    CHECK(error.step == item.step);
    CHECK(has_no_child());
  }
}

TEST_CASE("a kernel without ambient capabilities starts the program as another user, without any")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  auto options = program("[ \"$(grep -cE '^Cap(Inh|Prm|Eff|Amb):\t0+$' /proc/self/status)\" = 4 ]");
  options.envp = {"PATH=/usr/bin:/bin"};
  options.uid = 12345;
  faults faults;
  faults.fail(call::child_prctl, 1, EINVAL);
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE(!ec);
  CHECK(faults.count(call::child_prctl) == 1);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(0));
}

TEST_CASE("a kernel without pidfds in clone is asked for one afterwards")
{
  for (const int code : {EINVAL, ENOSYS}) {
    faults faults;
    faults.fail(call::clone, 1, code);
    std::error_code ec;
    const auto child = start_child(program("exit 3"), ec);
    REQUIRE(!ec);
    CHECK(faults.count(call::clone) == 2);
    CHECK(faults.count(call::pidfd_open) == 1);
    CHECK(child.pidfd);
    CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(3));
  }
}

TEST_CASE("where memory cannot be shared a plain fork starts the program, errors included")
{
  faults faults;
  faults.fail(call::clone, 1, EINVAL, 2);
  CHECK(status_of_exit_3() == exit_status::exited(3));
  CHECK(faults.count(call::clone) == 3);

  faults.fail(call::clone, 1, EINVAL, 2);
  auto options = program("exit 0");
  options.path = "/nowhere";
  start_error error;
  start_child(options, error);
  CHECK(error.code == std::errc::no_such_file_or_directory);
  CHECK(error.step == start_step::execute);
  CHECK(has_no_child());

  faults.fail(call::clone, 1, EINVAL, 2);
  options.cwd = "/nowhere";
  start_child(options, error);
  CHECK(error.step == start_step::directory);
  CHECK(has_no_child());
}

TEST_CASE("a kernel without close_range leaves the program no more descriptors")
{
  faults faults;
  faults.fail_all(call::child_close_range, ENOSYS);
  const unique_fd open(::fcntl(1, F_DUPFD, 300));
  CHECK(status_of_exit_3() == exit_status::exited(3));
  std::error_code ec;
  const auto child = start_child(program("[ ! -e /proc/$$/fd/300 ] && [ ! -e /proc/$$/fd/3 ]"), ec);
  REQUIRE(!ec);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(0));

  // If not even that works it is not started at all.
  faults.fail_all(call::child_open, EACCES);
  start_error error;
  start_child(program("exit 0"), error);
  CHECK(error.code == std::errc::permission_denied);
  CHECK(error.step == start_step::descriptors);
  CHECK(has_no_child());
}

TEST_CASE("a process is watched and signalled without any pidfd call")
{
  faults faults;
  faults.fail(call::clone, 1, ENOSYS);
  faults.fail_all(call::pidfd_open, ENOSYS);
  faults.fail_all(call::pidfd_send_signal, ENOSYS);
  asio::io_context io(1);
  std::vector<exit_status> exits;
  std::error_code ec;
  const auto child = process::start(
      io.get_executor(), program("exec sleep 1000"),
      [&](exit_status status) { exits.push_back(status); }, ec);
  REQUIRE(!ec);
  child->signal(SIGTERM, ec);
  CHECK(!ec);
  CHECK(faults.count(call::kill) == 1);
  REQUIRE(run(io));
  REQUIRE(exits.size() == 1);
  CHECK(exits[0] == exit_status::signalled(SIGTERM));
  child->signal(SIGTERM, ec);
  CHECK(ec == std::errc::no_such_process);
  CHECK(faults.count(call::kill) == 1);
}

TEST_CASE("a pidfd that the kernel cannot wait for or signal by is made up for by the number")
{
  faults faults;
  std::error_code ec;
  auto child = start_child(program("exec sleep 1000"), ec);
  REQUIRE(!ec);
  faults.fail(call::pidfd_send_signal, 1, ENOSYS);
  send_signal(child.pidfd.get(), child.pid, SIGKILL, ec);
  CHECK(!ec);
  faults.fail(call::waitid, 1, EINVAL);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::signalled(SIGKILL));
}

TEST_CASE("readiness without an exit is waited for again, and does not turn in circles")
{
  faults faults;
  asio::io_context io(1);
  int told = 0;
  std::error_code ec;
  const auto child = process::start(
      io.get_executor(), program("exit 3"), [&](exit_status) { ++told; }, ec);
  REQUIRE(!ec);
  faults.fail(call::waitid, 1, EAGAIN, 4);
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(run(io));
  CHECK(told == 1);
  CHECK(child->status() == exit_status::exited(3));
  CHECK(faults.count(call::waitid) == 5);
  // After the second one by a timer: 10, 20 and 40 ms.
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(70));
}

TEST_CASE("an interrupted wait is repeated")
{
  faults faults;
  std::error_code ec;
  const auto child = start_child(program("exit 3"), ec);
  REQUIRE(!ec);
  faults.fail(call::waitid, 1, EINTR, 3);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(3));
  CHECK(faults.count(call::waitid) == 4);
}

TEST_CASE("interrupted transfers are repeated, short ones are told")
{
  std::error_code ec;
  const auto [a, b] = stream_pair(ec);
  const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int fds[] = {null.get()};
  std::string first = "hello ", second = "world";
  const iovec data[] = {{first.data(), first.size()}, {second.data(), second.size()}};
  faults faults;
  faults.fail(call::sendmsg, 1, EINTR, 2);
  faults.fail(call::recvmsg, 1, EINTR, 2);
  faults.shorten(call::sendmsg, 8);
  faults.shorten(call::recvmsg, 3);
  CHECK(send_with_fds(a.get(), data, fds, ec) == 8);
  CHECK(!ec);
  CHECK(faults.count(call::sendmsg) == 3);

  std::byte buffer[64];
  fd_sink sink;
  CHECK(receive_with_fds(b.get(), buffer, sink, ec).bytes == 3);
  CHECK(faults.count(call::recvmsg) == 3);
  CHECK(sink.size() == 1);
  CHECK(receive_with_fds(b.get(), buffer, sink, ec).bytes == 3);
  CHECK(receive_with_fds(b.get(), buffer, sink, ec).bytes == 2);
  CHECK(sink.size() == 1);
}

TEST_CASE("a full channel and an exhausted machine are told apart")
{
  std::error_code ec;
  const auto [a, b] = stream_pair(ec);
  char byte = 'x';
  const iovec data{&byte, 1};
  faults faults;
  for (const int code : {ENOBUFS, ENOMEM, ETOOMANYREFS}) {
    faults.fail(call::sendmsg, 1, code);
    CHECK(send_with_fds(a.get(), {&data, 1}, {}, ec) == 0);
    CHECK(out_of_resources(ec));
    CHECK(!would_block(ec));
  }
  faults.fail(call::sendmsg, 1, EAGAIN);
  CHECK(send_with_fds(a.get(), {&data, 1}, {}, ec) == 0);
  CHECK(would_block(ec));
}

TEST_CASE("accept is repeated after a signal and gives every other error back")
{
  std::error_code ec;
  const std::string name = std::string("\0cohort-faults-", 15) + std::to_string(::getpid());
  const auto listener = listen_stream(socket_address::from_path(name, ec), listen_settings(), ec);
  REQUIRE(!ec);
  faults faults;
  faults.fail(call::accept4, 1, EINTR, 2);
  faults.fail(call::accept4, 3, EMFILE);
  faults.fail(call::accept4, 4, ECONNABORTED);
  CHECK(!accept_stream(listener.get(), nullptr, ec));
  CHECK(out_of_resources(ec));
  CHECK(!accept_stream(listener.get(), nullptr, ec));
  CHECK(connection_failed(ec));
  CHECK(!accept_stream(listener.get(), nullptr, ec));
  CHECK(would_block(ec));
}

TEST_CASE("whichever call of listening fails, no socket and no path is left")
{
  const cohort_test::scratch_directory scratch;
  const std::filesystem::path folder(scratch.path());
  std::error_code ec;
  const auto address = socket_address::from_path((folder / "s").string(), ec);
  listen_settings settings;
  settings.mode = 0666;
  for (const bool stale : {false, true}) {
    for (unsigned n = 1;; ++n) {
      if (stale) listen_stream(address, settings, ec);
      faults faults;
      faults.fail(call::any, n, EIO);
      auto listener = listen_stream(address, settings, ec);
      const bool reached = faults.count(call::any) >= n;
      CHECK(bool(listener) == !ec);
      if (!reached) CHECK(!ec);
      if (ec && !stale) CHECK(!std::filesystem::exists(folder / "s"));
      listener.reset();
      faults.reset();
      std::filesystem::remove(folder / "s");
      if (!reached) break;
    }
  }
}

TEST_CASE("whichever call of listening on a long path fails, nothing is left either")
{
  const cohort_test::deep_directory deep;
  const std::string path = deep.file("s");
  const std::size_t before = cohort_test::count_descriptors();
  std::error_code ec;
  const auto listen = [&]() -> unique_fd {
    ec.clear();
    const bound_place place = reach_path(path, ec);
    if (ec) return {};
    return listen_stream(place.address, listen_settings(), ec);
  };
  for (const bool stale : {false, true}) {
    unsigned failed = 0;
    for (unsigned n = 1;; ++n) {
      CAPTURE(n);
      if (stale) listen();
      faults faults;
      faults.fail(call::any, n, EIO);
      auto listener = listen();
      const bool reached = faults.count(call::any) >= n;
      CHECK(bool(listener) == !ec);
      if (!reached) CHECK(!ec);
      if (ec) ++failed;
      if (ec && !stale) CHECK(!std::filesystem::exists(path));
      listener.reset();
      faults.reset();
      CHECK(cohort_test::count_descriptors() == before);
      std::filesystem::remove(path);
      if (!reached) break;
    }
    // The directory, and what every path takes.
    CHECK(failed >= 6);
  }
}

TEST_CASE("a set of processors that is too small is made larger")
{
  const unsigned cpus = affinity_cpus();
  faults faults;
  faults.fail(call::sched_getaffinity, 1, EINVAL, 3);
  CHECK(affinity_cpus() == cpus);
  faults.fail_all(call::sched_getaffinity, EPERM);
  CHECK(affinity_cpus() == 1);
  CHECK(available_cpus() == 1);
}

} // namespace posix_faults
