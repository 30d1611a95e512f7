// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/error.hpp>
#include <cohort/message/binary_layout.hpp>
#include <cohort/message/codec.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace cohort::detail {

/// The bytes of a message that is being decoded, and what is wrong with them. All functions that
/// give a bool give false when they have told an error.
class binary_input {
public:
  binary_input(std::span<const std::byte> bytes, decode_error& error) noexcept
      : rest_(bytes),
        error_(error)
  {
  }

  bool has(std::size_t size) { return size <= remaining() || fail_for_lack(size); }
  std::size_t remaining() const noexcept { return rest_.remaining(); }
  /// Only after `has`.
  std::span<const std::byte> bytes(std::size_t size) noexcept { return rest_.bytes(size); }

  template <std::unsigned_integral Unsigned>
  bool read_number(Unsigned& value);
  bool read_flag(bool& value);
  /// The number of elements, which are in what is left if each takes at least `minimum` bytes.
  bool read_count(std::size_t& count, std::size_t minimum, std::size_t largest);
  /// Whether all bytes are used up.
  bool finish();

  /// Around what may contain its own type.
  bool enter();
  void leave() noexcept { --depth_; }

  /// Always false. Where it failed is told from the inside out.
  bool fail(std::string reason);
  bool fail_in(std::string_view member) { return fail_within(std::string(member)); }
  bool fail_at(std::size_t index) { return fail_within("[" + std::to_string(index) + "]"); }

private:
  // Apart from what calls them, which is small enough to be inlined then.
  bool fail_for_lack(std::size_t size);
  bool fail_for_count(std::uint32_t count, bool fits);
  bool fail_within(std::string part);
  static std::string number_of_bytes(std::size_t number)
  {
    return std::to_string(number) + (number == 1 ? " byte" : " bytes");
  }

  wire::byte_reader rest_;
  decode_error& error_;
  unsigned depth_ = 0;
};

} // namespace cohort::detail

// Implementation

namespace cohort::detail {

template <std::unsigned_integral Unsigned>
bool binary_input::read_number(Unsigned& value)
{
  if (!has(sizeof(Unsigned))) return false;
  value = rest_.number<Unsigned>();
  return true;
}

inline bool binary_input::read_flag(bool& value)
{
  std::uint8_t number = 0;
  if (!read_number(number)) return false;
  if (number > 1) return fail(std::to_string(number) + " is neither 0 nor 1");
  value = number == 1;
  return true;
}

inline bool binary_input::read_count(std::size_t& count, std::size_t minimum, std::size_t largest)
{
  std::uint32_t number = 0;
  if (!read_number(number)) return false;
  const bool fits = number <= remaining() / std::max<std::size_t>(minimum, 1);
  if (!fits || number > largest) return fail_for_count(number, fits);
  count = number;
  return true;
}

inline bool binary_input::finish()
{
  return remaining() == 0 || fail("left over at the end: " + number_of_bytes(remaining()));
}

inline bool binary_input::enter()
{
  return ++depth_ <= binary_depth ||
         fail("nested more than " + std::to_string(binary_depth) + " levels deep");
}

inline bool binary_input::fail_for_lack(std::size_t size)
{
  return fail("takes " + number_of_bytes(size) + ", left: " + number_of_bytes(remaining()));
}

inline bool binary_input::fail_for_count(std::uint32_t count, bool fits)
{
  const std::string text = "a length of " + std::to_string(count);
  return fits ? fail(text + " is more than it can hold")
              : fail(text + " does not fit into what is left: " + number_of_bytes(remaining()));
}

inline bool binary_input::fail(std::string reason)
{
  error_.code = error::invalid_message;
  error_.path.clear();
  error_.reason = std::move(reason);
  return false;
}

inline bool binary_input::fail_within(std::string part)
{
  if (!error_.path.empty() && error_.path.front() != '[') part += '.';
  error_.path.insert(0, part);
  return false;
}

} // namespace cohort::detail
