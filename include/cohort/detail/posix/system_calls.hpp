// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

// Marks what runs in a child before its exec. Instrumentation of sanitizers and profilers would
// write into memory that the child shares with the parent's running threads.
#if defined(__clang__)
#define COHORT_CHILD_SIDE                                                                          \
  __attribute__((disable_sanitizer_instrumentation, no_sanitize("address", "thread", "undefined"), \
      no_profile_instrument_function))
#else
#define COHORT_CHILD_SIDE                                                                          \
  __attribute__((no_sanitize("address", "thread", "undefined"), no_profile_instrument_function))
#endif

#if defined(__SANITIZE_THREAD__)
#define COHORT_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COHORT_THREAD_SANITIZER
#endif
#endif
#ifdef COHORT_THREAD_SANITIZER
extern "C" int __clone(int (*)(void*), void*, int, void*, ...) noexcept;
#endif

namespace cohort::detail::posix {

/// Every system call this library makes, one member each, with the kernel's own convention:
/// -1 and `errno`.
///
/// Code calls them through `sys`. A build with `COHORT_SYSTEM_CALLS_HEADER` includes that header
/// here and takes the class it names in the macro `COHORT_SYSTEM_CALLS` instead; it derives from
/// this one and hides what it wants to fail. Otherwise each call is the plain call.
struct system_calls {
  static int close(int fd) { return ::close(fd); }
  static int fcntl(int fd, int command, int argument = 0) { return ::fcntl(fd, command, argument); }
  static int pipe2(int (&fds)[2], int flags) { return ::pipe2(fds, flags); }
  static ssize_t read(int fd, void* data, size_t size) { return ::read(fd, data, size); }
  static ssize_t write(int fd, const void* data, size_t size) { return ::write(fd, data, size); }
  static int flock(int fd, int operation) { return ::flock(fd, operation); }

  static int socket(int domain, int type, int protocol) { return ::socket(domain, type, protocol); }
  static int socketpair(int domain, int type, int protocol, int (&fds)[2])
  {
    return ::socketpair(domain, type, protocol, fds);
  }
  static int bind(int fd, const sockaddr* address, socklen_t size)
  {
    return ::bind(fd, address, size);
  }
  static int listen(int fd, int backlog) { return ::listen(fd, backlog); }
  static int connect(int fd, const sockaddr* address, socklen_t size)
  {
    return ::connect(fd, address, size);
  }
  static int accept4(int fd, sockaddr* address, socklen_t* size, int flags)
  {
    return ::accept4(fd, address, size, flags);
  }
  static int shutdown(int fd, int how) { return ::shutdown(fd, how); }
  static int getpeername(int fd, sockaddr* address, socklen_t* size)
  {
    return ::getpeername(fd, address, size);
  }
  static int getsockname(int fd, sockaddr* address, socklen_t* size)
  {
    return ::getsockname(fd, address, size);
  }
  static int getsockopt(int fd, int level, int name, void* value, socklen_t* size)
  {
    return ::getsockopt(fd, level, name, value, size);
  }
  static int setsockopt(int fd, int level, int name, const void* value, socklen_t size)
  {
    return ::setsockopt(fd, level, name, value, size);
  }
  static ssize_t sendmsg(int fd, const msghdr* message, int flags)
  {
    return ::sendmsg(fd, message, flags);
  }
  static ssize_t recvmsg(int fd, msghdr* message, int flags)
  {
    return ::recvmsg(fd, message, flags);
  }

  static int epoll_create1(int flags) { return ::epoll_create1(flags); }
  static int epoll_ctl(int set, int operation, int fd, epoll_event* event)
  {
    return ::epoll_ctl(set, operation, fd, event);
  }
  static int epoll_wait(int set, epoll_event* events, int size, int timeout)
  {
    return ::epoll_wait(set, events, size, timeout);
  }

