// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/bytes.hpp>
#include <cohort/message/binary_layout.hpp>
#include <cohort/message/byte_sink.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ranges>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::detail {

/// Encodes values as `binary_codec` says. An rvalue is taken apart: its large buffers are adopted.
class binary_writer {
public:
  explicit binary_writer(byte_sink& out) noexcept : out_(out) {}
  binary_writer(const binary_writer&) = delete;
  binary_writer& operator=(const binary_writer&) = delete;
  ~binary_writer() { give_back_room(); }

  /// Throws `std::length_error` when the receiver would refuse it.
  template <class Value>
  void write(Value&& value);

private:
  template <class Value>
  void write_members(Value&& value);
  template <class Value>
  void write_elements(Value&& value);
  template <class Value>
  void write_elements_one_by_one(Value&& value);
  template <class Value>
  void write_variant(Value&& value);

  template <std::unsigned_integral Unsigned>
  void number(Unsigned value)
  {
    wire::store_little(room(sizeof(value)), value);
  }
  template <std::floating_point Floating>
  void floating(Floating value);
  void count(std::size_t elements);
  void bytes(std::span<const std::byte> bytes);

  /// The sink grows by much more than a number each time.
  std::byte* room(std::size_t size)
  {
    if (static_cast<std::size_t>(end_ - next_) < size) make_room(size);
    return std::exchange(next_, next_ + size);
  }
  void make_room(std::size_t size);
  void give_back_room() noexcept;

  byte_sink& out_;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  std::size_t step_ = 128;
  unsigned depth_ = 0;
};

/// An lvalue when `Owner` is one or when it is const, else an rvalue.
template <class Owner, class Part>
constexpr decltype(auto) part_of(Part& part) noexcept
{
  if constexpr (std::is_lvalue_reference_v<Owner> || std::is_const_v<Part>) return (part);
  else return std::move(part);
}

} // namespace cohort::detail

// Implementation

