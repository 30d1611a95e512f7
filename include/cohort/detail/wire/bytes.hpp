// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace cohort::detail::wire {

/// Writes `value` little-endian to the first `sizeof(value)` bytes at `out`.
template <std::unsigned_integral Unsigned>
void store_little(std::byte* out, Unsigned value) noexcept;

/// Reads a little-endian number from the first `sizeof(Unsigned)` bytes at `in`.
template <std::unsigned_integral Unsigned>
Unsigned load_little(const std::byte* in) noexcept;

/// Takes numbers and bytes from the front of a payload. A read past the end gives zeros and turns
/// `ok()` false for good, so that a decoder checks once, at its end.
class byte_reader {
public:
  explicit byte_reader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

  template <std::unsigned_integral Unsigned>
  Unsigned number() noexcept;

  /// An empty span when fewer than `size` bytes are left.
  std::span<const std::byte> bytes(std::size_t size) noexcept;

  bool ok() const noexcept { return ok_; }
  std::size_t remaining() const noexcept { return rest_.size(); }

private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

// One move each where the machine is little-endian; g++ 12 makes none of a loop over the bytes.
template <std::unsigned_integral Unsigned>
inline void store_little(std::byte* out, Unsigned value) noexcept
{
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(out, &value, sizeof(Unsigned));
  } else {
    for (std::size_t i = 0; i != sizeof(Unsigned); ++i)
      out[i] = static_cast<std::byte>((value >> (8 * i)) & 0xff);
  }
}

template <std::unsigned_integral Unsigned>
inline Unsigned load_little(const std::byte* in) noexcept
{
  Unsigned value = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&value, in, sizeof(Unsigned));
  } else {
    for (std::size_t i = 0; i != sizeof(Unsigned); ++i)
      value = static_cast<Unsigned>(value | static_cast<Unsigned>(in[i]) << (8 * i));
  }
  return value;
}

template <std::unsigned_integral Unsigned>
inline Unsigned byte_reader::number() noexcept
{
  auto source = bytes(sizeof(Unsigned));
  return source.empty() ? Unsigned(0) : load_little<Unsigned>(source.data());
}

inline std::span<const std::byte> byte_reader::bytes(std::size_t size) noexcept
{
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  auto taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

} // namespace cohort::detail::wire
