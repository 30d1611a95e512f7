// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/worker_id.hpp>

#include "support/time_factor.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

namespace cohort_test {

/// What became of a request.
enum class outcome {
  ok,
  refused, ///< nobody listened
  reset,   ///< the connection was reset before the whole answer
  eof,     ///< it ended before the whole answer
  timeout, ///< neither answer nor end within the limit
  wrong,   ///< an answer to something else
  twice,   ///< bytes behind the answer
};

inline const char* to_string(outcome result)
{
  static constexpr std::array names{"ok", "refused", "reset", "eof", "timeout", "wrong", "twice"};
  return names[static_cast<std::size_t>(result)];
}

/// Where a client connects to.
class address {
public:
  static address tcp4(std::uint16_t port)
  {
    address made;
    auto& ip = reinterpret_cast<sockaddr_in&>(made.storage_);
    ip.sin_family = AF_INET;
    ip.sin_port = htons(port);
    ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    made.size_ = sizeof ip;
    return made;
  }

  static address tcp6(std::uint16_t port)
  {
    address made;
    auto& ip = reinterpret_cast<sockaddr_in6&>(made.storage_);
    ip.sin6_family = AF_INET6;
    ip.sin6_port = htons(port);
    ip.sin6_addr = in6addr_loopback;
    made.size_ = sizeof ip;
    return made;
  }

  static address local(const std::string& path)
  {
    address made;
    auto& un = reinterpret_cast<sockaddr_un&>(made.storage_);
    un.sun_family = AF_UNIX;
    path.copy(un.sun_path, sizeof un.sun_path - 1);
    made.size_ = sizeof un;
    return made;
  }

  int family() const { return storage_.ss_family; }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

private:
  address() { std::memset(&storage_, 0, sizeof storage_); }

  sockaddr_storage storage_;
  socklen_t size_ = 0;
};

/// A number that no other request of this process has.
inline std::uint64_t next_id()
{
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

/// How long a client waits for an answer or an end.
inline std::chrono::milliseconds client_limit()
{
  return std::chrono::milliseconds(2000) * time_factor();
}

/// What a worker answered to one request.
struct answer {
  outcome result = outcome::timeout;
  std::uint64_t id = 0;
  cohort::worker_id worker = 0;
  pid_t pid = 0;
  std::string more;
};

/// A client's connection: every wait is bounded. Used on one thread at a time.
class client {
public:
  client() = default;
  explicit client(const address& to) { connect(to); }

  outcome connect(const address& to);
  bool is_connected() const { return static_cast<bool>(socket_); }
  int descriptor() const { return socket_.get(); }

  outcome send(const std::string& text);
  /// The next line, without its end.
  outcome receive(std::string& line);
  /// Waits for the end of the stream: `ok`, or `twice` when something else comes.
  outcome receive_end();
  void close() { socket_.reset(); }
  /// Ends with a reset instead of a regular end.
  void abort();

  /// Sends a request with a number of its own.
  outcome request(const std::string& verb);
  /// Receives the answer to the last request.
  answer receive_answer();
  /// Both.
  answer ask(const std::string& verb)
  {
    const outcome sent = request(verb);
    if (sent == outcome::ok) return receive_answer();
    answer result;
    result.id = id_;
    result.result = sent;
    return result;
  }

private:
  using clock = std::chrono::steady_clock;

  bool wait_for(short events, clock::time_point deadline) const;
  static outcome from_errno(int error);

  cohort::detail::posix::unique_fd socket_;
  std::string received_;
  std::uint64_t id_ = 0;
};

/// Connects, asks once and waits until the server closes.
inline answer ask(const address& to, const std::string& verb = "get")
{
  client one;
  answer result;
  result.result = one.connect(to);
  if (result.result != outcome::ok) return result;
  result = one.ask(verb);
  if (result.result == outcome::ok) result.result = one.receive_end();
  return result;
}

// Implementation

inline outcome client::from_errno(int error)
{
  if (error == ECONNREFUSED || error == ENOENT) return outcome::refused;
  if (error == ECONNRESET || error == EPIPE) return outcome::reset;
  return error == EAGAIN || error == ETIMEDOUT ? outcome::timeout : outcome::wrong;
}

inline bool client::wait_for(short events, clock::time_point deadline) const
{
  for (;;) {
    pollfd waiting{socket_.get(), events, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<decltype(left)>(left, 0)));
    if (ready >= 0 || errno != EINTR) return ready == 1;
  }
}

inline outcome client::connect(const address& to)
{
  const auto deadline = clock::now() + client_limit();
  received_.clear();
  socket_.reset(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  for (;;) {
    if (::connect(socket_.get(), to.data(), to.size()) == 0) return outcome::ok;
    if (errno == EINPROGRESS) break;
    // A full backlog of a unix socket cannot be waited for.
    if (errno == EAGAIN && clock::now() < deadline && ::poll(nullptr, 0, 1) == 0) continue;
    const outcome failed = from_errno(errno);
    socket_.reset();
    return failed;
  }
  int error = ETIMEDOUT;
  socklen_t size = sizeof error;
  if (wait_for(POLLOUT, deadline)) ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return outcome::ok;
  socket_.reset();
  return from_errno(error);
}

inline outcome client::send(const std::string& text)
{
  const auto deadline = clock::now() + client_limit();
  for (std::size_t sent = 0; sent != text.size();) {
    const auto size = ::send(socket_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (size >= 0) sent += static_cast<std::size_t>(size);
    else if (errno != EAGAIN || !wait_for(POLLOUT, deadline)) return from_errno(errno);
  }
  return outcome::ok;
}

inline outcome client::receive(std::string& line)
{
  const auto deadline = clock::now() + client_limit();
  for (;;) {
    if (const auto end = received_.find('\n'); end != received_.npos) {
      line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return outcome::ok;
    }
    std::array<char, 512> data;
    const auto size = ::recv(socket_.get(), data.data(), data.size(), 0);
    if (size == 0) return outcome::eof;
    if (size > 0) received_.append(data.data(), static_cast<std::size_t>(size));
    else if (errno != EAGAIN) return from_errno(errno);
    else if (!wait_for(POLLIN, deadline)) return outcome::timeout;
  }
}

inline outcome client::receive_end()
{
  std::string line;
  const outcome result = receive(line);
  if (result == outcome::ok || !received_.empty()) return outcome::twice;
  return result == outcome::eof ? outcome::ok : result;
}

inline void client::abort()
{
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

inline outcome client::request(const std::string& verb)
{
  id_ = next_id();
  return send(std::to_string(id_) + ' ' + verb + '\n');
}

inline answer client::receive_answer()
{
  answer result;
  result.id = id_;
  std::string line;
  result.result = receive(line);
  if (result.result != outcome::ok) return result;
  std::istringstream words(line);
  std::uint64_t id = 0;
  words >> id >> result.worker >> result.pid;
  if (!words || id != id_) result.result = outcome::wrong;
  std::getline(words >> std::ws, result.more);
  return result;
}

} // namespace cohort_test
