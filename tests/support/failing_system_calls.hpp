// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// The test side of the seam in detail/posix/system_calls.hpp. A program is built with it by
// -DCOHORT_SYSTEM_CALLS_HEADER="support/failing_system_calls.hpp"; all its sources or none.

#ifndef COHORT_SYSTEM_CALLS_HEADER
#error only for programs that are built with the seam: their library code differs from the usual one
#endif

namespace cohort_test {
struct failing_system_calls;
}
#define COHORT_SYSTEM_CALLS ::cohort_test::failing_system_calls

#include <cohort/detail/posix/system_calls.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <sys/uio.h>

namespace cohort_test {

/// The kinds of system calls. Those that a child makes before its exec stand at the end.
enum class call {
  any,
  fcntl,
  pipe2,
  read,
  write,
  flock,
  socket,
  socketpair,
  bind,
  listen,
  connect,
  accept4,
  shutdown,
  getpeername,
  getsockname,
  getsockopt,
  setsockopt,
  sendmsg,
  recvmsg,
  epoll_create1,
  epoll_ctl,
  epoll_wait,
  open,
  mkdir,
  link,
  rename,
  lstat,
  fstat,
  fstatfs,
  chmod,
  fchmod,
  unlink,
  getdents64,
  readlink,
  mmap,
  mprotect,
  clone,
  waitid,
  kill,
  pidfd_open,
  pidfd_send_signal,
  getrlimit,
  sched_getaffinity,
  prctl,
  child_fcntl,
  child_dup3,
  child_open,
  child_close_range,
  child_chdir,
  child_setpgid,
  child_setsid,
  child_prlimit,
  child_setgroups,
  child_setresgid,
  child_setresuid,
  child_getids,
  child_getgroups,
  child_prctl,
  child_capset,
  child_capget,
  child_execve,
  child_other,
  size_
};

/// What `faults` sets and the calls look at.
struct fault_state {
  struct rule {
    std::atomic<call> kind;
    std::atomic<int> error;
    std::atomic<unsigned> first, last;
  };
  std::array<rule, 16> rules;
  std::atomic<std::size_t> rule_count;
  std::array<std::atomic<unsigned>, static_cast<std::size_t>(call::size_)> counts;
  std::array<std::atomic<std::size_t>, static_cast<std::size_t>(call::size_)> limits;

  static fault_state instance;
};
inline fault_state fault_state::instance;

/// Which calls fail, and what was called. One for the whole program, valid for the lifetime of this
/// object; to be set up before the calls of other threads begin.
///
///     cohort_test::faults faults;
///     faults.fail(call::sendmsg, 3, ENOBUFS);      // the third sendmsg from now on
///     faults.shorten(call::recvmsg, 1);            // every receive gives one byte
class faults {
public:
  faults() { reset(); }
  faults(const faults&) = delete;
  faults& operator=(const faults&) = delete;
  ~faults() { reset(); }

  /// The `nth` call of that kind from now on, and the `times - 1` after it, fail with `error`.
  /// With `call::any` calls of every kind are counted, except closing and unmapping.
  void fail(call kind, unsigned nth, int error, unsigned times = 1)
  {
    auto& slot = state().rules[state().rule_count++ % state().rules.size()];
    const unsigned now = count(kind);
    slot.kind = kind;
    slot.error = error;
    slot.first = now + nth;
    slot.last = now + nth - 1 + times;
  }

  /// Every call of that kind fails.
  void fail_all(call kind, int error) { fail(kind, 1, error, 1U << 30); }

  /// From now on one `call::sendmsg` or `call::recvmsg` transfers at most `size` bytes; 0 lifts it.
  void shorten(call kind, std::size_t size) { state().limits[index(kind)] = size; }

  /// How many calls of that kind there were; `call::any` for all.
  unsigned count(call kind) const { return state().counts[index(kind)]; }

  /// Forgets all rules and counts.
  void reset()
  {
    state().rule_count = 0;
    for (auto& rule : state().rules) rule.first = rule.last = 0;
    for (auto& count : state().counts) count = 0;
    for (auto& limit : state().limits) limit = 0;
  }

private:
  friend struct failing_system_calls;

  static constexpr std::size_t index(call kind) { return static_cast<std::size_t>(kind); }
  static fault_state& state() { return fault_state::instance; }

  // Counts a call, and says whether it fails, with `errno` set.
  COHORT_CHILD_SIDE static bool hits(call kind)
  {
    auto& shared = fault_state::instance;
    const unsigned number = ++shared.counts[static_cast<std::size_t>(kind)];
    const unsigned overall = ++shared.counts[0];
    for (const auto& rule : shared.rules) {
      const unsigned n = rule.kind == call::any ? overall : number;
      if ((rule.kind == kind || rule.kind == call::any) && n >= rule.first && n <= rule.last) {
        errno = rule.error;
        return true;
      }
    }
    return false;
  }

  // The message with no more bytes than allowed.
  struct shortened {
    template <class Message>
    shortened(call kind, const Message& original) : message(original)
    {
      std::size_t left = state().limits[index(kind)];
      if (left == 0) return;
      std::size_t used = 0;
      for (; used != message.msg_iovlen && used != parts.size() && left != 0; ++used) {
        parts[used] = message.msg_iov[used];
        parts[used].iov_len = std::min(parts[used].iov_len, left);
        left -= parts[used].iov_len;
      }
      message.msg_iov = parts.data();
      message.msg_iovlen = used;
    }

