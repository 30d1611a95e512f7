// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/unique_fd.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace cohort::detail::posix {

/// The kernel passes no more in one message (SCM_MAX_FD).
inline constexpr std::size_t max_passed_fds = 253;

/// Where received descriptors go: appended at the end, in the order they were sent.
using fd_sink = std::vector<unique_fd>;

/// What one receive brought.
struct received {
  /// 0 without an error: the peer has ended the stream.
  std::size_t bytes = 0;
  /// Descriptors that were sent with these bytes are lost.
  bool truncated = false;
};

/// Writes without blocking what fits of `data`, with `fds` riding on its first byte.
///
/// @param fds the receiver gets copies; these stay open here. At most `max_passed_fds`, and none
///   without at least one byte of data.
/// @return the bytes written. When there are any, all of `fds` are sent and must not be given
///   again with the rest.
///
/// Errors: `would_block(ec)`, wait until writable; `out_of_resources(ec)`, try again by a timer;
/// anything else means that the channel is broken.
std::size_t send_with_fds(int socket, std::span<const iovec> data, std::span<const int> fds,
    std::error_code& ec) noexcept;

/// Reads without blocking what is there, and the descriptors that came with it.
///
/// Every descriptor is CLOEXEC and owned by `fds` before this returns, also after a truncation.
/// @param buffer not empty.
///
/// Errors: `would_block(ec)`, wait until readable; after `connection_reset` there may be more to
/// read.
received receive_with_fds(
    int socket, std::span<std::byte> buffer, fd_sink& fds, std::error_code& ec);

/// Takes every descriptor out of the control data of a received message.
///
/// Counts by what the kernel wrote, never by what was expected: it fills the alignment padding of
/// a control buffer with descriptors too.
void take_descriptors(const msghdr& message, fd_sink& fds);

// Implementation

namespace fd_passing_detail {

struct control_buffer {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(max_passed_fds * sizeof(int))> bytes;
};

} // namespace fd_passing_detail

inline std::size_t send_with_fds(
    int socket, std::span<const iovec> data, std::span<const int> fds, std::error_code& ec) noexcept
{
  if (fds.size() > max_passed_fds) {
    ec = std::make_error_code(std::errc::invalid_argument);
    return 0;
  }
  fd_passing_detail::control_buffer control;
  msghdr message{};
  // sendmsg only reads through this pointer.
  message.msg_iov = const_cast<iovec*>(data.data());
  message.msg_iovlen = data.size();
  if (!fds.empty()) {
    const std::size_t space = CMSG_SPACE(fds.size_bytes());
    std::memset(control.bytes.data(), 0, space);
    message.msg_control = control.bytes.data();
    message.msg_controllen = space;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t written = retry_interrupted(
      [&] { return sys::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  ec = written >= 0 ? std::error_code() : last_error();
  return written >= 0 ? static_cast<std::size_t>(written) : 0;
}

inline received receive_with_fds(
    int socket, std::span<std::byte> buffer, fd_sink& fds, std::error_code& ec)
{
  // Before the kernel makes descriptors: from then on nothing may fail.
  const std::size_t needed = fds.size() + max_passed_fds + 1;
  if (fds.capacity() < needed) fds.reserve(std::max(needed, 2 * fds.capacity()));
  fd_passing_detail::control_buffer control;
  iovec data{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  const ssize_t size = retry_interrupted([&] {
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    return sys::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  });
  if (size < 0) {
    ec = last_error();
    return {};
  }
  ec.clear();
  take_descriptors(message, fds);
  return {static_cast<std::size_t>(size), (message.msg_flags & MSG_CTRUNC) != 0};
}

inline void take_descriptors(const msghdr& message, fd_sink& fds)
{
  const auto* first = static_cast<const std::byte*>(message.msg_control);
  std::size_t left = message.msg_controllen;
  while (left >= sizeof(cmsghdr)) {
    cmsghdr header;
    std::memcpy(&header, first, sizeof header);
    // The length in the header may exceed what is really there when the data was truncated.
    const std::size_t length = std::min<std::size_t>(header.cmsg_len, left);
    if (length < CMSG_LEN(0)) return;
    if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS) {
      for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= length; at += sizeof(int)) {
        int fd;
        std::memcpy(&fd, first + at, sizeof fd);
        fds.emplace_back(fd);
      }
    }
    const std::size_t step = std::min<std::size_t>(CMSG_ALIGN(length), left);
    first += step;
    left -= step;
  }
}

} // namespace cohort::detail::posix
