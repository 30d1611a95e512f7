// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace cohort_benchmark {

enum class load { new_connections, keep_alive };

class load_client;

/// A load of `connections` at a time, spread over `threads` threads. Those of a keep-alive load are
/// open, and have been answered once, when it is made.
class load_generator {
public:
  load_generator(std::uint16_t port, load kind, std::size_t connections, std::size_t threads);

  /// Sends so many requests and waits for every answer; an answer that is not the expected one
  /// ends the program.
  /// @return the seconds it took.
  double run(std::size_t requests);

private:
  std::vector<std::unique_ptr<load_client>> clients_;
};

} // namespace cohort_benchmark

// Implementation

#include "server_process.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace cohort_benchmark {

/// One thread, edge-triggered epoll, no allocation and no parsing beyond the answer's length.
class load_client {
public:
  load_client(std::uint16_t port, load kind, std::size_t connections)
      : kind_(kind),
        slots_(connections)
  {
    address_.sin_family = AF_INET;
    address_.sin_port = htons(port);
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  }

  ~load_client()
  {
    for (slot& each : slots_) disconnect(each);
    ::close(epoll_);
  }

  load_client(const load_client&) = delete;
  load_client& operator=(const load_client&) = delete;

  void run(std::size_t requests)
  {
    unsent_ = unanswered_ = requests;
    for (slot& each : slots_) {
      if (each.fd < 0) connect(each);
      else send(each);
    }
    std::array<epoll_event, 128> events;
    while (unanswered_ != 0) {
      const int count = ::epoll_wait(epoll_, events.data(), int(events.size()), 10'000);
      if (count == 0) fail("a request was not answered within ten seconds");
      for (std::size_t i = 0; int(i) < count; ++i)
        handle(slots_[events[i].data.u64], events[i].events);
    }
  }

private:
  struct slot {
    int fd = -1;
    bool sent = false;
    std::size_t received = 0;
    std::size_t expected = 0;
  };

  static constexpr std::string_view close_request =
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  static constexpr std::string_view keep_alive_request =
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

  void connect(slot& to)
  {
    to = slot();
    if (unsent_ == 0) return;
    to.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address_);
    if (::connect(to.fd, generic, sizeof address_) != 0 && errno != EINPROGRESS)
      fail(std::string("connect: ") + std::strerror(errno));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = std::size_t(&to - slots_.data());
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, to.fd, &event) != 0) fail("epoll_ctl");
  }

  void disconnect(slot& from)
  {
    if (from.fd >= 0) ::close(from.fd);
    from.fd = -1;
  }

  void send(slot& to)
  {
    if (unsent_ == 0) return;
    --unsent_;
    to.sent = true;
    to.received = 0;
    const std::string_view request = kind_ == load::keep_alive ? keep_alive_request : close_request;
    if (::send(to.fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size()))
      fail(std::string("send: ") + std::strerror(errno));
  }

  void handle(slot& at, std::uint32_t events)
  {
    if ((events & EPOLLOUT) != 0 && !at.sent) send(at);
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return;
    for (;;) {
      std::array<char, 2048> data;
      const ssize_t size = ::recv(at.fd, data.data(), data.size(), 0);
      if (size < 0 && errno == EAGAIN) return;
      if (size < 0) fail(std::string("recv: ") + std::strerror(errno));
      if (at.received == 0) at.expected = answer_size({data.data(), std::size_t(size)});
      at.received += std::size_t(size);
      if (kind_ == load::keep_alive) return answered(at);
      if (size != 0) continue;
      // The end of the stream: with a new connection for each request that is part of the answer.
      disconnect(at);
      answered(at);
      connect(at);
      return;
    }
  }

  void answered(slot& at)
  {
    if (at.received < at.expected || at.received == 0) {
      if (kind_ == load::keep_alive && at.received != 0) return;
      fail("an answer is incomplete");
    }
    --unanswered_;
    if (kind_ == load::keep_alive) send(at);
  }

  // Headers come in one piece from every server that is measured.
  static std::size_t answer_size(std::string_view data)
  {
    const std::size_t end = data.find("\r\n\r\n");
    if (!data.starts_with("HTTP/1.1 200 OK\r\n") || end == data.npos)
      fail("a strange answer: " + std::string(data));
    return end + 4 + std::string_view("hello world\n").size();
  }

  sockaddr_in address_{};
  load kind_;
  std::size_t unsent_ = 0;
  std::size_t unanswered_ = 0;
  std::vector<slot> slots_;
  int epoll_ = -1;
};

inline load_generator::load_generator(
    std::uint16_t port, load kind, std::size_t connections, std::size_t threads)
{
  for (std::size_t i = 0; i != threads; ++i) {
    clients_.push_back(std::make_unique<load_client>(port, kind, connections / threads));
    if (kind == load::keep_alive) clients_.back()->run(connections / threads);
  }
}

inline double load_generator::run(std::size_t requests)
{
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (const auto& each : clients_)
    threads.emplace_back([&] { each->run(requests / clients_.size()); });
  for (std::thread& each : threads) each.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace cohort_benchmark