    msghdr message;
    std::array<iovec, 64> parts;
  };
};

struct failing_system_calls : cohort::detail::posix::system_calls {
  using plain = cohort::detail::posix::system_calls;

// Fails, or is the plain call.
#define COHORT_TEST_CALL(name)                                                                     \
  template <class... Arguments>                                                                    \
  static auto name(Arguments&&... arguments)                                                       \
  {                                                                                                \
    using result = decltype(plain::name(arguments...));                                            \
    return faults::hits(call::name) ? static_cast<result>(-1) : plain::name(arguments...);         \
  }

  COHORT_TEST_CALL(fcntl)
  COHORT_TEST_CALL(pipe2)
  COHORT_TEST_CALL(read)
  COHORT_TEST_CALL(write)
  COHORT_TEST_CALL(flock)
  COHORT_TEST_CALL(socket)
  COHORT_TEST_CALL(socketpair)
  COHORT_TEST_CALL(bind)
  COHORT_TEST_CALL(listen)
  COHORT_TEST_CALL(connect)
  COHORT_TEST_CALL(accept4)
  COHORT_TEST_CALL(shutdown)
  COHORT_TEST_CALL(getpeername)
  COHORT_TEST_CALL(getsockname)
  COHORT_TEST_CALL(getsockopt)
  COHORT_TEST_CALL(epoll_create1)
  COHORT_TEST_CALL(epoll_ctl)
  COHORT_TEST_CALL(epoll_wait)
  COHORT_TEST_CALL(open)
  COHORT_TEST_CALL(mkdir)
  COHORT_TEST_CALL(link)
  COHORT_TEST_CALL(rename)
  COHORT_TEST_CALL(lstat)
  COHORT_TEST_CALL(fstat)
  COHORT_TEST_CALL(fstatfs)
  COHORT_TEST_CALL(chmod)
  COHORT_TEST_CALL(fchmod)
  COHORT_TEST_CALL(unlink)
  COHORT_TEST_CALL(getdents64)
  COHORT_TEST_CALL(readlink)
  COHORT_TEST_CALL(mprotect)
  COHORT_TEST_CALL(clone)
  COHORT_TEST_CALL(kill)
  COHORT_TEST_CALL(pidfd_open)
  COHORT_TEST_CALL(pidfd_send_signal)
  COHORT_TEST_CALL(getrlimit)
  COHORT_TEST_CALL(sched_getaffinity)
  COHORT_TEST_CALL(prctl)

#undef COHORT_TEST_CALL

  static void* mmap(std::size_t size, int protection, int flags)
  {
    return faults::hits(call::mmap) ? MAP_FAILED : plain::mmap(size, protection, flags);
  }
  /// Has no error EAGAIN of its own: that stands for a child that has not ended yet.
  static int waitid(idtype_t type, id_t id, siginfo_t* info, int options)
  {
    if (!faults::hits(call::waitid)) return plain::waitid(type, id, info, options);
    if (errno != EAGAIN) return -1;
    *info = siginfo_t();
    return 0;
  }
  static int setsockopt(int fd, int level, int name, const void* value, socklen_t size)
  {
    return faults::hits(call::setsockopt) ? -1 : plain::setsockopt(fd, level, name, value, size);
  }
  static ssize_t sendmsg(int fd, const msghdr* message, int flags)
  {
    if (faults::hits(call::sendmsg)) return -1;
    const faults::shortened part(call::sendmsg, *message);
    return plain::sendmsg(fd, &part.message, flags);
  }
  static ssize_t recvmsg(int fd, msghdr* message, int flags)
  {
    if (faults::hits(call::recvmsg)) return -1;
    faults::shortened part(call::recvmsg, *message);
    const ssize_t result = plain::recvmsg(fd, &part.message, flags);
    message->msg_controllen = part.message.msg_controllen;
    message->msg_flags = part.message.msg_flags;
    return result;
  }

  COHORT_CHILD_SIDE static long raw(
      long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0)
  {
    call kind = call::child_other;
    switch (number) {
    // These cannot fail, and are made outside the child too.
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_exit_group: return plain::raw(number, a, b, c, d, e);
    case SYS_fcntl: kind = call::child_fcntl; break;
    case SYS_dup3: kind = call::child_dup3; break;
    case SYS_openat: kind = call::child_open; break;
    case SYS_close_range: kind = call::child_close_range; break;
    case SYS_chdir: kind = call::child_chdir; break;
    case SYS_setpgid: kind = call::child_setpgid; break;
    case SYS_setsid: kind = call::child_setsid; break;
    case SYS_prlimit64: kind = call::child_prlimit; break;
    case SYS_setgroups: kind = call::child_setgroups; break;
    case SYS_setresgid: kind = call::child_setresgid; break;
    case SYS_setresuid: kind = call::child_setresuid; break;
    case SYS_getresgid:
    case SYS_getresuid: kind = call::child_getids; break;
    case SYS_getgroups: kind = call::child_getgroups; break;
    case SYS_prctl: kind = call::child_prctl; break;
    case SYS_capset: kind = call::child_capset; break;
    case SYS_capget: kind = call::child_capget; break;
    case SYS_execve: kind = call::child_execve; break;
    default: break;
    }
    return faults::hits(kind) ? -1 : plain::raw(number, a, b, c, d, e);
  }
};

} // namespace cohort_test
