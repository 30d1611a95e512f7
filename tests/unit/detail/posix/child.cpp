// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/child.hpp>

#include <cohort/detail/posix/machine.hpp>

#include <doctest/doctest.h>

#include "support/skip.hpp"
#include "support/worker_roles.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace child_test {

using namespace cohort::detail::posix;
using cohort::exit_status;

namespace {

child_options shell(const std::string& script)
{
  child_options options;
  options.path = "/bin/sh";
  options.argv = {"sh", "-c", script};
  options.envp = {"PATH=/usr/bin:/bin"};
  return options;
}

std::pair<unique_fd, unique_fd> make_pipe(int flags = O_CLOEXEC)
{
  int ends[2];
  REQUIRE(::pipe2(ends, flags) == 0);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

// What the program writes to its standard output; it must succeed.
std::string output_of(child_options options)
{
  auto [reader, writer] = make_pipe();
  options.stdio[1] = writer.get();
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  writer.reset();
  std::string text;
  char buffer[4096];
  ssize_t size;
  while ((size = ::read(reader.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<std::size_t>(size));
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(0));
  return text;
}

std::vector<std::string> lines_of(const std::string& text)
{
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string target_of(int fd)
{
  char buffer[256];
  const auto size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer, 256);
  return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

COHORT_TEST_WORKER_ROLE(list_descriptors)
{
  for (int fd = 0; fd != 1024; ++fd)
    if (::fcntl(fd, F_GETFD) != -1) std::printf("%d %s\n", fd, target_of(fd).c_str());
  return 0;
}

bool has_no_child()
{
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

std::atomic<int> handled = 0;

struct handler_scope {
  handler_scope(int number, void (*handler)(int)) : signal(number)
  {
    struct sigaction action {};
    action.sa_handler = handler;
    ::sigaction(signal, &action, &old);
  }
  ~handler_scope() { ::sigaction(signal, &old, nullptr); }
  int signal;
  struct sigaction old;
};

} // namespace

TEST_CASE("a program runs with its arguments, and its status comes back")
{
  std::error_code ec;
  auto child = start_child(shell("exit 7"), ec);
  REQUIRE(!ec);
  CHECK(child.pid > 0);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(7));

  auto options = shell("printf '%s|' \"$@\"");
  for (const char* argument : {"", "a b", "c\nd"}) options.argv.push_back(argument);
  CHECK(output_of(options) == "a b|c\nd|");

  child_options bare;
  bare.path = "/bin/true";
  child = start_child(bare, ec);
  REQUIRE(!ec);
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(0));
}

TEST_CASE("the pidfd is CLOEXEC")
{
  std::error_code ec;
  const auto child = start_child(shell("exit 0"), ec);
  REQUIRE(!ec);
  if (child.pidfd) CHECK(::fcntl(child.pidfd.get(), F_GETFD) == FD_CLOEXEC);
  wait(child.pidfd.get(), child.pid);
}

TEST_CASE("the environment is passed exactly")
{
  child_options options;
  options.path = "/usr/bin/env";
  CHECK(output_of(options).empty());
  options.envp = {"A=1", "B=", "C=x=y", "A=2"};
  CHECK(output_of(options) == "A=1\nB=\nC=x=y\nA=2\n");
}

TEST_CASE("a program starts in its directory, and a relative path counts from there")
{
  auto options = shell("pwd -P");
  options.cwd = "/usr";
  CHECK(output_of(options) == "/usr\n");
  options.cwd = "/bin";
  options.path = "./sh";
  CHECK(!output_of(options).empty());
}

TEST_CASE("what prevents a start comes back with its step and leaves nothing")
{
  struct {
    const char* path;
    const char* cwd;
    start_step step;
    std::errc code;
  } const cases[] = {
      {"/nowhere/program", "", start_step::execute, std::errc::no_such_file_or_directory},
      {"", "", start_step::execute, std::errc::no_such_file_or_directory},
      {"/etc/passwd", "", start_step::execute, std::errc::permission_denied},
      {"/", "", start_step::execute, std::errc::permission_denied},
      {"/bin/true", "/nowhere", start_step::directory, std::errc::no_such_file_or_directory},
      {"/bin/true", "/etc/passwd", start_step::directory, std::errc::not_a_directory},
  };
  for (const auto& item : cases) {
    child_options options;
    options.path = item.path;
    options.cwd = item.cwd;
    start_error error;
    const auto child = start_child(options, error);
    CHECK(child.pid == -1);
    CHECK(!child.pidfd);
    CHECK(error.code == item.code);
    CHECK(error.step == item.step);
    CHECK(has_no_child());
  }
  child_options options;
  options.path = "/bin/true";
  options.inherit = {1000};
  start_error error;
  start_child(options, error);
  CHECK(error.code == std::errc::bad_file_descriptor);
  CHECK(error.step == start_step::descriptors);
  CHECK(has_no_child());
}

TEST_CASE("a program has what it was given and nothing else")
{
  // Not CLOEXEC, as a host's own descriptors may well be.
  const auto [low_reader, low_writer] = make_pipe(0);
  const unique_fd high(::fcntl(low_reader.get(), F_DUPFD, 500));
  const auto [one, two] = make_pipe();

  child_options options;
  options.path = executable_path();
  options.envp = {"COHORT_TEST_ROLE=list_descriptors", "COHORT_TEST_ROLE_PLAIN=1"};
  const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  options.stdio = {null.get(), -1, null.get()};
  options.inherit = {two.get(), one.get(), two.get()};
  const auto lines = lines_of(output_of(options));

  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "0 /dev/null");
  CHECK(lines[1].starts_with("1 pipe:"));
  CHECK(lines[2] == "2 /dev/null");
  CHECK(lines[3] == "3 " + target_of(two.get()));
  CHECK(lines[4] == "4 " + target_of(one.get()));
  CHECK(lines[5] == "5 " + target_of(two.get()));
  CHECK(::fcntl(one.get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE(
    "a program runs in this group of processes, in one of its own, or in a session of its own")
{
  // Number, parent, group, session: the fields behind the name and the state.
  auto options = shell("read -r line < /proc/$$/stat; set -- $line; echo $1 $5 $6");
  const std::string here = std::to_string(::getpgrp()) + ' ' + std::to_string(::getsid(0));
  CHECK(output_of(options).ends_with(' ' + here + '\n'));

  options.group = cohort::process_group::own;
  const auto own = lines_of(output_of(options)).at(0);
  const auto pid = own.substr(0, own.find(' '));
  CHECK(own == pid + ' ' + pid + ' ' + std::to_string(::getsid(0)));

  options.group = cohort::process_group::own_session;
  const auto session = lines_of(output_of(options)).at(0);
  const auto leader = session.substr(0, session.find(' '));
  CHECK(session == leader + ' ' + leader + ' ' + leader);
}

TEST_CASE("a program has the limits it was given, of every kind")
{
  using cohort::resource;
  struct {
    resource what;
    const char* line;
  } const cases[] = {
      {resource::address_space, "Max address space"},
      {resource::core, "Max core file size"},
      {resource::cpu_seconds, "Max cpu time"},
      {resource::data, "Max data size"},
      {resource::file_size, "Max file size"},
      {resource::locked_memory, "Max locked memory"},
      {resource::open_files, "Max open files"},
      {resource::processes, "Max processes"},
      {resource::stack, "Max stack size"},
  };
  child_options options;
  options.path = "/bin/cat";
  options.argv = {"cat", "/proc/self/limits"};
  for (const auto& item : cases) {
    CAPTURE(item.line);
    // What is there is lowered by one: whoever runs this may do that.
    rlimit now{};
    REQUIRE(::getrlimit(
                static_cast<__rlimit_resource_t>(child_detail::number_of(item.what)), &now) == 0);
    const std::uint64_t hard = std::min<std::uint64_t>(now.rlim_max, std::uint64_t(1) << 40) - 1;
    options.limits = {cohort::resource_limit(item.what, hard - 1, hard)};
    bool found = false;
    for (const auto& line : lines_of(output_of(options))) {
      if (!line.starts_with(item.line)) continue;
      std::istringstream words(line.substr(26));
      std::string soft_now, hard_now;
      words >> soft_now >> hard_now;
      found = soft_now == std::to_string(hard - 1) && hard_now == std::to_string(hard);
    }
    CHECK(found);
  }
}

TEST_CASE("a limit that makes no sense prevents the start")
{
  child_options options;
  options.path = "/bin/true";
  options.limits = {cohort::resource_limit(cohort::resource::core, 2, 1)};
  start_error error;
  start_child(options, error);
  CHECK(error.code == std::errc::invalid_argument);
  CHECK(error.step == start_step::limits);
  CHECK(has_no_child());
}

TEST_CASE("a program that may gain no privileges is marked so")
{
  auto options = shell("grep NoNewPrivs /proc/self/status");
  const auto before = output_of(options);
  options.no_new_privs = true;
  CHECK(output_of(options) == "NoNewPrivs:\t1\n");
  options.no_new_privs = false;
  CHECK(output_of(options) == before);
}

TEST_CASE("a program runs as the user and groups it was given")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  auto options = shell("grep -E '^(Uid|Gid|Groups):' /proc/self/status");
  options.uid = 12345;
  options.gid = 23456;
  CHECK(output_of(options) == "Uid:\t12345\t12345\t12345\t12345\n"
                              "Gid:\t23456\t23456\t23456\t23456\nGroups:\t \n");
  options.groups = {40000, 30000, 40000, 10};
  CHECK(lines_of(output_of(options)).at(2) == "Groups:\t10 30000 40000 ");
  options.uid.reset();
  options.gid.reset();
  CHECK(lines_of(output_of(options)).at(0) == "Uid:\t0\t0\t0\t0");
  CHECK(lines_of(output_of(options)).at(2) == "Groups:\t10 30000 40000 ");
}

TEST_CASE("a program of another user has none of root's rights, and no way back to them")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  auto options = shell("grep -E '^Cap(Prm|Eff|Amb):' /proc/self/status; cat /proc/1/environ");
  options.uid = 12345;
  auto [reader, writer] = make_pipe();
  options.stdio[1] = writer.get();
  const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  options.stdio[2] = null.get();
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE(!ec);
  writer.reset();
  std::string text(4096, '\0');
  CHECK(wait(child.pidfd.get(), child.pid) != exit_status::exited(0));
  text.resize(static_cast<std::size_t>(::read(reader.get(), text.data(), text.size())));
  CHECK(text == "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                "CapAmb:\t0000000000000000\n");
}

TEST_CASE("this process dumps core as before, whoever its programs run as")
{
  // A child that shares this memory and changes its user takes that away for a while.
  if (::geteuid() != 0) return cohort_test::skip("needs root");
  const int before = ::prctl(PR_GET_DUMPABLE);
  child_options options;
  options.path = "/bin/true";
  options.uid = 12345;
  for (const int dumpable : {1, 0, 1}) {
    CAPTURE(dumpable);
    ::prctl(PR_SET_DUMPABLE, dumpable);
    output_of(options);
    CHECK(::prctl(PR_GET_DUMPABLE) == dumpable);
    auto missing = options;
    missing.path = "/nowhere";
    std::error_code ec;
    start_child(missing, ec);
    CHECK(ec == std::errc::no_such_file_or_directory);
    CHECK(::prctl(PR_GET_DUMPABLE) == dumpable);
  }
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int thread = 0; thread != 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i != 25; ++i) {
        std::error_code ec;
        const auto child = start_child(options, ec);
        if (ec || wait(child.pidfd.get(), child.pid) != exit_status::exited(0)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(::prctl(PR_GET_DUMPABLE) == 1);
  ::prctl(PR_SET_DUMPABLE, before);
}

TEST_CASE("who has not the right to another user is refused, with the step")
{
  if (::geteuid() != 0) return cohort_test::skip("needs root, to give it up in a copy");
  struct {
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::optional<std::vector<gid_t>> groups;
    int expected;
  } const cases[] = {
      // Groups come first, and are what is refused.
      {uid_t(0), {}, {}, static_cast<int>(start_step::groups)},
      {{}, gid_t(0), {}, static_cast<int>(start_step::groups)},
      {{}, {}, std::vector<gid_t>{1}, static_cast<int>(start_step::groups)},
      // Who stays who it is may keep its groups, but not have said others.
      {uid_t(12345), gid_t(23456), {}, -1},
      {uid_t(12345), gid_t(23456), std::vector<gid_t>(), static_cast<int>(start_step::groups)},
  };
  for (const auto& item : cases) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (::setresgid(23456, 23456, 23456) != 0 || ::setresuid(12345, 12345, 12345) != 0)
        ::_exit(98);
      child_options options;
      options.path = "/bin/true";
      options.uid = item.uid;
      options.gid = item.gid;
      options.groups = item.groups;
      start_error error;
      const auto child = start_child(options, error);
      if (!error.code) ::_exit(wait(child.pidfd.get(), child.pid).success() ? 100 : 97);
      ::_exit(error.code == std::errc::operation_not_permitted ? static_cast<int>(error.step) : 96);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == (item.expected == -1 ? 100 : item.expected));
  }
}

TEST_CASE("what the parent blocks, ignores or handles is as usual in the program")
{
  const handler_scope ignored(SIGPIPE, SIG_IGN);
  const handler_scope ignored_too(SIGCHLD, SIG_DFL);
  const handler_scope handler(SIGUSR1, [](int) {});
  sigset_t all, old;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  child_options options;
  options.path = "/bin/cat";
  options.argv = {"cat", "/proc/self/status"};
  const auto text = output_of(options);
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, &old, &now);
  for (const char* set : {"SigBlk", "SigIgn", "SigCgt"})
    CHECK(text.find(std::string(set) + ":\t0000000000000000\n") != text.npos);
  CHECK(::sigismember(&now, SIGTERM) == 1);
}

TEST_CASE("a signal sent right after the start reaches the program, never the parent")
{
  handled = 0;
  const handler_scope handler(SIGTERM, [](int) { ++handled; });
  auto [reader, writer] = make_pipe();
  auto options = child_options();
  options.path = "/bin/cat";
  options.stdio[0] = reader.get();
  int right = 0;
  for (int i = 0; i != 1000; ++i) {
    std::error_code ec;
    const auto child = start_child(options, ec);
    REQUIRE(!ec);
    send_signal(child.pidfd.get(), child.pid, SIGTERM, ec);
    CHECK(!ec);
    right += wait(child.pidfd.get(), child.pid) == exit_status::signalled(SIGTERM);
  }
  CHECK(right == 1000);
  CHECK(handled == 0);
}

TEST_CASE("the caller's errno, mask and cancellation state stay as they were")
{
  sigset_t before, after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  start_error error;
  child_options options;
  options.path = "/nowhere";
  start_child(options, error);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal != NSIG; ++signal)
    CHECK(::sigismember(&before, signal) == ::sigismember(&after, signal));
  int state;
  ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
  CHECK(state == PTHREAD_CANCEL_ENABLE);
}

