// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/message_name.hpp>

#include <boost/describe/bases.hpp>
#include <boost/describe/members.hpp>
#include <boost/describe/modifiers.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace cohort::detail {

namespace mp = boost::mp11;

/// What a type consists of, for whoever walks through messages.
enum class layout {
  boolean,
  integer,
  floating,
  enumeration,
  /// An empty type: it has no value to send.
  nothing,
  /// BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_CLASS was said of it.
  described,
  /// Of a size that the type fixes.
  array,
  sequence,
  /// A set or a map of any kind.
  associative,
  /// A pair too.
  tuple,
  optional,
  variant,
  duration,
  time_point,
  /// Any other type whose bytes are its value.
  bytes,
  /// Nothing is known of it.
  other,
};

template <class T>
concept described_class = std::is_class_v<T> && boost::describe::has_describe_members<T>::value &&
    boost::describe::has_describe_bases<T>::value;

/// Descriptors of all bases, and of the non-static data members of the class itself.
template <described_class T>
using bases_of =
    mp::mp_rename<boost::describe::describe_bases<T, boost::describe::mod_any_access>, mp::mp_list>;
template <described_class T>
using members_of =
    mp::mp_rename<boost::describe::describe_members<T, boost::describe::mod_any_access>,
        mp::mp_list>;

/// The type of a described member as it was declared.
template <class T, class Member>
using member_type = std::remove_reference_t<decltype(std::declval<T&>().*Member::pointer)>;

/// A container that grows at its end and owns what it holds.
template <class T>
concept sequence_container = std::ranges::sized_range<T> && std::default_initializable<T> &&
    std::same_as<typename T::value_type, std::ranges::range_value_t<T>> &&
    requires(T& container, typename T::value_type&& element)
{
  container.push_back(std::move(element));
  container.clear();
  container.max_size();
};

template <class T>
concept associative_container = std::ranges::sized_range<T> && std::default_initializable<T> &&
    requires(T& container)
{
  typename T::key_type;
  typename T::value_type;
  container.emplace_hint(container.end(), std::declval<typename T::value_type>());
  container.clear();
};

template <class T>
concept map_container = associative_container<T> && requires
{
  typename T::mapped_type;
};

/// Refers to memory of this process, so that its bytes say nothing in another.
template <class T>
inline constexpr bool refers_elsewhere = std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                                         std::is_null_pointer_v<T> || std::is_reference_v<T>;
template <class T>
inline constexpr bool refers_elsewhere<std::reference_wrapper<T>> = true;
template <std::ranges::borrowed_range T>
inline constexpr bool refers_elsewhere<T> = true;

template <class T>
consteval layout layout_of();

/// What a walk comes to from `T`: a list of the types of its bases, members, elements.
template <class T>
struct parts;
template <class T>
using parts_of = typename parts<T>::type;

/// The types around the one that a walk has come to; ends walks through types that contain
/// themselves, such as a tree that has a vector of trees.
struct types_around {
  std::string_view type;
  const types_around* outer;

  /// How many levels further out the type is, 0 for the innermost one; -1 when it is not there.
  constexpr int find(std::string_view wanted) const noexcept;
};

/// Stands for a type. Not an address: g++ with -fsanitize=undefined compares none while compiling.
template <class T>
inline constexpr std::string_view type_mark = compilers_name<T>();

/// Calls `visit` with a descriptor of each base or member until it says false.
template <class... Descriptors, class Visit>
constexpr bool all_of(mp::mp_list<Descriptors...>, Visit&& visit)
{
  return (visit(Descriptors()) && ...);
}

/// Calls `visit` with the number of each of `Count` elements until it says false.
template <std::size_t Count, class Visit>
constexpr bool all_indexes(Visit&& visit)
{
  return [&]<std::size_t... Index>(std::index_sequence<Index...>)
  {
    return (visit(std::integral_constant<std::size_t, Index>()) && ...);
  }
  (std::make_index_sequence<Count>());
}

} // namespace cohort::detail

