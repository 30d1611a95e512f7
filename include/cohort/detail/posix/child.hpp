// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child_side.hpp>
#include <cohort/detail/posix/pidfd.hpp>
#include <cohort/process_group.hpp>
#include <cohort/resource_limit.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>
#include <vector>

namespace cohort::detail::posix {

/// What to start, and with what.
struct child_options {
  /// The program: no search in PATH; a relative one is looked up in `cwd`.
  std::string path;
  /// With the program's own name first; empty stands for just the path.
  std::vector<std::string> argv;
  /// "NAME=value", the whole environment.
  std::vector<std::string> envp;
  /// Empty: where the parent is.
  std::string cwd;
  /// What becomes descriptors 0, 1 and 2; -1 takes the parent's, or /dev/null if it has none.
  std::array<int, 3> stdio{-1, -1, -1};
  /// What becomes descriptors 3, 4, ... in this order.
  std::vector<int> inherit;
  cohort::process_group group = cohort::process_group::inherit;
  /// Set before user and group change.
  std::vector<resource_limit> limits;
  /// Real, effective and saved alike; unset: those of this process.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  /// The supplementary ones. Unset: none if `uid` or `gid` is set, else those of this process. Who
  /// has not the right to drop them may keep them if it stays the same user and group.
  std::optional<std::vector<gid_t>> groups;
  /// Whether the program and what it starts gain nothing by executing programs that would give it.
  bool no_new_privs = false;
};

/// A process that runs. Its owner reaps it.
struct started {
  pid_t pid = -1;
  /// Empty where pidfds do not exist or none could be had.
  unique_fd pidfd;
};

/// Why a process could not be started: which step of it failed, and with what error.
struct start_error {
  start_step step = start_step::create;
  std::error_code code;
};

/// Starts a program; returns as soon as it has been executed, or with the error that prevented it.
///
/// The program has the descriptors 0, 1, 2 and those of `inherit`, nothing else, all signals
/// unblocked and with their default actions. Descriptors in `options` stay open here; whether they
/// are CLOEXEC does not matter. After an error nothing is left: no process, no zombie.
///
/// It runs as the user and groups of `options`, which is verified, or not at all; as another user
/// than this process, not root, without capabilities. The program is looked up and executed as that
/// user, `cwd` is entered before.
///
/// May be called beside other threads. The cost does not depend on how much memory this process
/// has: nothing of it is copied. The calling thread waits until the program is executed.
started start_child(const child_options& options, start_error& error);

/// The same, without telling which step it was.
started start_child(const child_options& options, std::error_code& ec);

// Implementation

namespace child_detail {

// A stack with a page below it that nobody can touch.
class stack {
public:
  explicit stack(std::error_code& ec)
  {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    size_ = page + 64 * 1024;
    base_ = sys::mmap(size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
    if (base_ == MAP_FAILED || sys::mprotect(base_, page, PROT_NONE) != 0) ec = last_error();
  }
  stack(const stack&) = delete;
  stack& operator=(const stack&) = delete;
  ~stack()
  {
    if (base_ != MAP_FAILED) sys::munmap(base_, size_);
  }

  void* top() const noexcept { return static_cast<std::byte*>(base_) + size_; }

private:
  void* base_;
  std::size_t size_;
};

// Keeps handlers and cancellation out, of this thread and of the child that gets a copy of its
// mask; a signal that arrives meanwhile waits. `errno` comes out as it went in.
class undisturbed {
public:
  undisturbed() noexcept
  {
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation_);
    unsigned long all[2] = {~0UL, ~0UL};
    sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, word(all), word(mask_), signal_set_size);
  }
  undisturbed(const undisturbed&) = delete;
  undisturbed& operator=(const undisturbed&) = delete;
  ~undisturbed()
  {
    sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, word(mask_), 0, signal_set_size);
    ::pthread_setcancelstate(cancellation_, nullptr);
    errno = errno_;
  }

private:
  int errno_ = errno;
  int cancellation_;
  unsigned long mask_[2] = {};
};

inline std::vector<char*> pointers(const std::vector<std::string>& strings)
{
  std::vector<char*> result;
  result.reserve(strings.size() + 2);
  // execve only reads through these.
  for (const auto& string : strings) result.push_back(const_cast<char*>(string.c_str()));
  result.push_back(nullptr);
  return result;
}

// A child that changes who it is before its exec makes the memory that it shares undumpable, which
// keeps others of its new user out of it; but this process would stay so: without core files, and
// with a /proc that is root's. Such starts go one by one, as the next would take it for the usual.
class dumpable_guard {
public:
  dumpable_guard(bool needed, std::error_code& ec) : lock_(mutex(), std::defer_lock)
  {
    if (!needed) return;
    lock_.lock();
    before_ = sys::prctl(PR_GET_DUMPABLE, 0UL);
    if (before_ == -1) ec = last_error();
  }
  dumpable_guard(const dumpable_guard&) = delete;
  dumpable_guard& operator=(const dumpable_guard&) = delete;
  ~dumpable_guard()
  {
    // These two cannot be refused. The third value is what the kernel made of it itself, and does
    // again; nobody else may set it.
    if (before_ == 0 || before_ == 1)
      sys::prctl(PR_SET_DUMPABLE, static_cast<unsigned long>(before_));
  }

private:
  static std::mutex& mutex()
  {
    static std::mutex one;
    return one;
  }

