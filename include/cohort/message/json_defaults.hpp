// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_types.hpp>

#include <concepts>
#include <type_traits>

namespace cohort {

/// For `json_defaults`: these members.
template <auto... Members>
struct json_members {
};

/// For `json_defaults`: each member.
struct all_json_members {};

/// Which members of a described struct may be absent from a JSON text although reflection cannot
/// see that they have a default: they keep the value that a new `T` has.
///
/// Not needed for a `std::optional`, nor for a number, `bool`, enumeration, duration, time point or
/// container that is not zero, `false` or empty before the text is read, such as `int retries = 3`:
/// these may always be absent.
///
///     template <>
///     inline constexpr auto cohort::json_defaults<options> =
///         cohort::json_members<&options::verbose, &options::prefix>();
///     template <>
///     inline constexpr auto cohort::json_defaults<tuning> = cohort::all_json_members();
template <class T>
inline constexpr auto json_defaults = json_members<>();

} // namespace cohort

namespace cohort::detail {

/// Whether this member of a new T, which has the given value, may be absent.
template <class T, class Member, class Value>
bool may_be_absent(const Value& value);

// Implementation

template <auto Member, auto... Listed>
constexpr bool is_listed(json_members<Listed...>)
{
  return (std::same_as<std::integral_constant<decltype(Member), Member>,
              std::integral_constant<decltype(Listed), Listed>> ||
          ...);
}
template <auto Member>
constexpr bool is_listed(all_json_members)
{
  return true;
}

template <class T, class Member, class Value>
bool may_be_absent(const Value& value)
{
  constexpr layout kind = layout_of<Value>();
  if constexpr (kind == layout::optional || kind == layout::nothing) return true;
  else if constexpr (is_listed<Member::pointer>(json_defaults<T>)) return true;
  else if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value> ||
                     kind == layout::duration || kind == layout::time_point)
    return value != Value();
  else if constexpr (kind == layout::sequence || kind == layout::associative) return !value.empty();
  else return false;
}

} // namespace cohort::detail
