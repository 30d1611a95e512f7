// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/layout.hpp>
#include <cohort/message/message_name.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace cohort {

/// A number that differs when two programs mean different things by the same type: another size
/// or sign of an integer, another element type, a member that is new, renamed or moved.
///
/// The name of a described class and the names and values of enumerators do not count. Types that
/// are neither described nor known (see `binary_codec`) count by `message_name` and size.
template <class T>
consteval std::uint32_t schema_of();

} // namespace cohort

// Implementation

namespace cohort::detail {

class schema_hash {
public:
  constexpr std::uint32_t value() const noexcept { return value_; }

  template <class T>
  constexpr void add(const types_around* around);

private:
  constexpr void number(std::uint64_t number) noexcept
  {
    for (; number > 0x7f; number >>= 7) character(static_cast<char>(number | 0x80));
    character(static_cast<char>(number));
  }

  constexpr void text(std::string_view text) noexcept
  {
    number(text.size());
    value_ = fnv1a(text, value_);
  }

  constexpr void character(char each) noexcept
  {
    value_ = fnv1a(std::string_view(&each, 1), value_);
  }

  template <class T>
  constexpr void add_details(const types_around* around);

  template <class... Parts>
  constexpr void add_all(mp::mp_list<Parts...>, [[maybe_unused]] const types_around* around)
  {
    (add<std::remove_cv_t<Parts>>(around), ...);
  }

  std::uint32_t value_ = fnv1a("");
};

/// Letters, so that a layout that is added in between changes no schema.
constexpr char letter_of(layout kind) noexcept
{
  switch (kind) {
  case layout::boolean: return 'b';
  case layout::integer: return 'i';
  case layout::floating: return 'f';
  case layout::enumeration: return 'e';
  case layout::nothing: return 'n';
  case layout::described: return 'd';
  case layout::array: return 'a';
  case layout::sequence: return 's';
  case layout::associative: return 'm';
  case layout::tuple: return 't';
  case layout::optional: return 'o';
  case layout::variant: return 'v';
  case layout::duration: return 'u';
  case layout::time_point: return 'p';
  case layout::bytes: return 'y';
  case layout::other: break;
  }
  return '?';
}

template <class T>
constexpr void schema_hash::add(const types_around* around)
{
  constexpr layout kind = layout_of<T>();
  if (const int level = around ? around->find(type_mark<T>) : -1; level >= 0) {
    character('^');
    number(static_cast<unsigned>(level));
    return;
  }
  character(letter_of(kind));
  if constexpr (std::is_class_v<T>) {
    const types_around here{type_mark<T>, around};
    add_details<T>(&here);
  } else {
    add_details<T>(around);
  }
}

template <class T>
constexpr void schema_hash::add_details(const types_around* around)
{
  constexpr layout kind = layout_of<T>();
  if constexpr (kind == layout::integer) {
    number(sizeof(T));
    number(std::is_signed_v<T>);
  } else if constexpr (kind == layout::floating) {
    number(sizeof(T));
    number(std::numeric_limits<T>::digits);
  } else if constexpr (kind == layout::described) {
    number(mp::mp_size<bases_of<T>>::value);
    number(mp::mp_size<members_of<T>>::value);
    all_of(members_of<T>(), [&](auto member) {
      text(member.name);
      return true;
    });
  } else if constexpr (kind == layout::array) {
    number(fixed_size<T>);
  } else if constexpr (kind == layout::associative) {
    number(map_container<T>);
  } else if constexpr (kind == layout::tuple || kind == layout::variant) {
    number(mp::mp_size<T>::value);
  } else if constexpr (kind == layout::duration) {
    number(T::period::num);
    number(T::period::den);
  } else if constexpr (kind == layout::time_point) {
    using clock = typename T::clock;
    if constexpr (std::is_same_v<clock, std::chrono::system_clock>) text("system_clock");
    else if constexpr (std::is_same_v<clock, std::chrono::steady_clock>) text("steady_clock");
    else text(message_name<clock>);
  } else if constexpr (kind == layout::bytes) {
    number(sizeof(T));
    text(message_name<T>);
  } else if constexpr (kind == layout::other) {
    text(message_name<T>);
  }
  add_all(parts_of<T>(), around);
}

} // namespace cohort::detail

namespace cohort {

template <class T>
consteval std::uint32_t schema_of()
{
  detail::schema_hash hash;
  hash.add<T>(nullptr);
  return hash.value();
}

} // namespace cohort