  std::unique_lock<std::mutex> lock_;
  int before_ = -1;
};

inline int number_of(resource what) noexcept
{
  switch (what) {
  case resource::address_space: return RLIMIT_AS;
  case resource::core: return RLIMIT_CORE;
  case resource::cpu_seconds: return RLIMIT_CPU;
  case resource::data: return RLIMIT_DATA;
  case resource::file_size: return RLIMIT_FSIZE;
  case resource::locked_memory: return RLIMIT_MEMLOCK;
  case resource::open_files: return RLIMIT_NOFILE;
  case resource::processes: return RLIMIT_NPROC;
  case resource::stack: return RLIMIT_STACK;
  }
  return -1;
}

// The form in which the child reads them, and the memory that this needs.
class prepared_credentials {
public:
  explicit prepared_credentials(const child_options& options)
      : groups_(options.groups.value_or(std::vector<gid_t>()))
  {
    for (const resource_limit& each : options.limits)
      limits_.push_back({number_of(each.what()), {each.soft(), each.hard()}});
    std::ranges::sort(groups_);
    groups_.erase(std::unique(groups_.begin(), groups_.end()), groups_.end());
    found_.resize(groups_.size());
    plan.group = options.group;
    plan.limits = limits_.data();
    plan.limit_count = static_cast<int>(limits_.size());
    plan.sets_uid = options.uid.has_value();
    plan.uid = options.uid.value_or(0);
    plan.sets_gid = options.gid.has_value();
    plan.gid = options.gid.value_or(0);
    plan.groups_may_stay = !options.groups && changes_identity();
    plan.sets_groups = options.groups || plan.groups_may_stay;
    plan.groups = groups_.data();
    plan.groups_found = found_.data();
    plan.group_count = static_cast<int>(groups_.size());
    plan.no_new_privs = options.no_new_privs;
  }

  bool changes_identity() const noexcept { return plan.sets_uid || plan.sets_gid; }

  child_credentials plan{};

private:
  std::vector<child_credentials::limit> limits_;
  std::vector<gid_t> groups_;
  std::vector<gid_t> found_;
};

// Makes the process; where the kernel, an emulator or valgrind lacks something, without it.
inline pid_t create(child_plan& plan, void* stack_top, int& pidfd)
{
  constexpr int suspended = CLONE_VM | CLONE_VFORK | SIGCHLD;
  pid_t pid = -1;
  for (const int flags : {suspended | CLONE_PIDFD, suspended, SIGCHLD}) {
    pid = sys::clone(child_main, stack_top, flags, &plan, &pidfd);
    if (pid != -1 || (errno != EINVAL && errno != ENOSYS)) break;
  }
  return pid;
}

// What the child says. One that shares no memory (valgrind and qemu make a plain fork of every
// clone) writes it into the pipe, which its exec closes. It would be wrong to ask the pipe always:
// a process that another thread forked meanwhile may hold it open.
inline child_plan::child_report report_of(const child_plan& plan, int pipe)
{
  if (plan.entered) return plan.report;
  child_plan::child_report report{};
  const auto size = retry_interrupted([&] { return sys::read(pipe, &report, sizeof report); });
  return size == sizeof report ? report : child_plan::child_report();
}

} // namespace child_detail

inline started start_child(const child_options& options, start_error& error)
{
  using namespace child_detail;
  error = start_error();
  auto argv = pointers(options.argv);
  if (options.argv.empty()) argv.insert(argv.begin(), const_cast<char*>(options.path.c_str()));
  const auto envp = pointers(options.envp);
  std::vector<int> sources(options.stdio.begin(), options.stdio.end());
  sources.insert(sources.end(), options.inherit.begin(), options.inherit.end());

  int ends[2] = {-1, -1};
  if (sys::pipe2(ends, O_CLOEXEC) != 0) {
    error.code = last_error();
    return {};
  }
  const unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  const stack stack(error.code);
  if (error.code) return {};

  const prepared_credentials credentials(options);
  child_plan plan{options.path.c_str(), argv.data(), envp.data(),
      options.cwd.empty() ? nullptr : options.cwd.c_str(), sources.data(),
      static_cast<int>(sources.size()), credentials.plan, writer.get(), false, {}};
  started child;
  int pidfd = -1;
  {
    const dumpable_guard guard(credentials.changes_identity(), error.code);
    if (error.code) return {};
    const undisturbed scope;
    child.pid = create(plan, stack.top(), pidfd);
    if (child.pid == -1) error.code = last_error();
  }
  if (error.code) return {};
  child.pidfd.reset(pidfd);
  writer.reset();
  const auto report = report_of(plan, reader.get());
  if (report.error != 0) {
    error = {report.step, std::error_code(report.error, std::system_category())};
    wait(child.pidfd.get(), child.pid);
    return {};
  }
  std::error_code ignored;
  if (!child.pidfd) child.pidfd = open_pidfd(child.pid, ignored);
  return child;
}

inline started start_child(const child_options& options, std::error_code& ec)
{
  start_error error;
  auto child = start_child(options, error);
  ec = error.code;
  return child;
}

} // namespace cohort::detail::posix
