// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace cohort {

/// Where a codec puts the bytes of one message.
///
/// Small things are copied one behind the other; a large buffer that the sender gives away is kept
/// as it is, and written from where it lies.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
class byte_sink {
public:
  /// From this size on, in bytes, it is cheaper to keep a buffer than to copy it.
  static constexpr std::size_t adopt_threshold = 16 * 1024;

  /// A buffer that was given away: its bytes belong before the copied byte with index `position`.
  struct adopted_buffer {
    std::size_t position;
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };

  /// Copies the bytes to the end.
  void append(std::span<const std::byte> bytes);
  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

  /// Adds `size` bytes, for the caller to fill before the next call.
  std::span<std::byte> extend(std::size_t size);

  /// Adds the bytes of a contiguous container of trivially copyable elements. One that is given as
  /// an rvalue and is large is moved from, not copied.
  template <std::ranges::contiguous_range Buffer>
  requires std::is_trivially_copyable_v<std::ranges::range_value_t<Buffer>>
  void adopt(Buffer&& buffer);

  /// All bytes, the adopted ones too.
  std::size_t size() const noexcept { return copied_.size() + adopted_size_; }

  /// The copied bytes in order. May be changed in place.
  std::vector<std::byte>& copied() noexcept { return copied_; }
  const std::vector<std::byte>& copied() const noexcept { return copied_; }
  /// The adopted buffers in order.
  std::span<adopted_buffer> adopted() noexcept { return adopted_; }
  std::span<const adopted_buffer> adopted() const noexcept { return adopted_; }

  /// Everything in one piece.
  std::vector<std::byte> bytes() const;

  /// Makes it empty; memory for what comes next is kept.
  void clear() noexcept;

private:
  std::vector<std::byte> copied_;
  std::vector<adopted_buffer> adopted_;
  std::size_t adopted_size_ = 0;
};

// Implementation

inline void byte_sink::append(std::span<const std::byte> bytes)
{
  copied_.insert(copied_.end(), bytes.begin(), bytes.end());
}

inline std::span<std::byte> byte_sink::extend(std::size_t size)
{
  copied_.resize(copied_.size() + size);
  return std::span(copied_).last(size);
}

template <std::ranges::contiguous_range Buffer>
requires std::is_trivially_copyable_v<std::ranges::range_value_t<Buffer>>
void byte_sink::adopt(Buffer&& buffer)
{
  const auto bytes = std::as_bytes(std::span(std::ranges::data(buffer), std::ranges::size(buffer)));
  using container = std::remove_cvref_t<Buffer>;
  // A view moves nothing, an array copies.
  constexpr bool gives_away = !std::is_lvalue_reference_v<Buffer> && !std::is_const_v<Buffer> &&
                              !std::ranges::view<container> &&
                              !std::is_trivially_copyable_v<container>;
  if constexpr (gives_away) {
    if (bytes.size() >= adopt_threshold) {
      auto owner = std::make_shared<const container>(std::move(buffer));
      const auto kept = std::as_bytes(std::span(std::ranges::data(*owner), owner->size()));
      adopted_.push_back({copied_.size(), kept, std::move(owner)});
      adopted_size_ += kept.size();
      return;
    }
  }
  append(bytes);
}

inline std::vector<std::byte> byte_sink::bytes() const
{
  std::vector<std::byte> all;
  all.reserve(size());
  std::size_t done = 0;
  const auto copy_until = [&](std::size_t end) {
    const auto part = std::span(copied_).subspan(done, end - done);
    all.insert(all.end(), part.begin(), part.end());
    done = end;
  };
  for (const adopted_buffer& each : adopted_) {
    copy_until(each.position);
    all.insert(all.end(), each.bytes.begin(), each.bytes.end());
  }
  copy_until(copied_.size());
  return all;
}

inline void byte_sink::clear() noexcept
{
  copied_.clear();
  adopted_.clear();
  adopted_size_ = 0;
}

} // namespace cohort