  static int open(const char* path, int flags, mode_t mode = 0)
  {
    return ::open(path, flags, mode);
  }
  static int mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }
  static int link(const char* from, const char* to) { return ::link(from, to); }
  static int rename(const char* from, const char* to) { return ::rename(from, to); }
  static int lstat(const char* path, struct stat* status) { return ::lstat(path, status); }
  static int fstat(int fd, struct stat* status) { return ::fstat(fd, status); }
  static int fstatfs(int fd, struct statfs* status) { return ::fstatfs(fd, status); }
  static int chmod(const char* path, mode_t mode) { return ::chmod(path, mode); }
  static int fchmod(int fd, mode_t mode) { return ::fchmod(fd, mode); }
  static int unlink(const char* path) { return ::unlink(path); }
  // glibc 2.30 has it, other C libraries do not.
  static ssize_t getdents64(int fd, void* data, size_t size)
  {
    return ::syscall(SYS_getdents64, fd, data, size);
  }
  static ssize_t readlink(const char* path, char* target, size_t size)
  {
    return ::readlink(path, target, size);
  }

  static void* mmap(size_t size, int protection, int flags)
  {
    return ::mmap(nullptr, size, protection, flags, -1, 0);
  }
  static int munmap(void* address, size_t size) { return ::munmap(address, size); }
  static int mprotect(void* address, size_t size, int protection)
  {
    return ::mprotect(address, size, protection);
  }

  static int clone(int (*function)(void*), void* stack, int flags, void* argument, int* pidfd)
  {
#ifdef COHORT_THREAD_SANITIZER
    // Its wrapper takes locks in the child and takes the parent's memory for the child's own.
    return ::__clone(function, stack, flags, argument, pidfd);
#else
    return ::clone(function, stack, flags, argument, pidfd);
#endif
  }
  static int waitid(idtype_t type, id_t id, siginfo_t* info, int options)
  {
    return ::waitid(type, id, info, options);
  }
  static int kill(pid_t pid, int signal) { return ::kill(pid, signal); }
  // glibc 2.36 has these two, but in a header without extern "C".
  static int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)); }
  static int pidfd_send_signal(int pidfd, int signal)
  {
    return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0U));
  }
  static int getrlimit(int resource, rlimit* limit)
  {
    return ::getrlimit(static_cast<__rlimit_resource_t>(resource), limit);
  }
  static int prctl(int option, unsigned long argument)
  {
    return ::prctl(option, argument, 0, 0, 0);
  }
  static int sched_getaffinity(size_t size, cpu_set_t* set)
  {
    return ::sched_getaffinity(0, size, set);
  }

  /// The bare call, for a child that still shares its parent's memory: the wrappers of a C library
  /// or of a sanitizer may write there.
  COHORT_CHILD_SIDE static long raw(
      long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0)
  {
    return ::syscall(number, a, b, c, d, e);
  }
};

} // namespace cohort::detail::posix

#ifdef COHORT_SYSTEM_CALLS_HEADER
#include COHORT_SYSTEM_CALLS_HEADER
#endif

#ifndef COHORT_SYSTEM_CALLS
#define COHORT_SYSTEM_CALLS ::cohort::detail::posix::system_calls
#endif

namespace cohort::detail::posix {

using sys = COHORT_SYSTEM_CALLS;

/// The `errno` of the call just made.
inline std::error_code last_error() noexcept { return {errno, std::system_category()}; }

/// Repeats `call` as long as a signal handler interrupts it.
template <class Call>
auto retry_interrupted(Call call)
{
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// Nothing can be read or written now; readiness tells when to try again.
inline bool would_block(const std::error_code& ec) noexcept
{
  return ec.category() == std::system_category() &&
         (ec.value() == EAGAIN || ec.value() == EWOULDBLOCK);
}

/// The machine, the user or the process ran out of something. Readiness does not tell when it is
/// there again: try later by a timer.
inline bool out_of_resources(const std::error_code& ec) noexcept
{
  if (ec.category() != std::system_category()) return false;
  switch (ec.value()) {
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
  case ETOOMANYREFS: return true;
  default: return false;
  }
}

} // namespace cohort::detail::posix