// Implementation

namespace cohort::detail {

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <class... Arguments, template <class...> class Template>
inline constexpr bool is_instance<Template<Arguments...>, Template> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_fixed_array = std::is_bounded_array_v<T>;
template <class T, std::size_t Size>
inline constexpr bool is_fixed_array<std::array<T, Size>> = true;

template <class T>
inline constexpr std::size_t fixed_size = std::extent_v<T>;
template <class T, std::size_t Size>
inline constexpr std::size_t fixed_size<std::array<T, Size>> = Size;

template <class T>
consteval layout layout_of()
{
  if constexpr (described_class<T>) return layout::described;
  else if constexpr (std::same_as<T, bool>) return layout::boolean;
  else if constexpr (std::is_integral_v<T>) return layout::integer;
  else if constexpr (std::is_floating_point_v<T>) return layout::floating;
  else if constexpr (std::is_enum_v<T>) return layout::enumeration;
  else if constexpr (is_fixed_array<T>) return layout::array;
  else if constexpr (is_instance<T, std::pair> || is_instance<T, std::tuple>) return layout::tuple;
  else if constexpr (is_instance<T, std::optional>) return layout::optional;
  else if constexpr (is_instance<T, std::variant>) return layout::variant;
  else if constexpr (is_instance<T, std::chrono::time_point>) return layout::time_point;
  else if constexpr (is_duration<T>) return layout::duration;
  else if constexpr (sequence_container<T>) return layout::sequence;
  else if constexpr (associative_container<T>) return layout::associative;
  else if constexpr (refers_elsewhere<T>) return layout::other;
  else if constexpr (std::is_empty_v<T> && std::is_trivially_copyable_v<T>) return layout::nothing;
  else if constexpr (std::is_trivially_copyable_v<T>) return layout::bytes;
  else return layout::other;
}

constexpr int types_around::find(std::string_view wanted) const noexcept
{
  int level = 0;
  for (const types_around* each = this; each; each = each->outer, ++level)
    if (each->type == wanted) return level;
  return -1;
}

template <class T>
struct parts {
  using type = mp::mp_list<>;
};

template <class T>
requires(layout_of<T>() == layout::described) struct parts<T> {
  template <class Base>
  using base = typename Base::type;
  template <class Member>
  using member = member_type<T, Member>;

  using type =
      mp::mp_append<mp::mp_transform<base, bases_of<T>>, mp::mp_transform<member, members_of<T>>>;
};

template <class T>
requires(layout_of<T>() == layout::enumeration) struct parts<T> {
  using type = mp::mp_list<std::underlying_type_t<T>>;
};

template <class T>
requires(layout_of<T>() == layout::array) struct parts<T> {
  using type = mp::mp_list<std::remove_reference_t<decltype(std::declval<T&>()[0])>>;
};

template <class T>
requires(layout_of<T>() == layout::sequence || layout_of<T>() == layout::optional) struct parts<T> {
  using type = mp::mp_list<typename T::value_type>;
};

template <class T>
requires(layout_of<T>() == layout::associative && !map_container<T>) struct parts<T> {
  using type = mp::mp_list<typename T::key_type>;
};
template <class T>
requires(layout_of<T>() == layout::associative && map_container<T>) struct parts<T> {
  using type = mp::mp_list<typename T::key_type, typename T::mapped_type>;
};

template <class T>
requires(layout_of<T>() == layout::tuple || layout_of<T>() == layout::variant) struct parts<T> {
  using type = mp::mp_rename<T, mp::mp_list>;
};

template <class T>
requires(layout_of<T>() == layout::duration) struct parts<T> {
  using type = mp::mp_list<typename T::rep>;
};
template <class T>
requires(layout_of<T>() == layout::time_point) struct parts<T> {
  using type = mp::mp_list<typename T::duration>;
};

} // namespace cohort::detail
