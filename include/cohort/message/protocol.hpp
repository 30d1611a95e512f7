// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/codec.hpp>
#include <cohort/message/message_name.hpp>
#include <cohort/message/schema.hpp>

#include <boost/json/fwd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
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

/// Whether a type is defined where this is looked at first, by each `Asking`.
template <class T, class Asking = void>
inline constexpr bool is_complete = requires
{
  sizeof(T);
};

/// What a codec lacks for one message or for the first such one of several.
enum class codec_fault { none, no_codec, no_encode, no_decode, no_layout, unsupported };

/// What cannot be seen yet is taken for good.
template <class Codec, class Message, class Asking>
constexpr codec_fault codec_fault_for()
{
  if constexpr (!is_complete<Codec, Asking> || !is_complete<Message, Asking>)
    return codec_fault::none;
  else if constexpr (!codec_tells_support<Codec, Message>) return codec_fault::no_codec;
  else if constexpr (!Codec::template supports<Message>) return codec_fault::unsupported;
  else if constexpr (!codec_encodes<Codec, Message>) return codec_fault::no_encode;
  else if constexpr (!codec_decodes<Codec, Message>) return codec_fault::no_decode;
  else if constexpr (!codec_tells_layout<Codec, Message>) return codec_fault::no_layout;
  else return codec_fault::none;
}

/// Stands for a codec that was refused, so that one sentence is all there is to read.
struct refused_codec {
  static constexpr bool exact_schema = false;
  template <class Message>
  static void encode(Message&&, byte_sink&)
  {
  }
  template <class Message>
  static std::optional<Message> decode(std::span<const std::byte>, decode_error&)
  {
    return std::nullopt;
  }
  template <class Message>
  static constexpr std::uint32_t schema()
  {
    return 0;
  }
};

/// What to name when a message is not supported.
template <class Codec, class Message>
constexpr auto obstacle_in()
{
  if constexpr (requires { typename Codec::template obstacle<Message>; })
    return std::type_identity<typename Codec::template obstacle<Message>>();
  else return std::type_identity<Message>();
}

/// Its arguments are for the compiler's notes.
template <class Codec, class Obstacle>
inline constexpr bool carries = std::is_void_v<Obstacle>;

template <class Codec, class Out, class In>
struct codec_check;

/// Whether a codec can do what is needed for all messages of both lists.
template <class Codec, class... Out, class... In>
struct codec_check<Codec, message_list<Out...>, message_list<In...>> {
private:
  using all = message_list<Out..., In...>;

  static constexpr std::array<codec_fault, all::size + 1> faults{
      codec_fault_for<Codec, Out, codec_check>()..., codec_fault_for<Codec, In, codec_check>()...};

  /// Of the first message that has a fault.
  static constexpr std::size_t first = [] {
    std::size_t index = 0;
    while (index != all::size && faults[index] == codec_fault::none) ++index;
    return index;
  }();

public:
  static constexpr codec_fault fault = faults[first];
  /// The codec to go on with.
  using codec = std::conditional_t<fault == codec_fault::none, Codec, refused_codec>;

  static constexpr bool free_of(codec_fault other) { return fault != other; }

private:
  static constexpr auto find_obstacle()
  {
    if constexpr (fault == codec_fault::unsupported) {
      using each = std::tuple<std::type_identity<Out>..., std::type_identity<In>...>;
      return obstacle_in<Codec, typename std::tuple_element_t<first, each>::type>();
    } else {
      return std::type_identity<void>();
    }
  }

public:
  /// The type that is not supported; `void` when there is none.
  using obstacle = typename decltype(find_obstacle())::type;
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
