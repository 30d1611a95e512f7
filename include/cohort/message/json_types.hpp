// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/layout.hpp>
#include <cohort/message/message_name.hpp>

#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/json/value.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

// Which C++ types JSON can carry.
namespace cohort::detail {

template <class T>
concept json_document =
    std::same_as<T, boost::json::value> || std::same_as<T, boost::json::object> ||
    std::same_as<T, boost::json::array> || std::same_as<T, boost::json::string>;

template <class T>
concept json_text = is_instance<T, std::basic_string> && std::same_as<typename T::value_type, char>;

/// Travels as one string.
template <class T>
concept json_bytes = (is_instance<T, std::vector> || (is_fixed_array<T> && std::is_class_v<T>)) &&
                     std::same_as<typename T::value_type, std::byte>;

template <class T>
concept json_named_enum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;
/// Any number may be put into these without being undefined: their underlying type is fixed.
template <class T>
concept json_numbered_enum = std::is_enum_v<T> && !json_named_enum<T> && requires
{
  T{0};
};

/// A map that is a JSON object: its keys are strings, and each is there once.
template <class T>
concept json_object_map = map_container<T> && json_text<typename T::key_type> &&
    requires(T map, typename T::key_type key)
{
  map[key];
};

/// All of them: those of the bases too, in the order of the description.
template <described_class T>
using flat_members =
    mp::mp_rename<boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                           boost::describe::mod_inherited |
                                                           boost::describe::mod_hidden>,
        mp::mp_list>;

/// What an alternative of a variant is called in JSON.
template <class T>
constexpr std::string_view json_kind();

/// The first type in T that JSON cannot carry, T itself perhaps; void when there is none. Around is
/// the list of types that are being looked at: T may contain itself.
template <class T, class Around = mp::mp_list<>>
struct json_obstacle;
template <class T>
using json_obstacle_t = typename json_obstacle<T>::type;

// Implementation

template <class T>
constexpr std::string_view json_integer_kind()
{
  switch (sizeof(T)) {
  case 1: return std::is_signed_v<T> ? "int8" : "uint8";
  case 2: return std::is_signed_v<T> ? "int16" : "uint16";
  case 4: return std::is_signed_v<T> ? "int32" : "uint32";
  default: return std::is_signed_v<T> ? "int64" : "uint64";
  }
}

// The name of a type without namespaces. Not by `find`: g++ with -fsanitize=undefined compares no
// pointers while compiling.
constexpr std::string_view without_scope(std::string_view name)
{
  std::size_t begin = 0;
  for (std::size_t i = 0; i != name.size() && name[i] != '<'; ++i)
    if (name[i] == ':') begin = i + 1;
  return name.substr(begin);
}

template <class T>
constexpr std::string_view json_kind()
{
  constexpr layout kind = layout_of<T>();
  if constexpr (json_document<T>) return "json";
  else if constexpr (json_text<T>) return "string";
  else if constexpr (json_bytes<T>) return "bytes";
  else if constexpr (std::same_as<T, std::monostate>) return "null";
  else if constexpr (kind == layout::boolean) return "bool";
  else if constexpr (kind == layout::integer) return json_integer_kind<T>();
  else if constexpr (kind == layout::floating) return sizeof(T) == 4 ? "float" : "double";
  else if constexpr (kind == layout::duration) return "duration";
  else if constexpr (kind == layout::time_point) return "time_point";
  else if constexpr (kind == layout::optional) return "optional";
  else if constexpr (kind == layout::variant) return "variant";
  else if constexpr (json_object_map<T>) return "object";
  else if constexpr (kind == layout::described || kind == layout::enumeration ||
                     kind == layout::nothing)
    return without_scope(message_name<T>);
  else return "array";
}

template <class... Alternative>
constexpr bool has_unique_kinds(mp::mp_list<Alternative...>)
{
  const std::array<std::string_view, sizeof...(Alternative)> kinds = {json_kind<Alternative>()...};
  for (std::size_t i = 0; i != kinds.size(); ++i)
    for (std::size_t j = 0; j != i; ++j)
      if (kinds[i] == kinds[j]) return false;
  return true;
}

template <class T, class Member>
concept json_reachable = requires(T& object)
{
  object.*Member::pointer;
};

/// Whether each member can be got at, and is the only one of its name.
template <class T, class... Member>
constexpr bool has_plain_members(mp::mp_list<Member...>)
{
  const std::array<std::string_view, sizeof...(Member)> names = {Member::name...};
  for (std::size_t i = 0; i != names.size(); ++i)
    for (std::size_t j = 0; j != i; ++j)
      if (names[i] == names[j]) return false;
  return (json_reachable<T, Member> && ...);
}

/// Whether all bases are described, and theirs: those of one that is not cannot be listed.
template <class... Base>
constexpr bool are_described(mp::mp_list<Base...>)
{
  return ([]<class T>(std::type_identity<T>) {
    if constexpr (described_class<T>) return are_described(bases_of<T>());
    else return false;
  }(std::type_identity<typename Base::type>()) &&
          ...);
}

/// Whether nothing is wrong with T itself, whatever it consists of.
template <class T>
constexpr bool is_json_type()
{
  constexpr layout kind = layout_of<T>();
  if constexpr (std::is_const_v<T> || std::is_volatile_v<T> || std::is_reference_v<T>) return false;
  else if constexpr (json_document<T> || json_text<T> || json_bytes<T>) return true;
  else if constexpr (kind == layout::integer || kind == layout::floating) return sizeof(T) <= 8;
  else if constexpr (kind == layout::enumeration)
    return json_named_enum<T> || json_numbered_enum<T>;
  else if constexpr (!std::is_default_constructible_v<T>) return false;
  else if constexpr (std::is_class_v<T> && !std::movable<T>) return false;
  else if constexpr (kind == layout::described) {
    if constexpr (are_described(bases_of<T>())) return has_plain_members<T>(flat_members<T>());
    else return false;
  } else if constexpr (kind == layout::variant)
    return has_unique_kinds(mp::mp_rename<T, mp::mp_list>());
  else if constexpr (kind == layout::optional) {
    // Both would be null.
    constexpr layout inner = layout_of<typename T::value_type>();
    return inner != layout::optional && inner != layout::nothing;
  } else return kind != layout::bytes && kind != layout::other;
}

template <class Around, class... Parts>
struct json_obstacle_among {
  using type = void;
};
template <class Around, class First, class... Rest>
struct json_obstacle_among<Around, First, Rest...>
    : std::conditional_t<std::is_void_v<typename json_obstacle<First, Around>::type>,
          json_obstacle_among<Around, Rest...>, json_obstacle<First, Around>> {
};

template <class T>
struct json_parts {
  using type = parts_of<T>;
};
template <described_class T>
struct json_parts<T> {
  template <class Member>
  using member = member_type<T, Member>;
  using type = mp::mp_transform<member, flat_members<T>>;
};

template <class T, class Around>
struct json_obstacle_below;
template <class T, class... Around>
struct json_obstacle_below<T, mp::mp_list<Around...>> {
  template <class... Parts>
  using among = json_obstacle_among<mp::mp_list<T, Around...>, Parts...>;
  using type = typename mp::mp_apply<among, typename json_parts<T>::type>::type;
};

template <class T, class Around>
struct json_obstacle : std::type_identity<T> {
};
template <class T, class Around>
requires(is_json_type<T>()) struct json_obstacle<T, Around>
    : std::conditional_t<mp::mp_contains<Around, T>::value || json_document<T> || json_text<T> ||
                             json_bytes<T> || std::is_enum_v<T>,
          std::type_identity<void>, json_obstacle_below<T, Around>> {
};

} // namespace cohort::detail
