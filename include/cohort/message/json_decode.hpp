// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_defaults.hpp>
#include <cohort/message/json_reader.hpp>
#include <cohort/message/json_scalars.hpp>
#include <cohort/message/json_types.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// Out of JSON: what consists of other types.
namespace cohort::detail {

/// Reads any type that JSON can carry. False when it failed; `value` is in any state then.
template <class T>
bool read_json(json_reader& in, T& value);

// Implementation

/// Reads the elements of an array into things that are there already.
template <std::size_t Count, class ReadElement>
bool read_json_elements(json_reader& in, ReadElement read_element)
{
  std::size_t count = 0;
  const auto fail = [&](const std::string& got) {
    return in.fail("expected " + std::to_string(Count) + " elements, got " + got);
  };
  const bool read = in.read_array([&](std::size_t index) {
    if (index == Count) return fail("more");
    count = index + 1;
    return read_element(index) || in.in_element(index);
  });
  return read && (count == Count || fail(std::to_string(count)));
}

template <class T>
bool read_json_tuple(json_reader& in, T& value)
{
  return read_json_elements<std::tuple_size_v<T>>(in, [&](std::size_t wanted) {
    return all_indexes<std::tuple_size_v<T>>(
        [&](auto index) { return index != wanted || read_json(in, std::get<index>(value)); });
  });
}

template <class T>
bool read_json_sequence(json_reader& in, T& value)
{
  value.clear();
  return in.read_array([&](std::size_t index) {
    typename T::value_type element{};
    if (!read_json(in, element)) return in.in_element(index);
    value.push_back(std::move(element));
    return true;
  });
}

template <class T>
bool read_json_set(json_reader& in, T& value)
{
  value.clear();
  return in.read_array([&](std::size_t index) {
    typename T::key_type element{};
    if (!read_json(in, element)) return in.in_element(index);
    value.insert(std::move(element));
    return true;
  });
}

template <class T>
bool read_json_object_map(json_reader& in, T& value)
{
  value.clear();
  return in.read_object([&](std::string_view text) {
    typename T::key_type key(text);
    typename T::mapped_type element{};
    if (!read_json(in, element)) return in.in_key(key);
    value.insert_or_assign(std::move(key), std::move(element));
    return true;
  });
}

/// Pairs of key and value; of two with the same key the last one counts here too.
template <class T>
bool read_json_pairs(json_reader& in, T& value)
{
  value.clear();
  return in.read_array([&](std::size_t index) {
    std::pair<typename T::key_type, typename T::mapped_type> entry{};
    if (!read_json(in, entry)) return in.in_element(index);
    if constexpr (requires {
                    value.insert_or_assign(std::move(entry.first), std::move(entry.second));
                  })
      value.insert_or_assign(std::move(entry.first), std::move(entry.second));
    else value.emplace(std::move(entry.first), std::move(entry.second));
    return true;
  });
}

template <class T>
void move_json_value(T&& from, T& to)
{
  if constexpr (std::is_array_v<T>)
    for (std::size_t i = 0; i != fixed_size<T>; ++i) move_json_value(std::move(from[i]), to[i]);
  else to = std::move(from);
}

template <class T, class... Member>
bool read_json_struct(json_reader& in, T& value, mp::mp_list<Member...>)
{
  struct entry {
    std::string_view name;
    bool (*read)(json_reader&, T&);
    // Back to the value that it has in a new T.
    void (*reset)(T&);
    bool (*may_be_absent)(const T&);
  };
  constexpr std::size_t count = sizeof...(Member);
  static constexpr std::array<entry, count> members = {entry{Member::name,
      [](json_reader& from, T& to) { return read_json(from, to.*Member::pointer); },
      [](T& to) { move_json_value(T().*Member::pointer, to.*Member::pointer); },
      [](const T& of) { return may_be_absent<T, Member>(of.*Member::pointer); }}...};

  std::array<bool, count> seen{};
  // Most texts have the members in their order.
  std::size_t next = 0;
  const bool read = in.read_object([&](std::string_view key) {
    std::size_t which = next;
    if (which == count || members[which].name != key)
      for (which = 0; which != count && members[which].name != key;) ++which;
    if (which == count) return in.skip_value();
    if (seen[which]) members[which].reset(value);
    seen[which] = true;
    next = which + 1;
    return members[which].read(in, value) || in.in_member(members[which].name);
  });
  if (!read) return false;
  for (std::size_t i = 0; i != count; ++i)
    if (!seen[i] && !members[i].may_be_absent(value)) {
      in.fail("missing");
      return in.in_member(members[i].name);
    }
  return true;
}

template <class T, class... Alternative>
bool read_json_variant(json_reader& in, T& value, mp::mp_list<Alternative...>)
{
  struct entry {
    std::string_view kind;
    bool (*read)(json_reader&, T&);
    // For one that needs no value.
    void (*make)(T&);
  };
  constexpr std::size_t count = sizeof...(Alternative);
  static constexpr std::array<entry, count> alternatives = {entry{json_kind<Alternative>(),
      [](json_reader& from, T& to) { return read_json(from, to.template emplace<Alternative>()); },
      layout_of<Alternative>() == layout::nothing
          ? [](T& to) { to.template emplace<Alternative>(); }
          : static_cast<void (*)(T&)>(nullptr)}...};
  constexpr std::size_t unknown = count;

  std::size_t which = unknown;
  std::size_t done = unknown;
  std::optional<std::size_t> place;
  const auto read_value = [&] {
    done = which;
    return alternatives[which].read(in, value) || in.in_member("value");
  };
  const bool read = in.read_object([&](std::string_view key) {
    if (key == "type") {
      std::string_view kind;
      if (!in.read_string_view(kind)) return in.in_member("type");
      for (which = 0; which != count && alternatives[which].kind != kind;) ++which;
      if (which != unknown) return true;
      in.fail("unknown type \"" + printable(kind) + '"');
      return in.in_member("type");
    }
    if (key != "value") return in.skip_value();
    place = in.position();
    done = unknown;
    return which == unknown ? in.skip_value() : read_value();
  });
  if (!read) return false;
  if (which != unknown && which == done) return true;
  if (which == unknown || (!place && !alternatives[which].make)) {
    in.fail("missing");
    return in.in_member(which == unknown ? "type" : "value");
  }
  if (!place) {
    alternatives[which].make(value);
    return true;
  }
  // The value came before its type.
  const auto end = in.position();
  in.go_to(*place);
  const bool read_late = read_value();
  in.go_to(end);
  return read_late;
}

template <class T>
bool read_json(json_reader& in, T& value)
{
  constexpr layout kind = layout_of<T>();
  if constexpr (json_document<T>) {
    return read_json_document_as(in, value);
  } else if constexpr (json_text<T>) {
    return in.read_string(value);
  } else if constexpr (json_bytes<T>) {
    return read_json_bytes(in, value);
  } else if constexpr (kind == layout::boolean) {
    value = in.take("true");
    return value || in.take("false") || in.fail_expected("a boolean");
  } else if constexpr (kind == layout::integer || kind == layout::floating) {
    return read_json_number(in, value);
  } else if constexpr (kind == layout::enumeration) {
    return read_json_enum(in, value);
  } else if constexpr (kind == layout::nothing) {
    return in.take("null") || in.fail_expected("null");
  } else if constexpr (kind == layout::duration) {
    typename T::rep count{};
    if (!read_json_number(in, count)) return false;
    value = T(count);
    return true;
  } else if constexpr (kind == layout::time_point) {
    typename T::duration since{};
    if (!read_json(in, since)) return false;
    value = T(since);
    return true;
  } else if constexpr (kind == layout::optional) {
    value.reset();
    return in.take("null") || read_json(in, value.emplace());
  } else if constexpr (kind == layout::described) {
    return read_json_struct(in, value, flat_members<T>());
  } else if constexpr (kind == layout::variant) {
    return read_json_variant(in, value, mp::mp_rename<T, mp::mp_list>());
  } else if constexpr (kind == layout::tuple) {
    return read_json_tuple(in, value);
  } else if constexpr (kind == layout::array) {
    return read_json_elements<fixed_size<T>>(
        in, [&](std::size_t index) { return read_json(in, value[index]); });
  } else if constexpr (kind == layout::sequence) {
    return read_json_sequence(in, value);
  } else if constexpr (json_object_map<T>) {
    return read_json_object_map(in, value);
  } else if constexpr (map_container<T>) {
    return read_json_pairs(in, value);
  } else {
    return read_json_set(in, value);
  }
}

} // namespace cohort::detail
