// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/descriptor_queue.hpp>
#include <cohort/detail/wire/frame.hpp>
#include <cohort/error.hpp>

#include <asio/error.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <system_error>

namespace cohort::detail::io {

/// The descriptors that came with a frame. What the owner does not move out is closed.
struct received_descriptors {
  std::span<posix::unique_fd> fds;
  /// Some or all were lost on the way; `fds` is what arrived.
  bool truncated = false;
};

/// The reading half of a channel, without its waits: bytes and descriptors in, frames with their
/// own descriptors out.
class frame_input {
public:
  using taken_descriptors = wire::taken_descriptors<posix::unique_fd>;

  /// What one read brought.
  struct arrival {
    std::size_t bytes = 0; ///< 0 without an error: the end of the stream.
    bool drained = false;  ///< Nothing more was there at that moment.
  };

  explicit frame_input(std::uint32_t max_payload) noexcept : decoder_(max_payload) {}

  /// Reads once, without blocking. Ends the validity of views given by `next`.
  arrival receive(int socket, std::error_code& ec);

  /// The next whole frame, its descriptors moved to `descriptors`. Without one, `ec` tells whether
  /// the peer broke the rules, by sending descriptors that no frame asks for as well.
  std::optional<wire::frame_view> next(
      std::optional<taken_descriptors>& descriptors, std::error_code& ec);

  /// What the end of the stream means now: `asio::error::eof`, or `error::truncated` in a frame.
  std::error_code end_reason() const noexcept;

  /// How often a last read is tried again for lack of memory: nobody waits then.
  static constexpr int last_read_retries = 16;

  /// Whether so much was read of a peer that is gone, that it must be somebody else who still
  /// writes: the buffer of a socket holds less.
  static constexpr bool is_endless(int calls, std::size_t bytes) noexcept
  {
    return calls >= last_read_calls_ || bytes >= last_read_bytes_;
  }

  /// Closes the descriptors that wait for their frame.
  void close_descriptors() noexcept { descriptors_.clear(); }

private:
  static constexpr std::size_t large_read_ = 64 * 1024;
  static constexpr std::size_t small_read_ = 16 * 1024;
  static constexpr std::size_t last_read_bytes_ = 8 * 1024 * 1024;
  static constexpr int last_read_calls_ = 64 * 1024;

  wire::frame_decoder decoder_;
  wire::descriptor_queue<posix::unique_fd> descriptors_;
  posix::fd_sink arrived_;
};

// Implementation

inline auto frame_input::receive(int socket, std::error_code& ec) -> arrival
{
  bool was_read = false;
  try {
    const auto room = decoder_.prepare(decoder_.buffered() == 0 ? large_read_ : small_read_);
    const auto got = posix::receive_with_fds(socket, room, arrived_, ec);
    if (ec) return {};
    was_read = true;
    const bool plain = arrived_.empty() && !got.truncated;
    descriptors_.push(arrived_, got.truncated);
    arrived_.clear();
    decoder_.commit(got.bytes);
    return {got.bytes, plain && got.bytes < room.size()};
  } catch (const std::bad_alloc&) {
    // Before anything was read it can be tried again; what was read and not kept is lost.
    ec = was_read ? std::make_error_code(std::errc::not_enough_memory)
                  : std::error_code(ENOMEM, std::system_category());
    arrived_.clear();
    return {};
  }
}

inline std::optional<wire::frame_view> frame_input::next(
    std::optional<taken_descriptors>& descriptors, std::error_code& ec)
{
  descriptors.reset();
  auto frame = decoder_.next(ec);
  if (ec) return std::nullopt;
  if (!frame) {
    if (!descriptors_.fits(decoder_.awaited_descriptors())) ec = error::protocol_violation;
    return std::nullopt;
  }
  if (frame->header.descriptors != 0) {
    descriptors.emplace(descriptors_.take(frame->header.descriptors, ec));
    if (ec) return std::nullopt;
  }
  return frame;
}

inline std::error_code frame_input::end_reason() const noexcept
{
  std::error_code ec;
  decoder_.finish(ec);
  return ec ? ec : std::error_code(asio::error::eof);
}

} // namespace cohort::detail::io
