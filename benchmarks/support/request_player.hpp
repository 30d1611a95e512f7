// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "server_process.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

namespace cohort_benchmark {

/// A request to a `policy_server`, on a connection of its own.
struct planned_request {
  /// When it is to be sent, from the start.
  std::chrono::nanoseconds due{0};
  /// For how long it occupies its worker.
  std::chrono::microseconds busy{0};
  /// Whose it is: each client has an address of its own.
  std::uint16_t client = 0;
};

struct answered_request {
  unsigned worker = 0;
  /// From when it was due to its answer. So a request that could only be sent late, because the
  /// server was slow, is as slow as its client finds it.
  std::chrono::nanoseconds latency{0};
};

/// Sends requests when they are due, whatever became of those before them, in one thread.
class request_player {
public:
  /// @param at_once so many connections there are at most; what is due beyond them waits.
  request_player(std::uint16_t port, std::size_t at_once);
  ~request_player();
  request_player(const request_player&) = delete;
  request_player& operator=(const request_player&) = delete;

  /// @param requests in the order in which they are due.
  /// @return what became of each; an answer that is missing or strange ends the program.
  std::vector<answered_request> play(const std::vector<planned_request>& requests);

private:
  using clock = std::chrono::steady_clock;

  // One connection at a time.
  struct place {
    int fd = -1;
    bool sent = false;
    bool answered = false;
    std::size_t request = 0;
    std::size_t received = 0;
    std::array<char, 512> data;
  };

  static constexpr int patience_ = 10'000; // milliseconds in which nothing happens
  static constexpr std::string_view end_of_answer_ = "\r\n\r\nhello world\n";

  bool start_next();
  void set_timer(clock::time_point when);
  void connect(place& at);
  void send(place& at);
  void receive(place& at);
  void answer(place& at);
  void finish(place& at);
  void watch(int fd, std::uint32_t events, std::size_t index);

  std::uint16_t port_;
  int epoll_;
  int timer_;
  std::vector<place> places_;
  std::vector<std::size_t> free_;
  const std::vector<planned_request>* requests_ = nullptr;
  std::vector<answered_request> answers_;
  clock::time_point start_{};
  std::size_t next_ = 0;
  std::size_t unfinished_ = 0;
};

// Implementation

inline request_player::request_player(std::uint16_t port, std::size_t at_once)
    : port_(port),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      places_(at_once)
{
  if (epoll_ < 0 || timer_ < 0) fail("no epoll or no timer");
  watch(timer_, EPOLLIN | EPOLLET, at_once);
  for (std::size_t i = at_once; i != 0; --i) free_.push_back(i - 1);
}

inline request_player::~request_player()
{
  for (const place& each : places_)
    if (each.fd >= 0) ::close(each.fd);
  ::close(timer_);
  ::close(epoll_);
}

inline std::vector<answered_request> request_player::play(
    const std::vector<planned_request>& requests)
{
  requests_ = &requests;
  answers_.assign(requests.size(), answered_request());
  next_ = 0;
  unfinished_ = requests.size();
  start_ = clock::now();
  std::array<epoll_event, 128> events;
  while (unfinished_ != 0) {
    while (start_next()) {
    }
    const int count = ::epoll_wait(epoll_, events.data(), int(events.size()), patience_);
    if (count == 0) fail("no answer within ten seconds");
    for (std::size_t i = 0; int(i) < count; ++i) {
      const std::size_t index = events[i].data.u64;
      if (index == places_.size()) continue; // the timer: something is due
      if ((events[i].events & EPOLLOUT) != 0) send(places_[index]);
      if ((events[i].events & ~std::uint32_t(EPOLLOUT)) != 0) receive(places_[index]);
    }
  }
  return std::move(answers_);
}

inline bool request_player::start_next()
{
  if (next_ == requests_->size() || free_.empty()) return false;
  const clock::time_point due = start_ + (*requests_)[next_].due;
  if (due > clock::now()) {
    set_timer(due);
    return false;
  }
  place& at = places_[free_.back()];
  free_.pop_back();
  at.request = next_++;
  connect(at);
  return true;
}

// That clock is the timer's as well.
inline void request_player::set_timer(clock::time_point when)
{
  const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch());
  itimerspec time{};
  time.it_value.tv_sec = since.count() / 1'000'000'000;
  time.it_value.tv_nsec = since.count() % 1'000'000'000;
  ::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &time, nullptr);
}

inline void request_player::connect(place& at)
{
  at.sent = at.answered = false;
  at.received = 0;
  at.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  // All of 127.0.0.0/8 is this machine. Its port is found when it connects, so that clients do not
  // take one another's.
  const int on = 1;
  ::setsockopt(at.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (*requests_)[at.request].client);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(at.fd, generic, sizeof address) != 0)
    fail(std::string("bind: ") + std::strerror(errno));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  if (::connect(at.fd, generic, sizeof address) != 0 && errno != EINPROGRESS)
    fail(std::string("connect: ") + std::strerror(errno));
  watch(at.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, std::size_t(&at - places_.data()));
}

inline void request_player::send(place& at)
{
  if (at.fd < 0 || at.sent) return;
  at.sent = true;
  const std::string request = "GET /" + std::to_string((*requests_)[at.request].busy.count()) +
                              " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(at.fd, request.data(), request.size(), MSG_NOSIGNAL) != ssize_t(request.size()))
    fail(std::string("send: ") + std::strerror(errno));
}

inline void request_player::receive(place& at)
{
  while (at.fd >= 0) {
    const ssize_t size =
        ::recv(at.fd, at.data.data() + at.received, at.data.size() - at.received, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) fail(std::string("recv: ") + std::strerror(errno));
    if (size == 0) return finish(at);
    at.received += std::size_t(size);
    if (!at.answered) answer(at);
  }
}

inline void request_player::answer(place& at)
{
  constexpr std::string_view name = "\r\nWorker: ";
  const std::string_view data(at.data.data(), at.received);
  if (!data.ends_with(end_of_answer_)) return;
  at.answered = true;
  answered_request& result = answers_[at.request];
  result.latency = clock::now() - start_ - (*requests_)[at.request].due;
  const std::size_t found = data.find(name);
  if (found == data.npos) fail("a strange answer: " + std::string(data));
  std::from_chars(data.data() + found + name.size(), data.data() + data.size(), result.worker);
}

// The server closes first, so that the ports of the clients are free at once; when it gets to that,
// after other requests perhaps, is no part of the answer.
inline void request_player::finish(place& at)
{
  if (!at.answered) fail("a connection ended without an answer");
  ::close(at.fd);
  at.fd = -1;
  free_.push_back(std::size_t(&at - places_.data()));
  --unfinished_;
}

inline void request_player::watch(int fd, std::uint32_t events, std::size_t index)
{
  epoll_event event{};
  event.events = events;
  event.data.u64 = index;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

} // namespace cohort_benchmark
