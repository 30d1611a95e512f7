// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cohort::detail {

/// The type's name as the compiler spells it, anonymous namespaces as `(anonymous namespace)`.
template <class T>
consteval std::string_view name_of_type();

/// 32-bit FNV-1a. More text may be added to a hash that there is already.
constexpr std::uint32_t fnv1a(std::string_view text, std::uint32_t hash = 0x811c9dc5) noexcept;

} // namespace cohort::detail

namespace cohort {

/// What a message is called on the wire: the name of its type with all namespaces.
///
/// g++ and clang agree on it for classes and enumerations that are neither templates nor local to
/// a function nor in an inline namespace. For those, and for a type that was renamed and should
/// keep its name for the programs that know the old one, name it yourself:
///
///     template <>
///     inline constexpr std::string_view cohort::message_name<price<double>> = "price";
template <class T>
inline constexpr std::string_view message_name = detail::name_of_type<T>();

/// The number that stands for the name in a frame: 32-bit FNV-1a of `message_name<T>`.
template <class T>
constexpr std::uint32_t message_id() noexcept
{
  return detail::fnv1a(message_name<T>);
}

} // namespace cohort

// Implementation

namespace cohort::detail {

constexpr std::uint32_t fnv1a(std::string_view text, std::uint32_t hash) noexcept
{
  for (char each : text) {
    hash ^= static_cast<unsigned char>(each);
    hash *= 0x01000193;
  }
  return hash;
}

template <class T>
consteval std::string_view function_signature()
{
  return __PRETTY_FUNCTION__;
}

template <class T>
consteval std::string_view compilers_name()
{
  constexpr std::string_view known = function_signature<double>();
  constexpr std::size_t before = known.find("double");
  constexpr std::size_t after = known.size() - before - std::string_view("double").size();
  std::string_view name = function_signature<T>();
  name.remove_prefix(before);
  name.remove_suffix(after);
  return name;
}

/// How g++ and how clang spells it.
inline constexpr std::string_view gnu_anonymous = "{anonymous}";
inline constexpr std::string_view anonymous = "(anonymous namespace)";

constexpr std::size_t count_anonymous(std::string_view name) noexcept
{
  std::size_t count = 0;
  for (auto at = name.find(gnu_anonymous); at != name.npos; at = name.find(gnu_anonymous, at + 1))
    ++count;
  return count;
}

template <class T>
struct type_name {
  static constexpr std::string_view given = compilers_name<T>();
  static constexpr std::size_t size =
      given.size() + count_anonymous(given) * (anonymous.size() - gnu_anonymous.size());

  static constexpr std::array<char, size> text = [] {
    std::array<char, size> out{};
    std::size_t used = 0;
    for (std::size_t i = 0; i != given.size();) {
      if (given.substr(i).starts_with(gnu_anonymous)) {
        for (char each : anonymous) out[used++] = each;
        i += gnu_anonymous.size();
      } else {
        out[used++] = given[i++];
      }
    }
    return out;
  }();
};

template <class T>
consteval std::string_view name_of_type()
{
  return std::string_view(type_name<T>::text.data(), type_name<T>::text.size());
}

} // namespace cohort::detail
