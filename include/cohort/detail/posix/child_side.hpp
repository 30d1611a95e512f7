// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child_credentials.hpp>
#include <cohort/detail/posix/system_calls.hpp>

#include <cstddef>
#include <cstdint>

namespace cohort::detail::posix {

/// What was being done when a process could not be started, in the order in which it is done.
enum class start_step : int {
  /// Making the process itself, and what it is given.
  create,
  /// Joining a group of processes or a session of its own.
  process_group,
  /// Putting its descriptors in their places and closing all others.
  descriptors,
  /// Changing to its working directory.
  directory,
  /// Setting limits to what it may use.
  limits,
  /// Setting its supplementary groups.
  groups,
  /// Changing its group.
  group_id,
  /// Changing its user.
  user_id,
  /// Dropping the capabilities that stayed through that.
  capabilities,
  /// Proving that user, groups and capabilities are as they should be.
  verify,
  /// Giving up privileges of later programs.
  no_new_privs,
  /// Executing the program.
  execute,
};

/// The step's name in one or two words.
const char* name_of(start_step step) noexcept;

/// What a child is to do between its creation and its exec, made by the parent beforehand.
struct child_plan {
  const char* path;
  char* const* argv;
  char* const* envp;
  /// nullptr: where the parent is.
  const char* directory;
  /// Descriptor i of the program is `sources[i]`; -1 for one of the first three: as it is.
  int* sources;
  int count;
  child_credentials credentials;
  /// Where to write a `child_report` if this memory is not shared. CLOEXEC.
  int report_fd;

  /// Set by the child at once: the parent sees it only if they share memory.
  bool entered;
  struct child_report {
    start_step step;
    int error;
  } report;
};

/// The child's side: never returns into the caller's frames, gives control to the program or ends.
///
/// It runs beside the parent's threads in the same memory, on a stack of its own and with all
/// signals blocked. So it makes bare system calls only, and writes to its stack, its plan and
/// `errno`, which the suspended parent thread restores.
COHORT_CHILD_SIDE int child_main(void* plan);

// Implementation

inline const char* name_of(start_step step) noexcept
{
  switch (step) {
  case start_step::create: return "create";
  case start_step::process_group: return "process group";
  case start_step::descriptors: return "descriptors";
  case start_step::directory: return "directory";
  case start_step::limits: return "limits";
  case start_step::groups: return "groups";
  case start_step::group_id: return "group id";
  case start_step::user_id: return "user id";
  case start_step::capabilities: return "capabilities";
  case start_step::verify: return "verify";
  case start_step::no_new_privs: return "no_new_privs";
  case start_step::execute: return "execute";
  }
  return "start";
}

namespace child_detail {

// The kernel's signal sets have one bit per signal and no more, unlike those of the C library,
// whose functions also keep two signals to themselves.
inline constexpr long signal_set_size = (_NSIG - 1) / 8;

// Handlers are the parent's code and must not run here; what is ignored would stay so after exec.
COHORT_CHILD_SIDE inline void reset_dispositions()
{
  // All zero is SIG_DFL without flags in every architecture's `struct sigaction`.
  unsigned long action[8];
  for (auto& part : action) part = 0;
  for (int signal = 1; signal < _NSIG; ++signal)
    sys::raw(SYS_rt_sigaction, signal, word(action), 0, signal_set_size);
}

COHORT_CHILD_SIDE inline void unblock_signals()
{
  unsigned long none[2];
  none[0] = none[1] = 0;
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, word(none), 0, signal_set_size);
}

COHORT_CHILD_SIDE inline int move_up(int& fd, int count)
{
  const long copy = sys::raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, count);
  if (copy == -1) return errno;
  fd = static_cast<int>(copy);
  return 0;
}

