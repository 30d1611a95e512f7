// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/message_name.hpp>
#include <cohort/message/schema.hpp>

#include <boost/json/fwd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

namespace cohort {

struct json_codec;

/// The types of the messages that go one way. A message is a default constructible, movable type
/// that the codec supports; a type may be in the list once, and two may not have the same name.
template <class... Messages>
struct messages {
};

/// What workers send.
template <class... Messages>
struct to_primary : messages<Messages...> {
};

/// What the primary sends.
template <class... Messages>
struct to_worker : messages<Messages...> {
};

/// A list of one type, which is received as it is and not in a `std::variant`.
template <class Message>
struct untyped : messages<Message> {
};

/// What the two sides of a cluster say to each other, checked by the compiler on both.
///
///     using protocol = cohort::protocol<cohort::to_primary<request_served>,
///         cohort::to_worker<new_config, flush_cache>>;
///     cohort::cluster<cohort::round_robin, protocol> cluster(io);   // in the primary
///     cohort::basic_this_worker<protocol> self(io);                 // in the worker
template <class ToPrimary, class ToWorker, class Codec = json_codec>
struct protocol {
  using to_primary = ToPrimary;
  using to_worker = ToWorker;
  using codec = Codec;
};

/// The protocol of `cluster<>` and `this_worker`: any JSON value both ways, as in Node.
struct json_protocol {
  using to_primary = untyped<boost::json::value>;
  using to_worker = untyped<boost::json::value>;
  using codec = json_codec;
};

} // namespace cohort

// Implementation

namespace cohort::detail {

template <class... Messages>
struct value_of_list {
  using type = std::variant<Messages...>;
};

template <>
struct value_of_list<> {
  using type = std::monostate;
};

template <class... Messages>
struct message_list {
  using base = message_list;
  /// What is received: any of them.
  using value = typename value_of_list<Messages...>::type;

  static constexpr std::size_t size = sizeof...(Messages);
  template <class Message>
  static constexpr bool contains = (std::is_same_v<Message, Messages> || ...);

  template <class Message>
  static constexpr std::size_t index_of()
  {
    constexpr std::array<bool, size> same{std::is_same_v<Message, Messages>...};
    std::size_t index = 0;
    while (!same[index]) ++index;
    return index;
  }

  /// Calls `function.operator()<Message, index>()` for each until one returns true.
  template <class Function>
  static bool any(Function&& function)
  {
    return any(function, std::index_sequence_for<Messages...>());
  }

  /// No two types have the same name, or names that hash alike.
  static constexpr bool distinct()
  {
    constexpr std::array<std::uint32_t, size + 1> ids{message_id<Messages>()...};
    for (std::size_t i = 0; i != size; ++i)
      for (std::size_t k = 0; k != i; ++k)
        if (ids[i] == ids[k]) return false;
    return true;
  }

private:
  template <class Function, std::size_t... Indices>
  static bool any(Function& function, std::index_sequence<Indices...>)
  {
    return (function.template operator()<Messages, Indices>() || ...);
  }
};

template <class Message>
struct untyped_list : message_list<Message> {
  /// What is received: the only one, as it is.
  using value = Message;
};

template <class... Messages>
message_list<Messages...> list_of(const messages<Messages...>&);
template <class Message>
untyped_list<Message> list_of(const untyped<Message>&);

/// The `message_list` of `messages`, `to_primary`, `to_worker` or `untyped`.
template <class List>
using list_of_t = decltype(list_of(std::declval<List>()));

/// One number for the types of a list and their layouts, in order.
template <class Codec, class... Messages>
constexpr std::uint32_t fingerprint(std::uint32_t seed, const message_list<Messages...>*)
{
  const auto mix = [&seed](std::uint32_t number) { seed = (seed ^ number) * 16777619u; };
  ((mix(message_id<Messages>()), mix(Codec::template schema<Messages>())), ...);
  mix(sizeof...(Messages));
  return seed;
}

/// Whether a type is defined where this is looked at first.
template <class T>
inline constexpr bool is_complete = requires
{
  sizeof(T);
};

/// What both sides of a protocol compare in their hello.
template <class Protocol>
constexpr std::uint64_t fingerprint()
{
  using codec = typename Protocol::codec;
  constexpr const list_of_t<typename Protocol::to_primary>* up = nullptr;
  constexpr const list_of_t<typename Protocol::to_worker>* down = nullptr;
  const std::uint32_t name = message_id<codec>();
  return std::uint64_t(fingerprint<codec>(name, up)) << 32 | fingerprint<codec>(name, down);
}

} // namespace cohort::detail
