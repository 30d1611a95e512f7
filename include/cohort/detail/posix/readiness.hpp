// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

namespace cohort::detail::posix {

// A set of sockets whose news are told by one descriptor, which becomes readable. It tells of
// each arrival once, also when nobody has read what came: Asio's own waits would find the socket
// readable over and over.

/// An empty set, CLOEXEC.
unique_fd open_readiness(std::error_code& ec) noexcept;

/// Watches `fd`; what has arrived already is news as well.
/// @param key what `take_news` tells it by.
void watch(int set, int fd, std::uint64_t key, std::error_code& ec) noexcept;

/// Ends that. Closing `fd` is not enough when another process has the socket too.
void unwatch(int set, int fd) noexcept;

/// Calls `told(key, ended)` for each socket to which something has come since it was last told of;
/// `ended` when nothing more will. What comes meanwhile may be left for the next time.
template <class Told>
void take_news(int set, Told told);

/// Looks at what can be read, without taking it.
/// @return how many bytes of `buffer` are filled; 0 without an error when the peer has ended.
std::size_t peek(int fd, std::span<std::byte> buffer, std::error_code& ec) noexcept;

// Implementation

inline unique_fd open_readiness(std::error_code& ec) noexcept
{
  unique_fd set(sys::epoll_create1(EPOLL_CLOEXEC));
  ec = set ? std::error_code() : last_error();
  return set;
}

inline void watch(int set, int fd, std::uint64_t key, std::error_code& ec) noexcept
{
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.u64 = key;
  const int result = sys::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  ec = result == 0 ? std::error_code() : last_error();
}

inline void unwatch(int set, int fd) noexcept
{
  epoll_event ignored{};
  sys::epoll_ctl(set, EPOLL_CTL_DEL, fd, &ignored);
}

template <class Told>
void take_news(int set, Told told)
{
  constexpr int rounds = 16;
  epoll_event events[64];
  // An end, also when clients go on sending.
  for (int round = 0, count = 64; count == 64 && round != rounds; ++round) {
    count = sys::epoll_wait(set, events, 64, 0);
    for (int i = 0; i < count; ++i)
      told(std::uint64_t(events[i].data.u64),
          (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
  }
}

inline std::size_t peek(int fd, std::span<std::byte> buffer, std::error_code& ec) noexcept
{
  iovec data{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const ssize_t size =
      retry_interrupted([&] { return sys::recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT); });
  ec = size >= 0 ? std::error_code() : last_error();
  return size >= 0 ? static_cast<std::size_t>(size) : 0;
}

} // namespace cohort::detail::posix