namespace cohort::detail {

template <class Value>
void binary_writer::write(Value&& value)
{
  using type = std::remove_cvref_t<Value>;
  constexpr layout kind = layout_of<type>();
  if constexpr (kind == layout::boolean) {
    number(static_cast<std::uint8_t>(value ? 1 : 0));
  } else if constexpr (kind == layout::integer) {
    if constexpr (sizeof(type) == 1) *room(1) = static_cast<std::byte>(value);
    else number(static_cast<std::make_unsigned_t<type>>(value));
  } else if constexpr (kind == layout::floating) {
    floating(value);
  } else if constexpr (kind == layout::enumeration) {
    write(static_cast<std::underlying_type_t<type>>(value));
  } else if constexpr (kind == layout::described) {
    write_members(std::forward<Value>(value));
  } else if constexpr (kind == layout::array || kind == layout::sequence ||
                       kind == layout::associative) {
    write_elements(std::forward<Value>(value));
  } else if constexpr (kind == layout::tuple) {
    all_indexes<std::tuple_size_v<type>>([&](auto index) {
      write(part_of<Value>(std::get<index>(value)));
      return true;
    });
  } else if constexpr (kind == layout::optional) {
    number(static_cast<std::uint8_t>(value.has_value() ? 1 : 0));
    if (value) write(part_of<Value>(*value));
  } else if constexpr (kind == layout::variant) {
    write_variant(std::forward<Value>(value));
  } else if constexpr (kind == layout::duration) {
    write(value.count());
  } else if constexpr (kind == layout::time_point) {
    write(value.time_since_epoch());
  } else if constexpr (kind == layout::bytes) {
    bytes(std::as_bytes(std::span(&value, 1)));
  } else {
    static_assert(kind == layout::nothing);
  }
}

template <class Value>
void binary_writer::write_members(Value&& value)
{
  using type = std::remove_cvref_t<Value>;
  if (++depth_ > binary_depth) throw std::length_error("cohort::binary_codec: nested too deeply");
  all_of(bases_of<type>(), [&](auto base) {
    using base_type = typename decltype(base)::type;
    using target = std::conditional_t<std::is_const_v<std::remove_reference_t<Value>>,
        const base_type, base_type>;
    // The only cast that goes to a base which is private, too.
    write(part_of<Value>((target&)value));
    return true;
  });
  all_of(members_of<type>(), [&](auto member) {
    write(part_of<Value>(value.*member.pointer));
    return true;
  });
  --depth_;
}

template <class Value>
void binary_writer::write_elements(Value&& value)
{
  using type = std::remove_cvref_t<Value>;
  if constexpr (layout_of<type>() == layout::array) {
    if constexpr (binary_bulk<type>()) bytes(std::as_bytes(std::span(value)));
    else write_elements_one_by_one(std::forward<Value>(value));
  } else if constexpr (binary_run<type>) {
    count(std::ranges::size(value));
    if (std::ranges::size(value) * sizeof(std::ranges::range_value_t<type>) <
        byte_sink::adopt_threshold) {
      bytes(std::as_bytes(std::span(std::ranges::data(value), std::ranges::size(value))));
    } else {
      give_back_room();
      out_.adopt(std::forward<Value>(value));
    }
  } else {
    if (++depth_ > binary_depth) throw std::length_error("cohort::binary_codec: nested too deeply");
    count(std::ranges::size(value));
    write_elements_one_by_one(std::forward<Value>(value));
    --depth_;
  }
}

template <class Value>
void binary_writer::write_elements_one_by_one(Value&& value)
{
  using type = std::remove_cvref_t<Value>;
  for (auto&& each : value) {
    if constexpr (layout_of<type>() == layout::array) {
      write(part_of<Value>(each));
    } else {
      // So that a length is never more than the bytes that follow it.
      if constexpr (binary_element_minimum<type>() == 0) number(std::uint8_t(0));
      if constexpr (map_container<type>) {
        write(each.first);
        write(part_of<Value>(each.second));
      } else if constexpr (std::is_same_v<std::ranges::range_value_t<type>, bool>) {
        write(static_cast<bool>(each));
      } else {
        write(part_of<Value>(each));
      }
    }
  }
}

template <class Value>
void binary_writer::write_variant(Value&& value)
{
  using type = std::remove_cvref_t<Value>;
  constexpr std::size_t alternatives = std::variant_size_v<type>;
  if (value.valueless_by_exception()) throw std::bad_variant_access();
  number(static_cast<std::uint8_t>(value.index()));
  all_indexes<alternatives>([&](auto index) {
    if (value.index() != index) return true;
    write(part_of<Value>(*std::get_if<index>(&value)));
    return false;
  });
}

template <std::floating_point Floating>
void binary_writer::floating(Floating value)
{
  if constexpr (sizeof(value) == 4) {
    number(std::bit_cast<std::uint32_t>(value));
  } else if constexpr (sizeof(value) == 8) {
    number(std::bit_cast<std::uint64_t>(value));
  } else {
    std::memcpy(room(value_bytes<Floating>), &value, value_bytes<Floating>);
  }
}

inline void binary_writer::count(std::size_t elements)
{
  if (elements > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error("cohort::binary_codec: too many elements");
  number(static_cast<std::uint32_t>(elements));
}

inline void binary_writer::bytes(std::span<const std::byte> bytes)
{
  if (bytes.empty()) return;
  if (static_cast<std::size_t>(end_ - next_) >= bytes.size()) {
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
  } else {
    give_back_room();
    out_.append(bytes);
  }
}

inline void binary_writer::make_room(std::size_t size)
{
  give_back_room();
  const auto added = out_.extend(std::max(size, step_));
  step_ = std::min<std::size_t>(2 * step_, 4096);
  next_ = added.data();
  end_ = next_ + added.size();
}

inline void binary_writer::give_back_room() noexcept
{
  auto& copied = out_.copied();
  copied.resize(copied.size() - static_cast<std::size_t>(end_ - next_));
  next_ = end_ = nullptr;
}

} // namespace cohort::detail
