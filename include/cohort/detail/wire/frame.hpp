// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

namespace cohort::detail::wire {

/// Bytes of an encoded header; the payload follows at once.
inline constexpr std::size_t header_size = 16;

/// The most descriptors that one frame carries.
inline constexpr std::size_t max_descriptors = 64;

/// The flags that have a meaning; a frame with any other bit is refused.
inline constexpr std::uint8_t known_flags = 0;

/// The payload limit of control channels.
inline constexpr std::uint32_t max_control_payload = 64 * 1024;

/// What stands before each payload. On the wire: u32 length, u16 type, u8 descriptors, u8 flags,
/// u64 sequence, all little-endian.
struct frame_header {
  std::uint32_t length = 0;     ///< Bytes of payload, the header not counted.
  std::uint16_t type = 0;       ///< Opaque here.
  std::uint8_t descriptors = 0; ///< How many descriptors travel with this frame.
  std::uint8_t flags = 0;       ///< A subset of `known_flags`.
  std::uint64_t sequence = 0;   ///< Opaque here.

  friend bool operator==(const frame_header&, const frame_header&) = default;
};

void encode_header(const frame_header& header, std::span<std::byte, header_size> out) noexcept;
frame_header decode_header(std::span<const std::byte, header_size> in) noexcept;

/// A whole frame inside the decoder's buffer.
struct frame_view {
  frame_header header;
  std::span<const std::byte> payload;
};

/// Cuts a byte stream into frames, however it arrives.
///
/// Bytes are put into `prepare`'s span and announced by `commit`; `next` then gives the frames that
/// are complete. After an error every further `next` reports the same one.
class frame_decoder {
public:
  /// A frame that announces more than `max_payload` bytes is refused as soon as its header is here.
  explicit frame_decoder(std::uint32_t max_payload) noexcept : max_payload_(max_payload) {}

  /// Room for at least `minimum` bytes. Ends the validity of all views given so far. Memory grows
  /// with the bytes that came, not with what a header promises.
  std::span<std::byte> prepare(std::size_t minimum);

  /// The first `size` bytes of what `prepare` gave are filled now.
  void commit(std::size_t size) noexcept { end_ += size; }

  /// The next complete frame, valid until `prepare`; nothing when more bytes are needed or when
  /// `ec` is set: `message_too_large`, or `protocol_violation` for a header that cannot be.
  std::optional<frame_view> next(std::error_code& ec) noexcept;

  /// The stream ended: `ec` is `truncated` when that was within a frame.
  void finish(std::error_code& ec) const noexcept;

  /// How many descriptors the frame that is still incomplete may own: none when no byte waits, what
  /// its header says, or the limit while the header itself is incomplete.
  std::size_t awaited_descriptors() const noexcept;

  /// Bytes that wait for the rest of their frame (and of frames not yet asked for).
  std::size_t buffered() const noexcept { return end_ - begin_; }

private:
  // A buffer that had to grow beyond this for one large frame is not kept for the small ones.
  static constexpr std::size_t retained_ = 1024 * 1024;

  std::optional<frame_header> header() const noexcept;

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint32_t max_payload_;
  std::error_code failure_;
};

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

inline void encode_header(
    const frame_header& header, std::span<std::byte, header_size> out) noexcept
{
  store_little(out.data(), header.length);
  store_little(out.data() + 4, header.type);
  store_little(out.data() + 6, header.descriptors);
  store_little(out.data() + 7, header.flags);
  store_little(out.data() + 8, header.sequence);
}

inline frame_header decode_header(std::span<const std::byte, header_size> in) noexcept
{
  frame_header header;
  header.length = load_little<std::uint32_t>(in.data());
  header.type = load_little<std::uint16_t>(in.data() + 4);
  header.descriptors = load_little<std::uint8_t>(in.data() + 6);
  header.flags = load_little<std::uint8_t>(in.data() + 7);
  header.sequence = load_little<std::uint64_t>(in.data() + 8);
  return header;
}

inline std::span<std::byte> frame_decoder::prepare(std::size_t minimum)
{
  const std::size_t size = buffered();
  if (size == 0) {
    begin_ = end_ = 0;
    if (capacity_ > retained_ && minimum <= retained_) {
      buffer_.reset();
      capacity_ = 0;
    }
  }
  if (capacity_ - end_ < minimum) {
    // What is moved is the head of one incomplete frame, and it then stays in front until that
    // frame is whole: no byte is moved twice except by growing, which doubles.
    if (capacity_ - size >= minimum) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, size);
    } else {
      const std::size_t capacity = std::max(2 * capacity_, size + minimum);
      auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
      if (size != 0) std::memcpy(larger.get(), buffer_.get() + begin_, size);
      buffer_ = std::move(larger);
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = size;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

inline std::optional<frame_header> frame_decoder::header() const noexcept
{
  if (buffered() < header_size) return std::nullopt;
  return decode_header(
      std::span<const std::byte, header_size>(buffer_.get() + begin_, header_size));
}

inline std::optional<frame_view> frame_decoder::next(std::error_code& ec) noexcept
{
  ec = failure_;
  if (ec) return std::nullopt;
  const auto found = header();
  if (!found) return std::nullopt;
  if (found->length > max_payload_) failure_ = error::message_too_large;
  else if (found->descriptors > max_descriptors || (found->flags & ~known_flags) != 0)
    failure_ = error::protocol_violation;
  if (failure_) {
    ec = failure_;
    return std::nullopt;
  }
  if (buffered() - header_size < found->length) return std::nullopt;
  const std::byte* payload = buffer_.get() + begin_ + header_size;
  begin_ += header_size + found->length;
  return frame_view{*found, {payload, found->length}};
}

inline void frame_decoder::finish(std::error_code& ec) const noexcept
{
  ec = failure_;
  if (!ec && buffered() != 0) ec = error::truncated;
}

inline std::size_t frame_decoder::awaited_descriptors() const noexcept
{
  if (buffered() == 0) return 0;
  const auto found = header();
  return found ? found->descriptors : max_descriptors;
}

} // namespace cohort::detail::wire
