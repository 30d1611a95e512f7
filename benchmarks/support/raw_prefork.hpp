// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

namespace cohort_benchmark {

/// The least that hands connections over: the primary accepts, sends each descriptor to the next
/// worker and closes it, one by one and blocking; workers receive and serve. Nothing is
/// acknowledged, bounded, watched or ever replaced. Prints the ready line and never returns.
int run_raw_prefork(unsigned workers);

} // namespace cohort_benchmark

// Implementation

#include "http_handler.hpp"
#include "ready_line.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <csignal>
#include <cstdlib>

namespace cohort_benchmark {

union one_descriptor {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

inline void send_descriptor(int channel, int descriptor) noexcept
{
  char byte = 0;
  iovec data{&byte, 1};
  one_descriptor control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (::sendmsg(channel, &message, MSG_NOSIGNAL) < 0) std::abort();
}

// -1: nothing is there.
inline int receive_descriptor(int channel) noexcept
{
  char byte;
  iovec data{&byte, 1};
  one_descriptor control;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t size = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size == 0) std::_Exit(0);
  if (size < 0) return -1;
  int descriptor;
  std::memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
  return descriptor;
}

class raw_worker {
public:
  explicit raw_worker(int channel) : channel_(context_, channel) {}

  int run()
  {
    receive();
    context_.run();
    return 0;
  }

private:
  void receive()
  {
    channel_.async_wait(channel_.wait_read, [this](std::error_code) {
      for (int fd = 0; (fd = receive_descriptor(channel_.native_handle())) >= 0;) {
        asio::ip::tcp::socket client(context_, asio::ip::tcp::v4(), fd);
        asio::co_spawn(context_, serve_http(std::move(client)), asio::detached);
      }
      receive();
    });
  }

  asio::io_context context_{1};
  asio::posix::stream_descriptor channel_;
};

inline int run_raw_prefork(unsigned workers)
{
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 511) != 0) return 1;
  ::getsockname(listener, generic, &size);
  std::vector<int> channels;
  std::vector<pid_t> pids;
  for (unsigned i = 0; i != workers; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 1;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(listener);
      ::close(pair[0]);
      for (const int other : channels) ::close(other);
      return raw_worker(pair[1]).run();
    }
    ::close(pair[1]);
    channels.push_back(pair[0]);
    pids.push_back(pid);
  }
  print_ready(ntohs(address.sin_port), pids);
  for (std::size_t next = 0;; next = (next + 1) % channels.size()) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) continue;
    send_descriptor(channels[next], client);
    ::close(client);
  }
}

} // namespace cohort_benchmark
