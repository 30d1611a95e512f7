// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/binary_input.hpp>
#include <cohort/message/binary_layout.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::detail {

/// Decodes what `binary_writer` has written, from bytes that anybody may have written.
class binary_reader : private binary_input {
public:
  using binary_input::binary_input;

  template <class T>
  bool read(T& value);

  using binary_input::finish;

private:
  template <class T>
  bool read_members(T& value);
  template <class T>
  bool read_array(T& value);
  template <class T>
  bool read_sequence(T& value);
  template <class T>
  bool read_run(T& value, std::size_t count);
  template <class T>
  bool read_associative(T& value);
  template <class T>
  bool read_variant(T& value);
  template <class T>
  bool read_enumeration(T& value);
  template <class T>
  bool read_bytes(T& value);
  template <class Container>
  bool skip_filler();
};

} // namespace cohort::detail

// Implementation

namespace cohort::detail {

template <class T>
bool binary_reader::read(T& value)
{
  constexpr layout kind = layout_of<T>();
  if constexpr (kind == layout::boolean) {
    return read_flag(value);
  } else if constexpr (kind == layout::integer) {
    std::make_unsigned_t<T> number = 0;
    if (!read_number(number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (kind == layout::enumeration) {
    return read_enumeration(value);
  } else if constexpr (kind == layout::floating || kind == layout::bytes) {
    return read_bytes(value);
  } else if constexpr (kind == layout::described) {
    return read_members(value);
  } else if constexpr (kind == layout::array) {
    return read_array(value);
  } else if constexpr (kind == layout::sequence) {
    return read_sequence(value);
  } else if constexpr (kind == layout::associative) {
    return read_associative(value);
  } else if constexpr (kind == layout::tuple) {
    return all_indexes<std::tuple_size_v<T>>(
        [&](auto index) { return read(std::get<index>(value)) || fail_at(index); });
  } else if constexpr (kind == layout::optional) {
    bool has_value = false;
    value.reset();
    return read_flag(has_value) && (!has_value || read(value.emplace()));
  } else if constexpr (kind == layout::variant) {
    return read_variant(value);
  } else if constexpr (kind == layout::duration) {
    typename T::rep count{};
    if (!read(count)) return false;
    value = T(count);
    return true;
  } else if constexpr (kind == layout::time_point) {
    typename T::duration since_epoch{};
    if (!read(since_epoch)) return false;
    value = T(since_epoch);
    return true;
  } else {
    static_assert(kind == layout::nothing);
    return true;
  }
}

template <class T>
bool binary_reader::read_members(T& value)
{
  if (!enter()) return false;
  const bool done = all_of(bases_of<T>(), [&](auto base) {
    // The only cast that goes to a base which is private, too.
    return read((typename decltype(base)::type&)value);
  }) && all_of(members_of<T>(), [&](auto member) {
    return read(value.*member.pointer) || fail_in(member.name);
  });
  leave();
  return done;
}

template <class T>
bool binary_reader::read_array(T& value)
{
  if constexpr (binary_bulk<T>()) {
    const std::span<std::byte> target = std::as_writable_bytes(std::span(value));
    if (!has(target.size())) return false;
    std::memcpy(target.data(), bytes(target.size()).data(), target.size());
  } else {
    std::size_t index = 0;
    for (auto& each : value)
      if (!read(each)) return fail_at(index);
      else ++index;
  }
  return true;
}

template <class T>
bool binary_reader::read_sequence(T& value)
{
  using element = typename T::value_type;
  value.clear();
  std::size_t count = 0;
  if (!read_count(count, binary_element_minimum<T>(), value.max_size())) return false;
  if constexpr (binary_run<T> && requires { value.resize(count); }) {
    return read_run(value, count);
  } else {
    if (!enter()) return false;
    // Elements may be much larger here than in the message, and are not there yet.
    if constexpr (requires { value.reserve(count); })
      value.reserve(std::min(count, remaining() / sizeof(element) + 1));
    for (std::size_t index = 0; index != count; ++index) {
      if (!skip_filler<T>()) return fail_at(index);
      if constexpr (requires {
                      {
                        value.emplace_back()
                        } -> std::same_as<element&>;
                    }) {
        if (!read(value.emplace_back())) return fail_at(index);
      } else {
        element each{};
        if (!read(each)) return fail_at(index);
        value.push_back(std::move(each));
      }
    }
    leave();
    return true;
  }
}

template <class T>
bool binary_reader::read_run(T& value, std::size_t count)
{
  using element = typename T::value_type;
  const auto source = bytes(count * sizeof(element));
  if constexpr ((std::is_same_v<element, char> || std::is_same_v<element, unsigned char> ||
                    std::is_same_v<element, std::byte>)&&requires(const element* from) {
                  value.assign(from, from);
                }) {
    // Every object may be read as these types.
    const auto* first = reinterpret_cast<const element*>(source.data());
    value.assign(first, first + count);
  } else {
    value.resize(count);
    if (count != 0) std::memcpy(std::ranges::data(value), source.data(), source.size());
  }
  return true;
}

template <class T>
bool binary_reader::read_associative(T& value)
{
  value.clear();
  std::size_t count = 0;
  if (!read_count(count, binary_element_minimum<T>(), value.max_size()) || !enter()) return false;
  if constexpr (requires { value.reserve(count); })
    value.reserve(std::min(count, remaining() / sizeof(typename T::value_type) + 1));
  for (std::size_t index = 0; index != count; ++index) {
    typename T::key_type key{};
    if (!skip_filler<T>() || !read(key)) return fail_at(index);
    if constexpr (map_container<T>) {
      typename T::mapped_type mapped{};
      if (!read(mapped)) return fail_at(index);
      value.emplace_hint(value.end(), std::move(key), std::move(mapped));
    } else {
      value.emplace_hint(value.end(), std::move(key));
    }
    if (value.size() != index + 1) {
      fail("the same key is there twice");
      return fail_at(index);
    }
  }
  leave();
  return true;
}

template <class T>
bool binary_reader::read_variant(T& value)
{
  std::uint8_t index = 0;
  if (!read_number(index)) return false;
  if (index >= std::variant_size_v<T>)
    return fail("there is no alternative " + std::to_string(index));
  bool done = false;
  all_indexes<std::variant_size_v<T>>([&](auto candidate) {
    if (index != candidate) return true;
    done = read(value.template emplace<candidate>());
    return false;
  });
  return done;
}

template <class T>
bool binary_reader::read_enumeration(T& value)
{
  std::underlying_type_t<T> number{};
  if (!read(number)) return false;
  if constexpr (!closed_enumeration<T>)
    if (!in_range_of<T>(number)) return fail(std::to_string(number) + " is out of range");
  value = static_cast<T>(number);
  return true;
}

template <class T>
bool binary_reader::read_bytes(T& value)
{
  if constexpr (layout_of<T>() == layout::floating) {
    if constexpr (sizeof(T) == 4 || sizeof(T) == 8) {
      std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t> bits = 0;
      if (!read_number(bits)) return false;
      value = std::bit_cast<T>(bits);
    } else {
      if (!has(value_bytes<T>)) return false;
      std::memcpy(&value, bytes(value_bytes<T>).data(), value_bytes<T>);
    }
  } else {
    if (!has(sizeof(T))) return false;
    const std::byte* source = bytes(sizeof(T)).data();
    if constexpr (std::is_trivial_v<T> && std::is_standard_layout_v<T>) {
      std::memcpy(&value, source, sizeof(T));
    } else {
      // What derives from it may have put members into the padding at its end.
      T copy{};
      std::memcpy(&copy, source, sizeof(T));
      value = std::move(copy);
    }
  }
  return true;
}

template <class Container>
bool binary_reader::skip_filler()
{
  if constexpr (binary_element_minimum<Container>() == 0) {
    std::uint8_t filler = 0;
    if (!read_number(filler)) return false;
    return filler == 0 || fail(std::to_string(filler) + " is not the zero of an empty element");
  } else {
    return true;
  }
}

} // namespace cohort::detail
