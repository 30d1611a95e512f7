// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/piece_queue.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/message/byte_sink.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The writing half of a message channel, without its waits: it says what to wait for.
class message_output {
public:
  using descriptors = std::vector<posix::unique_fd>;

  enum class state {
    done,      ///< Everything is written.
    no_room,   ///< `flush` again when the socket is writable.
    no_memory, ///< `flush` after a pause: readiness does not tell when memory is there again.
    others,    ///< There is more to write, but others have their turn first.
    failed,    ///< Nothing can be written any more; what waited is dropped.
  };

  /// Whether a message can still be queued: neither finished nor failed.
  bool accepts() const noexcept { return !finishing_ && !failed_; }
  bool failed() const noexcept { return failed_; }
  /// What the system said then, if it was the system.
  std::error_code failure() const noexcept { return failure_; }
  /// The stream has ended, with everything written.
  bool finished() const noexcept { return shut_down_; }

  std::size_t queued_bytes() const noexcept { return queue_.size(); }
  std::size_t queued_descriptors() const noexcept { return queue_.riders(); }
  /// Positions in the stream: behind what is queued, and behind what is written.
  std::uint64_t queued_until() const noexcept { return queue_.pushed(); }
  std::uint64_t written_until() const noexcept { return queue_.popped(); }

  /// When it throws, the stream ends: half a message may be queued.
  void push(byte_sink& message, descriptors riders);

  /// Writes what waits, in few calls.
  state flush(int socket);

  /// Nothing more is pushed; the stream ends when all is written.
  void finish() noexcept { finishing_ = true; }

  /// Drops what waits; nothing more is taken.
  void fail() noexcept;

private:
  // Per flush: then others have a turn.
  static constexpr int call_budget_ = 16;
  static constexpr std::size_t max_spans_ = 16;

  std::size_t write_once(int socket, std::error_code& error);
  state stopped(int socket, const std::error_code& error) noexcept;

  piece_queue<posix::unique_fd> queue_;
  std::vector<int> numbers_;
  bool finishing_ = false;
  bool shut_down_ = false;
  bool failed_ = false;
  std::error_code failure_;
};

// Implementation

inline void message_output::push(byte_sink& message, descriptors riders)
{
  try {
    queue_.push(message, std::move(riders));
  } catch (...) {
    fail();
    throw;
  }
}

inline auto message_output::flush(int socket) -> state
{
  if (failed_) return state::failed;
  for (int calls = 0; !queue_.empty(); ++calls) {
    if (calls == call_budget_) return state::others;
    std::error_code error;
    const std::size_t written = write_once(socket, error);
    if (error) return stopped(socket, error);
    queue_.pop(written);
  }
  if (finishing_ && !std::exchange(shut_down_, true)) {
    // It fails only when the peer is gone, and then there is no end to tell.
    std::error_code ignored;
    posix::shutdown_write(socket, ignored);
  }
  return state::done;
}

inline std::size_t message_output::write_once(int socket, std::error_code& error)
{
  std::array<std::span<const std::byte>, max_spans_> spans;
  const auto batch = queue_.front(spans);
  std::array<iovec, max_spans_> data;
  for (std::size_t i = 0; i != batch.spans; ++i)
    data[i] = iovec{const_cast<std::byte*>(spans[i].data()), spans[i].size()};
  numbers_.clear();
  if (batch.riders)
    for (const posix::unique_fd& each : *batch.riders) numbers_.push_back(each.get());
  return posix::send_with_fds(socket, std::span(data).first(batch.spans), numbers_, error);
}

inline auto message_output::stopped(int socket, const std::error_code& error) noexcept -> state
{
  if (posix::would_block(error)) return state::no_room;
  if (posix::out_of_resources(error)) return state::no_memory;
  fail();
  failure_ = error;
  // Whoever still reads there learns that nothing more comes.
  std::error_code ignored;
  posix::shutdown_write(socket, ignored);
  return state::failed;
}

inline void message_output::fail() noexcept
{
  failed_ = true;
  queue_.clear();
}

} // namespace cohort::detail
