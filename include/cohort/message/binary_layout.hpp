// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/layout.hpp>

#include <bit>
#include <boost/describe/enumerators.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <type_traits>
#include <utility>

namespace cohort::detail {

/// How many structs and containers may lie inside each other. It is counted while a message is
/// read, so that a small hostile one cannot use up the stack.
inline constexpr unsigned binary_depth = 128;

/// Why `binary_codec` refuses a type.
enum class binary_refusal {
  none,
  /// A pointer, a view, a reference.
  refers_elsewhere,
  /// It or a member is const, or it cannot be made before it is read.
  cannot_be_filled,
  /// An enumeration whose range of values is neither fixed nor described.
  open_enumeration,
  unknown,
};

/// Why the type itself is refused, whatever it consists of.
template <class T>
consteval binary_refusal binary_refusal_of();

/// Whether the type and everything in it can be encoded and decoded.
template <class T>
constexpr bool binary_supported(const types_around* around = nullptr);

/// Stops compilation with a sentence about the first type inside `T` that is refused.
template <class T>
constexpr void explain_binary_refusal();

/// Whether values are their own encoding, so that many are copied at once.
template <class T>
consteval bool binary_bulk();

/// A container whose elements are copied at once.
template <class T>
concept binary_run = std::ranges::contiguous_range<T> &&
    binary_bulk<std::ranges::range_value_t<T>>();

/// The least number of bytes that a value takes; 0 only for types that never take any.
template <class T>
consteval std::size_t binary_minimum();

/// The same for one element of a container.
template <class Container>
consteval std::size_t binary_element_minimum();

/// How many bytes of a number are its value; those of x87 are followed by padding.
template <std::floating_point T>
inline constexpr std::size_t value_bytes = std::numeric_limits<T>::digits == 64 ? 10 : sizeof(T);

/// An enumeration that every number of its underlying type may be converted to.
template <class T>
concept closed_enumeration = std::is_enum_v<T> && requires
{
  T{0};
};

/// Whether the number is in the range that the described enumerators give the enumeration.
template <class Enumeration>
constexpr bool in_range_of(std::underlying_type_t<Enumeration> number);

} // namespace cohort::detail

// Implementation

namespace cohort::detail {

template <class T>
consteval binary_refusal binary_refusal_of()
{
  constexpr layout kind = layout_of<T>();
  if constexpr (refers_elsewhere<T>) return binary_refusal::refers_elsewhere;
  else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>)
    return binary_refusal::cannot_be_filled;
  else if constexpr (kind == layout::array) return binary_refusal::none;
  else if constexpr (kind == layout::other) return binary_refusal::unknown;
  else if constexpr (kind == layout::variant && mp::mp_size<parts_of<T>>::value > 256)
    return binary_refusal::unknown;
  else if constexpr (!std::default_initializable<T>) return binary_refusal::cannot_be_filled;
  else if constexpr (kind == layout::bytes && !std::is_move_assignable_v<T>)
    return binary_refusal::cannot_be_filled;
  else if constexpr (kind == layout::enumeration && !closed_enumeration<T> &&
                     !boost::describe::has_describe_enumerators<T>::value)
    return binary_refusal::open_enumeration;
  else return binary_refusal::none;
}

template <class... Parts>
constexpr bool all_binary_supported(mp::mp_list<Parts...>, const types_around* around)
{
  return around && (binary_supported<Parts>(around) && ...);
}

template <class T>
constexpr bool binary_supported(const types_around* around)
{
  if (around && around->find(type_mark<T>) >= 0) return true;
  if constexpr (binary_refusal_of<T>() != binary_refusal::none) return false;
  else {
    const types_around here{type_mark<T>, around};
    return all_binary_supported(parts_of<T>(), &here);
  }
}

/// Fails to compile when it is instantiated; the compiler names `Refused` beside the sentence.
template <class Refused>
struct binary_refused {
  static constexpr binary_refusal why = binary_refusal_of<Refused>();