// A program without one of these would give its number to the next file it opens. One that is
// CLOEXEC is something of the parent's own.
COHORT_CHILD_SIDE inline int fill_standard_stream(int fd)
{
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFD);
  if (flags != -1 && !(flags & FD_CLOEXEC)) return 0;
  if (flags == -1 && errno != EBADF) return errno;
  const long null = sys::raw(SYS_openat, AT_FDCWD, word("/dev/null"), O_RDWR | O_CLOEXEC);
  if (null == -1) return errno;
  const long result =
      null == fd ? sys::raw(SYS_fcntl, fd, F_SETFD, 0) : sys::raw(SYS_dup3, null, fd, 0);
  return result == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline void close_listed(int directory, int first, int keep)
{
  struct __attribute__((may_alias)) entry {
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t size;
    std::uint8_t type;
    char name[1];
  };
  alignas(entry) char buffer[1024];
  for (;;) {
    const long size = sys::raw(SYS_getdents64, directory, word(buffer), sizeof buffer);
    if (size <= 0) return;
    for (long at = 0; at < size;) {
      const auto* item = reinterpret_cast<const entry*>(buffer + at);
      const char* digit = item->name;
      int fd = 0;
      while (*digit >= '0' && *digit <= '9') fd = fd * 10 + (*digit++ - '0');
      if (digit != item->name && fd >= first && fd != keep && fd != directory)
        sys::raw(SYS_close, fd);
      at += item->size;
    }
  }
}

// Everything from `first` on but `keep`, which is not below it and CLOEXEC.
COHORT_CHILD_SIDE inline int close_from(int first, int keep)
{
  const long below = first == keep ? 0 : sys::raw(SYS_close_range, first, keep - 1);
  if (below == 0 && sys::raw(SYS_close_range, keep + 1, ~0U) == 0) return 0;
  const long directory =
      sys::raw(SYS_openat, AT_FDCWD, word("/proc/self/fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory == -1) return errno;
  close_listed(static_cast<int>(directory), first, keep);
  sys::raw(SYS_close, directory);
  return 0;
}

COHORT_CHILD_SIDE inline int arrange_descriptors(child_plan& plan)
{
  // First nothing that is needed later stays where a target is.
  int error = plan.report_fd < plan.count ? move_up(plan.report_fd, plan.count) : 0;
  for (int target = 0; error == 0 && target != plan.count; ++target) {
    int& source = plan.sources[target];
    if (source != -1 && source != target && source < plan.count)
      error = move_up(source, plan.count);
  }
  for (int target = 0; error == 0 && target != plan.count; ++target) {
    const int source = plan.sources[target];
    if (source == -1) continue;
    const long result = source == target ? sys::raw(SYS_fcntl, target, F_SETFD, 0)
                                         : sys::raw(SYS_dup3, source, target, 0);
    if (result == -1) error = errno;
  }
  for (int target = 0; error == 0 && target != 3; ++target)
    if (plan.sources[target] == -1) error = fill_standard_stream(target);
  return error == 0 ? close_from(plan.count, plan.report_fd) : error;
}

COHORT_CHILD_SIDE inline int change_directory(const child_plan& plan)
{
  return plan.directory && sys::raw(SYS_chdir, word(plan.directory)) == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline int execute(const child_plan& plan)
{
  unblock_signals();
  sys::raw(SYS_execve, word(plan.path), word(plan.argv), word(plan.envp));
  return errno;
}

// What to do, in this order, and what it is called when it fails.
COHORT_CHILD_SIDE inline int run_step(child_plan& plan, start_step step)
{
  switch (step) {
  case start_step::create: return 0;
  case start_step::process_group: return enter_group(plan.credentials);
  case start_step::descriptors: return arrange_descriptors(plan);
  case start_step::directory: return change_directory(plan);
  case start_step::limits: return set_limits(plan.credentials);
  case start_step::groups: return set_groups(plan.credentials);
  case start_step::group_id: return set_gid(plan.credentials);
  case start_step::user_id: return set_uid(plan.credentials);
  case start_step::capabilities: return drop_capabilities(plan.credentials);
  case start_step::verify: return verify_credentials(plan.credentials);
  case start_step::no_new_privs: return forbid_new_privileges(plan.credentials);
  case start_step::execute: return execute(plan);
  }
  return 0;
}

} // namespace child_detail

COHORT_CHILD_SIDE inline int child_main(void* argument)
{
  using namespace child_detail;
  auto& plan = *static_cast<child_plan*>(argument);
  plan.entered = true;
  auto& [step, error] = plan.report;

  reset_dispositions();
  int number = 0;
  do {
    step = static_cast<start_step>(number);
    error = run_step(plan, step);
  } while (error == 0 && number++ != static_cast<int>(start_step::execute));

  sys::raw(SYS_write, plan.report_fd, word(&plan.report), sizeof plan.report);
  for (;;) sys::raw(SYS_exit_group, 127);
}

} // namespace cohort::detail::posix
