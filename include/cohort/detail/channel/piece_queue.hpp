// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/detail/wire/byte_queue.hpp>
#include <cohort/message/byte_sink.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace cohort::detail {

/// Messages that wait to be written: small ones side by side in one piece of memory, large buffers
/// where they lie, and descriptors at the first byte of their message.
///
/// Pure: it is told what was written. `Descriptor` is move-only or not; moved out it is spent.
template <class Descriptor>
class piece_queue {
public:
  using byte_span = std::span<const std::byte>;
  using descriptors = std::vector<Descriptor>;

  /// What one system call may write.
  struct batch {
    /// How many elements of the span given to `front` are filled.
    std::size_t spans = 0;
    /// They ride on the first byte; null when there are none.
    const descriptors* riders = nullptr;
  };

  /// Takes a whole message out of `message`, which is empty afterwards.
  void push(byte_sink& message, descriptors riders);

  /// The bytes in front, up to the next message with descriptors; valid until `push` or `pop`.
  batch front(std::span<byte_span> out) const;

  /// The first `size` bytes were written, and with the first of them its descriptors.
  void pop(std::size_t size);

  bool empty() const noexcept { return size_ == 0; }
  /// Bytes that wait.
  std::size_t size() const noexcept { return size_; }
  /// Descriptors that wait.
  std::size_t riders() const noexcept { return riders_; }
  /// Bytes that were ever pushed, and popped: positions in the stream.
  std::uint64_t pushed() const noexcept { return popped_ + size_; }
  std::uint64_t popped() const noexcept { return popped_; }

  /// Drops what waits, descriptors too; then it counts as never pushed.
  void clear() noexcept;

private:
  struct piece {
    std::size_t size = 0;
    // Null: these bytes are the next ones of `copied_`.
    const std::byte* data = nullptr;
    std::shared_ptr<const void> owner;
    descriptors riders;
  };

  // A message that was copied together and is as large as this is kept, not copied again.
  static constexpr std::size_t keep_threshold_ = 64 * 1024;

  // `riders` are taken with the first byte.
  void push_piece(piece added, descriptors& riders);
  void push_copied(byte_span bytes, descriptors& riders);
  void push_kept(byte_span bytes, std::shared_ptr<const void> owner, descriptors& riders);

  wire::byte_queue copied_;
  fifo<piece> pieces_;
  std::size_t size_ = 0;
  std::size_t riders_ = 0;
  std::uint64_t popped_ = 0;
};

// Implementation

template <class Descriptor>
void piece_queue<Descriptor>::push_piece(piece added, descriptors& riders)
{
  const std::size_t count = riders.size();
  added.riders = std::exchange(riders, {});
  pieces_.push_back(std::move(added));
  riders_ += count;
}

template <class Descriptor>
void piece_queue<Descriptor>::push_copied(byte_span bytes, descriptors& riders)
{
  if (bytes.empty()) return;
  copied_.push(bytes);
  size_ += bytes.size();
  if (riders.empty() && !pieces_.empty() && !pieces_[pieces_.size() - 1].data) {
    pieces_[pieces_.size() - 1].size += bytes.size();
    return;
  }
  piece added;
  added.size = bytes.size();
  push_piece(std::move(added), riders);
}

template <class Descriptor>
void piece_queue<Descriptor>::push_kept(
    byte_span bytes, std::shared_ptr<const void> owner, descriptors& riders)
{
  if (bytes.empty()) return;
  piece added;
  added.size = bytes.size();
  added.data = bytes.data();
  added.owner = std::move(owner);
  push_piece(std::move(added), riders);
  size_ += bytes.size();
}

template <class Descriptor>
void piece_queue<Descriptor>::push(byte_sink& message, descriptors riders)
{
  byte_span copied = message.copied();
  std::size_t done = 0;
  const auto keeps = std::as_const(message).adopted();
  if (keeps.empty() && copied.size() >= keep_threshold_) {
    auto owner = std::make_shared<std::vector<std::byte>>(std::move(message.copied()));
    const byte_span bytes(*owner);
    push_kept(bytes, std::move(owner), riders);
    return message.clear();
  }
  for (auto& each : message.adopted()) {
    push_copied(copied.subspan(done, each.position - done), riders);
    done = each.position;
    push_kept(each.bytes, std::move(each.owner), riders);
  }
  push_copied(copied.subspan(done), riders);
  message.clear();
}

template <class Descriptor>
auto piece_queue<Descriptor>::front(std::span<byte_span> out) const -> batch
{
  batch found;
  const byte_span copied = copied_.front();
  std::size_t used = 0;
  for (const piece& each : pieces_.all()) {
    if (found.spans == out.size() || (found.spans != 0 && !each.riders.empty())) break;
    if (!each.riders.empty()) found.riders = &each.riders;
    if (each.data) {
      out[found.spans] = byte_span(each.data, each.size);
    } else {
      out[found.spans] = copied.subspan(used, each.size);
      used += each.size;
    }
    ++found.spans;
  }
  return found;
}

template <class Descriptor>
void piece_queue<Descriptor>::pop(std::size_t size)
{
  size_ -= size;
  popped_ += size;
  while (size != 0) {
    piece& first = pieces_[0];
    const std::size_t part = std::min(size, first.size);
    riders_ -= first.riders.size();
    first.riders.clear();
    if (first.data) first.data += part;
    else copied_.pop(part);
    first.size -= part;
    size -= part;
    if (first.size == 0) {
      first = piece();
      pieces_.erase(0, 1);
    }
  }
}

template <class Descriptor>
void piece_queue<Descriptor>::clear() noexcept
{
  copied_.clear();
  pieces_ = fifo<piece>();
  size_ = 0;
  riders_ = 0;
}

} // namespace cohort::detail