  static_assert(why != binary_refusal::unknown,
      "cohort::binary_codec cannot encode this type: describe it with "
      "BOOST_DESCRIBE_STRUCT(type, (bases), (members)), or use one that it knows");
  static_assert(why != binary_refusal::refers_elsewhere,
      "cohort::binary_codec cannot encode this type: pointers, views and references mean nothing "
      "in another process; use a type that owns its values");
  static_assert(why != binary_refusal::cannot_be_filled,
      "cohort::binary_codec cannot decode this type: it must be default constructible and "
      "assignable, and nothing in it const");
  static_assert(why != binary_refusal::open_enumeration,
      "cohort::binary_codec cannot encode this enumeration: give it an underlying type, or "
      "describe it with BOOST_DESCRIBE_ENUM");
};

struct none_refused {};

template <class T, class... Around>
constexpr auto first_refused();

template <class... Around, class First, class... Rest>
constexpr auto first_refused_of(mp::mp_list<First, Rest...>)
{
  using found = decltype(first_refused<First, Around...>());
  if constexpr (!std::is_same_v<found, none_refused>) return found();
  else if constexpr (sizeof...(Rest) == 0) return none_refused();
  else return first_refused_of<Around...>(mp::mp_list<Rest...>());
}

template <class T, class... Around>
constexpr auto first_refused()
{
  if constexpr ((std::is_same_v<T, Around> || ...)) return none_refused();
  else if constexpr (binary_refusal_of<T>() != binary_refusal::none) return std::type_identity<T>();
  else if constexpr (mp::mp_empty<parts_of<T>>::value) return none_refused();
  else return first_refused_of<Around..., T>(parts_of<T>());
}

template <class T>
constexpr void explain_binary_refusal()
{
  using refused = typename decltype(first_refused<T>())::type;
  [[maybe_unused]] binary_refused<refused> refusal;
}

template <class T>
consteval bool binary_bulk()
{
  constexpr layout kind = layout_of<T>();
  constexpr bool same_order = std::endian::native == std::endian::little || sizeof(T) == 1;
  if constexpr (kind == layout::integer) return same_order;
  else if constexpr (kind == layout::floating) return same_order && value_bytes<T> == sizeof(T);
  else if constexpr (kind == layout::enumeration)
    return closed_enumeration<T> && binary_bulk<std::underlying_type_t<T>>();
  else if constexpr (kind == layout::array)
    return fixed_size<T> != 0 && binary_bulk<mp::mp_first<parts_of<T>>>();
  else if constexpr (kind == layout::duration) return binary_bulk<typename T::rep>();
  else return kind == layout::bytes;
}

template <class... Parts>
consteval std::size_t binary_minimum_of_all(mp::mp_list<Parts...>)
{
  return (std::size_t(0) + ... + binary_minimum<Parts>());
}

template <class T>
consteval std::size_t binary_minimum()
{
  constexpr layout kind = layout_of<T>();
  if constexpr (kind == layout::boolean || kind == layout::integer || kind == layout::bytes)
    return sizeof(T);
  else if constexpr (kind == layout::floating) return value_bytes<T>;
  else if constexpr (kind == layout::sequence || kind == layout::associative)
    return sizeof(std::uint32_t);
  else if constexpr (kind == layout::optional || kind == layout::variant) return 1;
  else if constexpr (kind == layout::array)
    return fixed_size<T> * binary_minimum_of_all(parts_of<T>());
  else return binary_minimum_of_all(parts_of<T>());
}

template <class Container>
consteval std::size_t binary_element_minimum()
{
  return binary_minimum_of_all(parts_of<Container>());
}

template <class Enumeration>
constexpr bool in_range_of(std::underlying_type_t<Enumeration> number)
{
  using wide =
      std::conditional_t<std::is_signed_v<decltype(number)>, std::intmax_t, std::uintmax_t>;
  std::uintmax_t largest = 0;
  bool negative = false;
  const auto bits = [](wide value) {
    return static_cast<std::uintmax_t>(std::cmp_less(value, 0) ? ~value : value);
  };
  mp::mp_for_each<boost::describe::describe_enumerators<Enumeration>>([&](auto enumerator) {
    const auto value = static_cast<wide>(enumerator.value);
    largest |= bits(value);
    negative = negative || std::cmp_less(value, 0);
  });
  return std::bit_width(bits(number)) <= std::bit_width(largest) &&
         (negative || !std::cmp_less(number, 0));
}

} // namespace cohort::detail
