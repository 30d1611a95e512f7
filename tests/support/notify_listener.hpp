// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include "support/scratch.hpp"
#include "support/time_factor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <doctest/doctest.h>
#include <iterator>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace cohort_test {

/// What a service manager hears: a datagram socket at a path, or at an abstract name.
class notify_listener {
public:
  explicit notify_listener(bool abstract = false)
      : address_(abstract ? '@' + folder_.file("notify") : folder_.file("notify"))
  {
    std::string path = address_;
    if (abstract) path.front() = '\0';
    std::error_code error;
    const auto where = cohort::detail::posix::socket_address::from_path(path, error);
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const bool made = !error && ::bind(socket_.get(), where.data(), where.size()) == 0 &&
                      ::setsockopt(socket_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
    if (!made) throw std::system_error(errno, std::system_category(), "notify socket");
  }

  /// In the form of NOTIFY_SOCKET.
  const std::string& address() const { return address_; }

  /// Who has sent the last message.
  pid_t sender() const { return sender_; }

  /// The next message that is there; empty for none.
  std::string poll()
  {
    std::array<char, 4096> data;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
    iovec place{data.data(), data.size()};
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (size <= 0) return std::string();
    ucred who{};
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
      const bool is_sender = each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_CREDENTIALS;
      const auto* const bytes = CMSG_DATA(each);
      if (is_sender) std::copy(bytes, bytes + sizeof who, reinterpret_cast<unsigned char*>(&who));
    }
    sender_ = who.pid;
    return std::string(data.data(), static_cast<std::size_t>(size));
  }

  /// The next message, waited for.
  std::string next()
  {
    pollfd waiting{socket_.get(), POLLIN, 0};
    const int limit = 20'000 * static_cast<int>(time_factor());
    REQUIRE_MESSAGE(::poll(&waiting, 1, limit) == 1, "the service says nothing");
    return poll();
  }

  /// The next message that has this line, waited for; those before it are dropped.
  std::string next_with(const std::string& line)
  {
    for (;;) {
      std::string text = next();
      if (('\n' + text).find('\n' + line + '\n') != text.npos) return text;
    }
  }

  /// All that are there.
  std::vector<std::string> poll_all()
  {
    std::vector<std::string> all;
    for (std::string each = poll(); !each.empty(); each = poll()) all.push_back(each);
    return all;
  }

private:
  scratch_directory folder_;
  std::string address_;
  cohort::detail::posix::unique_fd socket_;
  pid_t sender_ = 0;
};

} // namespace cohort_test
