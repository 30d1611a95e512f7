// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace cohort::detail::wire {

/// Bytes that wait to be written, first in first out, in one piece of memory that is reused.
class byte_queue {
public:
  void push(std::span<const std::byte> bytes);

  /// All that waits; valid until `push` or `pop`.
  std::span<const std::byte> front() const noexcept { return std::span(bytes_).subspan(head_); }

  /// The first `size` bytes were written.
  void pop(std::size_t size) noexcept;

  bool empty() const noexcept { return head_ == bytes_.size(); }
  std::size_t size() const noexcept { return bytes_.size() - head_; }
  void clear() noexcept { pop(size()); }

private:
  // What grew beyond this for a burst is not kept afterwards.
  static constexpr std::size_t retained_ = 1024 * 1024;

  std::vector<std::byte> bytes_;
  std::size_t head_ = 0;
};

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

inline void byte_queue::push(std::span<const std::byte> bytes)
{
  // Moved to the front only when the free part is at least as large as what is moved, so that each
  // byte pays for a constant number of moves.
  if (bytes_.size() + bytes.size() > bytes_.capacity() && head_ >= size()) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

inline void byte_queue::pop(std::size_t size) noexcept
{
  head_ += size;
  if (!empty()) return;
  head_ = 0;
  if (bytes_.capacity() > retained_) bytes_ = std::vector<std::byte>();
  else bytes_.clear();
}

} // namespace cohort::detail::wire
