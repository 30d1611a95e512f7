// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/frame_channel.hpp>

#include "support/event_loop.hpp"

#include <asio/io_context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort_test {

namespace io = cohort::detail::io;
namespace posix = cohort::detail::posix;
namespace wire = cohort::detail::wire;

using bytes = std::vector<std::byte>;

/// A frame as it goes over the wire, its payload derived from its type.
inline bytes make_frame(std::uint16_t type, std::size_t size = 0, std::size_t descriptors = 0)
{
  bytes frame(wire::header_size + size);
  wire::frame_header header;
  header.length = static_cast<std::uint32_t>(size);
  header.type = type;
  header.descriptors = static_cast<std::uint8_t>(descriptors);
  wire::encode_header(
      header, std::span<std::byte, wire::header_size>(frame.data(), wire::header_size));
  for (std::size_t i = 0; i != size; ++i)
    frame[wire::header_size + i] = static_cast<std::byte>(type + i);
  return frame;
}

/// What an open file is, whatever its number.
inline ino_t identity(int fd)
{
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/// Files that can be told apart: pipes, of which this keeps the writing ends.
struct distinct_files {
  std::vector<posix::unique_fd> reading, writing;

  void add(std::size_t count)
  {
    for (std::size_t i = 0; i != count; ++i) {
      int ends[2] = {-1, -1};
      if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category());
      reading.emplace_back(ends[0]);
      writing.emplace_back(ends[1]);
    }
  }

  std::vector<int> numbers(std::size_t first, std::size_t count) const
  {
    std::vector<int> result;
    for (std::size_t i = first; i != first + count; ++i) result.push_back(reading[i].get());
    return result;
  }

  std::vector<ino_t> identities(std::size_t first, std::size_t count) const
  {
    std::vector<ino_t> result;
    for (const int fd : numbers(first, count)) result.push_back(identity(fd));
    return result;
  }
};

/// An owner of a channel that notes what happens to it.
class channel_peer : public std::enable_shared_from_this<channel_peer> {
public:
  struct frame {
    std::uint16_t type = 0;
    std::size_t size = 0;
    bool intact = false;
    std::vector<ino_t> files;
    bool truncated = false;
  };

  channel_peer(asio::io_context& context, posix::unique_fd socket, std::uint32_t max_payload)
      : channel(context.get_executor(), std::move(socket), max_payload)
  {
  }

  void on_frame(const wire::frame_view& view, io::received_descriptors& received)
  {
    frame seen;
    seen.type = view.header.type;
    seen.size = view.payload.size();
    seen.intact = true;
    for (std::size_t i = 0; i != seen.size; ++i)
      seen.intact = seen.intact && view.payload[i] == static_cast<std::byte>(seen.type + i);
    seen.truncated = received.truncated;
    for (auto& fd : received.fds) seen.files.push_back(identity(fd.get()));
    if (keep_files)
      for (auto& fd : received.fds) kept.push_back(std::move(fd));
    frames.push_back(std::move(seen));
    if (when_frame) when_frame();
  }

  void on_channel_end(std::error_code ec)
  {
    ++ends;
    end = ec;
    if (when_end) when_end();
  }

  void on_channel_writable()
  {
    ++writable;
    if (when_writable) when_writable();
  }

  io::frame_channel<channel_peer> channel;
  std::vector<frame> frames;
  std::vector<posix::unique_fd> kept;
  bool keep_files = false;
  int ends = 0;
  int writable = 0;
  std::error_code end;
  std::function<void()> when_frame, when_end, when_writable;
};

/// Two connected sockets, each with a channel or bare.
struct channel_pair {
  asio::io_context context{1};
  posix::unique_fd first, second;
  std::shared_ptr<channel_peer> left, right;

  channel_pair()
  {
    std::error_code ec;
    auto sockets = posix::stream_pair(ec);
    if (ec) throw std::system_error(ec);
    first = std::move(sockets.first);
    second = std::move(sockets.second);
  }

  void start_left(std::uint32_t max_payload = 64 * 1024)
  {
    left = std::make_shared<channel_peer>(context, std::move(first), max_payload);
    left->channel.start(left);
  }

  void start_right(std::uint32_t max_payload = 64 * 1024)
  {
    right = std::make_shared<channel_peer>(context, std::move(second), max_payload);
    right->channel.start(right);
  }

  void start_both(std::uint32_t max_payload = 64 * 1024)
  {
    start_left(max_payload);
    start_right(max_payload);
  }

  /// Writes to the left channel from a bare right side, all of it.
  void write(const bytes& data, const std::vector<int>& fds = {})
  {
    const iovec part{const_cast<std::byte*>(data.data()), data.size()};
    std::error_code ec;
    if (posix::send_with_fds(second.get(), {&part, 1}, fds, ec) != data.size())
      throw std::system_error(ec ? ec : std::make_error_code(std::errc::message_size));
  }
};

} // namespace cohort_test
