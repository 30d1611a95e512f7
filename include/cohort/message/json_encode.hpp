// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_types.hpp>
#include <cohort/message/json_writer.hpp>

#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace cohort::detail {

/// Writes any type that JSON can carry.
template <class T>
void write_json(json_writer& out, const T& value);

// Implementation

/// `,"name":` of a described member.
template <class Member>
struct json_member_key {
  static constexpr std::string_view name = Member::name;
  static constexpr auto text = [] {
    std::array<char, name.size() + 4> key{};
    key[0] = ',';
    key[1] = '"';
    std::copy(name.begin(), name.end(), key.begin() + 2);
    key[name.size() + 2] = '"';
    key[name.size() + 3] = ':';
    return key;
  }();
};

template <class T>
void write_json_struct(json_writer& out, const T& value)
{
  bool first = true;
  out.open('{');
  all_of(flat_members<T>(), [&](auto member) {
    using described = decltype(member);
    const auto& part = value.*described::pointer;
    if constexpr (is_instance<std::remove_cvref_t<decltype(part)>, std::optional>)
      if (!part) return true;
    constexpr auto& key = json_member_key<described>::text;
    out.put(std::string_view(key.data(), key.size()).substr(first));
    first = false;
    write_json(out, part);
    return true;
  });
  out.close('}');
}

template <class Range, class Write>
void write_json_list(json_writer& out, char open, char close, const Range& range, Write write)
{
  bool first = true;
  out.open(open);
  for (const auto& each : range) {
    if (!first) out.put(',');
    first = false;
    write(each);
  }
  out.close(close);
}

template <class T>
void write_json_tuple(json_writer& out, const T& value)
{
  out.open('[');
  all_indexes<std::tuple_size_v<T>>([&](auto index) {
    if (index != 0) out.put(',');
    write_json(out, std::get<index>(value));
    return true;
  });
  out.close(']');
}

template <class T>
void write_json_variant(json_writer& out, const T& value)
{
  std::visit(
      [&]<class Alternative>(const Alternative& alternative) {
        out.open('{');
        out.put(R"("type":)");
        out.put_string(json_kind<Alternative>());
        out.put(R"(,"value":)");
        write_json(out, alternative);
        out.close('}');
      },
      value);
}

template <class T>
void write_json_enum(json_writer& out, T value)
{
  bool found = false;
  mp::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
    if (found || enumerator.value != value) return;
    found = true;
    out.put_string(enumerator.name);
  });
  if (!found) throw std::system_error(error::invalid_message, "an enumerator without a name");
}

inline void write_json_document(json_writer& out, const boost::json::string& string)
{
  out.put_string(string);
}

inline void write_json_document(json_writer& out, const boost::json::array& array)
{
  write_json_list(out, '[', ']', array, [&](const auto& each) { write_json(out, each); });
}

inline void write_json_document(json_writer& out, const boost::json::object& object)
{
  write_json_list(out, '{', '}', object, [&](const auto& each) {
    out.put_string(each.key());
    out.put(':');
    write_json(out, each.value());
  });
}

// Boost.JSON 1.81's serializer writes `NaN` and `Infinity`, which no parser takes.
inline void write_json_document(json_writer& out, const boost::json::value& value)
{
  switch (value.kind()) {
  case boost::json::kind::null: return out.put("null");
  case boost::json::kind::bool_: return write_json(out, value.get_bool());
  case boost::json::kind::int64: return out.put_number(value.get_int64());
  case boost::json::kind::uint64: return out.put_number(value.get_uint64());
  case boost::json::kind::double_: return out.put_double(value.get_double());
  case boost::json::kind::string: return write_json_document(out, value.get_string());
  case boost::json::kind::array: return write_json_document(out, value.get_array());
  case boost::json::kind::object: return write_json_document(out, value.get_object());
  }
}

template <class T>
void write_json(json_writer& out, const T& value)
{
  constexpr layout kind = layout_of<T>();
  const auto write_each = [&](const auto& each) { write_json(out, each); };
  if constexpr (json_document<T>) {
    write_json_document(out, value);
  } else if constexpr (json_text<T>) {
    out.put_string(value);
  } else if constexpr (json_bytes<T>) {
    out.put_bytes(value);
  } else if constexpr (kind == layout::boolean) {
    out.put(value ? std::string_view("true") : std::string_view("false"));
  } else if constexpr (kind == layout::integer || kind == layout::floating) {
    out.put_number(value);
  } else if constexpr (kind == layout::duration) {
    out.put_number(value.count());
  } else if constexpr (kind == layout::time_point) {
    out.put_number(value.time_since_epoch().count());
  } else if constexpr (json_named_enum<T>) {
    write_json_enum(out, value);
  } else if constexpr (kind == layout::enumeration) {
    out.put_number(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (kind == layout::nothing) {
    out.put("null");
  } else if constexpr (kind == layout::optional) {
    if (value) write_json(out, *value);
    else out.put("null");
  } else if constexpr (kind == layout::described) {
    write_json_struct(out, value);
  } else if constexpr (kind == layout::variant) {
    write_json_variant(out, value);
  } else if constexpr (kind == layout::tuple) {
    write_json_tuple(out, value);
  } else if constexpr (json_object_map<T>) {
    write_json_list(out, '{', '}', value, [&](const auto& entry) {
      out.put_string(entry.first);
      out.put(':');
      write_json(out, entry.second);
    });
  } else {
    write_json_list(out, '[', ']', value, write_each);
  }
}

} // namespace cohort::detail