TEST_CASE("several threads start programs at once, under a storm of signals")
{
  handled = 0;
  const handler_scope handler(SIGUSR1, [](int) { ++handled; });
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::thread storm([&] {
    while (!stop) {
      ::kill(::getpid(), SIGUSR1);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread != 4; ++thread) {
    threads.emplace_back([thread, &wrong] {
      for (int i = 0; i != 25; ++i) {
        std::error_code ec;
        const int code = thread * 25 + i;
        const auto child = start_child(shell("exit " + std::to_string(code)), ec);
        if (ec || wait(child.pidfd.get(), child.pid) != exit_status::exited(code)) ++wrong;
        child_options missing;
        missing.path = "/nowhere";
        start_child(missing, ec);
        if (ec != std::errc::no_such_file_or_directory) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  storm.join();
  CHECK(wrong == 0);
  CHECK(handled > 0);
  CHECK(has_no_child());
}

TEST_CASE("a host that ignores its children's ends can start programs too")
{
  const handler_scope ignored(SIGCHLD, SIG_IGN);
  std::error_code ec;
  const auto child = start_child(shell("exit 3"), ec);
  REQUIRE(!ec);
  CHECK(!wait(child.pidfd.get(), child.pid).known());
  child_options missing;
  missing.path = "/nowhere";
  start_child(missing, ec);
  CHECK(ec == std::errc::no_such_file_or_directory);
}

} // namespace child_test
